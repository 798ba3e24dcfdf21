"""How Sphinx makes the book (`make book`); its pages are laid out by tools/build_book.py.

Nothing is fetched, neither while building nor while reading: the theme brings its own files, and
formulas become MathML, which browsers draw by themselves.
"""

from __future__ import annotations

import re
from typing import Any

import latex2mathml.converter
from docutils import nodes
from sphinx.application import Sphinx

import cvq_tutorial

project = "cvq_tutorial"
author = "The cvq_tutorial authors"
copyright = author
version = release = cvq_tutorial.__version__
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["**/_given"]
root_doc = "index"
default_role = "code"

nb_execution_mode = "off"
nb_render_markdown_format = "myst"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_rtype = False

SECTION = "(Args|Returns|Raises|Yields|Attributes|Examples?|Note):"

html_theme = "furo"
html_title = "cvq_tutorial"
html_static_path = ["_static"]
html_css_files, html_js_files = ["book.css"], ["book.js"]
html_show_sourcelink = html_copy_source = False
html_show_search_summary = (
    False  # it reads each page found, which a browser forbids without a server
)
html_theme_options: dict[str, Any] = {"navigation_with_keys": True}


def mathml(self: Any, node: nodes.math | nodes.math_block) -> None:
    """A formula as MathML, with its source as what a reader of the page's text finds."""
    block = isinstance(node, nodes.math_block)
    made = latex2mathml.converter.convert(node.astext(), display="block" if block else "inline")
    self.body.append(f'<div class="math">{made}</div>' if block else made)
    raise nodes.SkipNode


def as_paragraphs(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Give free text of a docstring the blank lines that reStructuredText asks for.

    A line "x: ..." with an indented rest is a paragraph of its own; what is indented below a blank
    line is shown as it stands. Google sections are left to napoleon.
    """
    if what == "property" and lines:
        lines[0] = lines[0].replace(
            ": ", " \N{EN DASH} ", 1
        )  # napoleon takes what is before it for a type
    made: list[str] = []
    section = hanging = False
    for line in lines:
        flat = bool(line) and not line[0].isspace()
        if flat:
            section = re.fullmatch(SECTION, line) is not None
        listed = bool(made) and made[-1].lstrip().startswith(("* ", "- ", ">>>", "|"))
        if section or listed or not line:
            hanging = False
        elif not flat and made and made[-1] and (hanging or not made[-1][0].isspace()):
            if not hanging and len(made) > 1 and made[-2]:
                made.insert(-1, "")
            made[-1] += f" {line.strip()}"
            hanging = True
            continue
        elif hanging:
            made.append("")
            hanging = False
        if not flat and line and made and not made[-1] and not section:
            before = [n for n, text in enumerate(made) if text]
            if before and made[before[-1]].endswith(":") and not made[before[-1]].endswith("::"):
                made[before[-1]] += ":"
        made.append(line)
    lines[:] = made


def setup(app: Sphinx) -> None:
    """Sphinx asks for this."""
    app.connect("autodoc-process-docstring", as_paragraphs, priority=400)  # before napoleon
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))


html_math_renderer = "mathml"
