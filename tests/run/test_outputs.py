"""Executed notebooks on pages without a kernel and without a network: explorers are pictures."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cvq_tutorial.run import notebooks, outputs

ROOT = Path(__file__).resolve().parent.parent.parent
CELLS = (
    "from cvq_tutorial import explore, make_world\nworld = make_world('shapes3d')",
    "explore.FactorExplorer(world)",
    "from tqdm.auto import tqdm\nbar = tqdm(total=480)",  # nobody closes it: it stays at 0
    "import ipywidgets\nipywidgets.IntSlider()",
)


def shown(*data: dict, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    """A notebook of one cell with these outputs."""
    made = [nbformat.v4.new_output("display_data", data=dict(d)) for d in data]
    cell = nbformat.v4.new_code_cell("x", outputs=made, metadata={"tags": list(tags)})
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# x"), cell])
    book.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    return book


def captions(book: nbformat.NotebookNode) -> list[bool]:
    """For each output of its cell: is it a caption?"""
    return [outputs.STILL in output.metadata for output in book.cells[1].outputs]


VIEW, PICTURE = {outputs.VIEW: {"model_id": "a"}}, {"image/png": "AA==", "text/plain": "what it is"}


def test_a_picture_takes_the_place_of_the_view_and_a_second_call_changes_nothing():
    book = outputs.stills(shown(VIEW | PICTURE))
    assert "widgets" not in book.metadata
    assert captions(book) == [False, True] and book.cells[1].outputs[0].data == PICTURE
    assert "JupyterLab" in book.cells[1].outputs[1].data["text/html"]
    nbformat.validate(book)
    assert outputs.stills(copy.deepcopy(book)) == book


def test_a_page_has_the_words_of_each_picture():
    book = shown(VIEW | PICTURE, PICTURE)
    book.cells[1].outputs[0].metadata["image/png"] = {"alt": 'a "cube" & <b>', "width": 300}
    book, resources = outputs.for_html(book, {"given": 1})
    first, _, wordless = book.cells[1].outputs
    assert resources == {"given": 1} and wordless.data == PICTURE
    assert 'alt="a &quot;cube&quot; &amp; &lt;b&gt;" width="300"' in first.data["text/html"]
    assert "image/png" not in first.data and "base64,AA==" in first.data["text/html"]


def test_a_stored_picture_has_a_caption_where_an_explorer_was_and_nowhere_else():
    assert captions(outputs.stills(shown(PICTURE))) == [False]
    text = {"text/plain": "3"}
    book = outputs.stills(shown(PICTURE, PICTURE, text, tags=("explorer",)))
    assert captions(book) == [False, False, True, False]


@pytest.mark.parametrize(
    "text", ["  0%|          | 0/480", "train:  40%|####", "7it [00:01, 5it/s]"]
)
def test_a_dead_bar_goes(text):
    assert outputs.stills(shown(VIEW | {"text/plain": text})).cells[1].outputs == []
    words = {"text/plain": text}  # no widget: somebody printed it
    assert outputs.stills(shown(words)).cells[1].outputs[0].data == words


def test_a_widget_without_a_picture_keeps_its_view_and_its_state():
    data = VIEW | {"text/plain": "IntSlider(value=0, max=100%)"}
    book = outputs.stills(shown(data))
    assert book.cells[1].outputs[0].data == data and "widgets" in book.metadata


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """HTML of the same notebook: run by our papermill layer, and by nbconvert with our step."""
    folder = tmp_path_factory.mktemp("pages")
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell("a = 1", metadata={"tags": ["parameters"]})]
    book.cells += [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(book, folder / "source.ipynb")
    notebooks.run_notebook(folder / "source.ipynb", folder / "run.ipynb")
    step = "--HTMLExporter.preprocessors=cvq_tutorial.run.outputs.for_html"
    command = [sys.executable, "-m", "nbconvert", "--to", "html"]
    for name, more in (("run", []), ("source", ["--execute"])):
        done = subprocess.run(
            [*command, step, *more, str(folder / f"{name}.ipynb")],
            capture_output=True, text=True, cwd=ROOT, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
    return {name: folder / f"{name}.html" for name in ("run", "source")}


@pytest.mark.parametrize("name", ["run", "source"])
def test_executed_html_shows_its_explorer_without_a_network(pages, browser: Any, name: str):
    page = browser.new_page()
    page.route("**/*", lambda r: r.continue_() if r.request.url.startswith("file:") else r.abort())
    page.goto(pages[name].as_uri(), wait_until="load")
    image = page.locator(".jp-OutputArea-output img")
    assert image.count() == 1 and image.is_visible()
    assert image.evaluate("(e) => e.naturalWidth") > 300
    assert "floor_hue" in image.get_attribute("alt")
    page.get_by_text(outputs.CAPTION).wait_for(timeout=5000)
    assert page.get_by_text("0/480").count() == 0
    page.close()
