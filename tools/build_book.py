"""Lay out the pages of the book, and let Sphinx make a static site of them: `make book`.

    python tools/build_book.py            -> build/book/index.html
    python tools/build_book.py --out DIR

Whatever lies in notebooks/ and figures/ is a page, found by listing: lessons as the repository
shows them, their solutions, reproductions, tables, and the public names of the package. The pages
stand where the files stand in the repository, so that links between them hold. No notebook is
executed: the stored outputs are shown, an explorer as its picture.

Links to Colab and Binder need the address of the repository: they are made where pyproject.toml
(`project.urls`, Repository) or CITATION.cff (`repository-code`) names one on GitHub.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.run.outputs import EXPLORER, for_html

OUT = PROJECT_ROOT / "build" / "book"
HERE = Path(__file__).resolve().parent / "book"
LEFT = (".ipynb_checkpoints", "src")
API = ("cvq_tutorial", "cvq_tutorial.draw", "cvq_tutorial.explore", "cvq_tutorial.lessons.check")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


def repository(root: Path = PROJECT_ROOT) -> str | None:
    """ "owner/name" on GitHub, where the project says so."""
    urls = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {})
    told = yaml.safe_load((root / "CITATION.cff").read_text("utf-8")).get("repository-code", "")
    named = {key.lower(): address for key, address in urls.items()}
    for address in (named.get("repository", ""), told):
        if found := re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?", address):
            return found[1]
    return None


def ways_in(path: str, owner_and_name: str | None) -> str:
    """A cell that says where a notebook of the repository runs."""
    mine = path.replace("notebooks/", "my_lessons/", 1)
    name = Path(path).name
    links = [
        f"in JupyterLab: `make lab`, then `{mine}`",
        f"{{download}}`the notebook, as a file <_given/{name}>`",
    ]
    if owner_and_name:
        colab = f"https://colab.research.google.com/github/{owner_and_name}/blob/main/{path}"
        binder = f"https://mybinder.org/v2/gh/{owner_and_name}/main?labpath={path}"
        links += [f"[open in Colab]({colab})", f"[open in Binder]({binder})"]
    return '<div class="cvq-open">\n\n' + " · ".join(links) + "\n\n</div>"


def page_of(notebook: NotebookNode, path: str, owner_and_name: str | None) -> NotebookNode:
    """The notebook as a page: pictures with words, folded where the notebook is, with a way in.

    What stands below a question "Predict" is folded until the reader asks for it.
    """
    for_html(notebook)
    asked = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            asked = "**Predict" in cell.source
            continue
        tags = set(cell.metadata.get("tags", []))
        hidden = cell.metadata.get("jupyter", {})
        if hidden.get("source_hidden"):
            tags.add("hide-input")
        if hidden.get("outputs_hidden") or (asked and EXPLORER not in tags and cell.outputs):
            tags.add("hide-output")
        asked = False
        cell.metadata["tags"] = sorted(tags)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(ways_in(path, owner_and_name)))
    if "solutions" in Path(path).parts:
        notebook.metadata["nosearch"] = True
    return notebook


def notebooks(root: Path = PROJECT_ROOT) -> list[Path]:
    """All built notebooks, relative to the project, in the order of their names."""
    found = ((root / "notebooks") / p for p in sorted((root / "notebooks").rglob("*.ipynb")))
    inner = (path.relative_to(root) for path in found)
    return [p for p in inner if not any(part in LEFT for part in p.parts)]


def texts(root: Path = PROJECT_ROOT) -> list[Path]:
    """What is Markdown in the repository: tables, comparisons, how to contribute, changes."""
    found = [
        p for room in ("tools/book", "figures", "notebooks") for p in root.glob(f"{room}/**/*.md")
    ]
    inner = sorted((path.relative_to(root) for path in found), key=lambda p: p.parts[0] != "tools")
    return [*inner, Path("CONTRIBUTING.md"), Path("CHANGELOG.md")]


def first_page(text: str) -> str:
    """Links to the README lead to the first page of the book, which it is."""
    return re.sub(r"\]\((\.\./)*README\.md\)", "](/index.md)", text)


def linked(texts: Iterable[tuple[Path, str]], root: Path = PROJECT_ROOT) -> set[Path]:
    """The files of the project that texts link to, relative to it."""
    found = set()
    for where, text in texts:
        for target, _ in LINK.findall(text):
            path = Path(os.path.normpath(where.parent / target))
            if ":" not in target and (root / path).is_file():
                found.add(path)
    return found


def numbered(path: Path, notebook: NotebookNode) -> str:
    """A notebook in the list of pages: by its title, with its number before it."""
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    number = path.name.split("_")[0]
    title = title if title.startswith(number) else f"{number} {title}"
    return f"{title} </{path.with_suffix('')}>"


def toctree(title: str, names: Iterable[str], hidden: bool = True) -> str:
    head = ["```{toctree}", f":caption: {title}", ":maxdepth: 1", *[":hidden:"] * hidden]
    return "\n".join([*head, "", *names, "```", ""])


def api_page(module: str) -> str:
    """A page on the public names of a module."""
    names = sorted(importlib.import_module(module).__all__, key=str.lower)
    owner = importlib.import_module(module)
    lines = [f"# {module}", "", "```{eval-rst}", f".. automodule:: {module}", "   :no-members:", ""]
    for name in names:
        found = getattr(owner, name)
        if isinstance(found, type):
            lines += [f".. autoclass:: {module}.{name}", "   :members:", "   :exclude-members: set"]
        elif callable(found):
            lines.append(f".. autofunction:: {module}.{name}")
        lines.append("")
    return "\n".join([*lines, "```", ""])


def lay_out(folder: Path, root: Path = PROJECT_ROOT) -> None:
    """Write the sources of all pages into a folder."""
    owner_and_name, books, words = repository(root), notebooks(root), texts(root)
    readme = (root / "README.md").read_text("utf-8")
    said, entry = [(Path("README.md"), readme)], {p: f"/{p.with_suffix('')}" for p in words}
    for path in words:
        said.append((path, (root / path).read_text("utf-8")))
    for path in books:
        notebook = nbformat.read(root / path, as_version=4)
        for cell in notebook.cells:
            cell.source = first_page(cell.source) if cell.cell_type == "markdown" else cell.source
        entry[path] = numbered(path, notebook)
        said += [(path, cell.source) for cell in notebook.cells if cell.cell_type == "markdown"]
        target = folder / path
        (target.parent / "_given").mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, target.parent / "_given" / path.name)
        nbformat.write(page_of(notebook, str(path), owner_and_name), target)
    pages = {*books, *words, Path("README.md")}
    for path in linked(said, root) - pages:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, folder / path)
    for path, text in said[1 : 1 + len(words)]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / path, first_page(text).encode())
    lessons = [entry[p] for p in books if len(p.parts) == 2]
    solved = [entry[p] for p in books if "solutions" in p.parts]
    runs = [entry[p] for p in [*books, *words] if "reproduce" in p.parts]
    rest = [entry[p] for p in words if entry[p] not in runs]
    filled = "# Solutions\n\nThe lessons with their exercises filled in.\n\n"
    filled += toctree("Solutions", solved, hidden=False)
    write_atomic(folder / "solutions.md", filled.encode())
    for module in API:
        (folder / "api").mkdir(exist_ok=True)
        write_atomic(folder / "api" / f"{module}.md", api_page(module).encode())
    trees = [
        toctree("Lessons", [*lessons, "solutions"]),
        toctree("Reproductions", runs),
        toctree("Tables and texts", rest),
        toctree("Public names", [f"api/{module}" for module in API]),
    ]
    write_atomic(folder / "index.md", "\n".join([readme, "", *trees]).encode())
    (folder / "_static").mkdir()
    for name in ("book.css", "book.js"):
        shutil.copy(HERE / name, folder / "_static")
    shutil.copy(HERE / "conf.py", folder)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT.name}")
    out = parser.parse_args(arguments).out
    pages = out.with_name(f"{out.name}-pages")
    for folder in (pages, out):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    lay_out(pages)
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-j", "2", str(pages), str(out)]
    failed = subprocess.run([*command, "-W", "--keep-going"]).returncode
    if not failed:
        print(f"{out / 'index.html'}: {len(list(out.rglob('*.html')))} pages")
    return failed


if __name__ == "__main__":
    sys.exit(main())
