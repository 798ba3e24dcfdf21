"""`make lab`: a working copy without outputs, which is never written again."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import project_tools

ROOT = Path(__file__).resolve().parent.parent.parent
tool = project_tools.load("open_lab")


def book(path: Path, source: str = "1 + 1") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    output = nbformat.v4.new_output("stream", text="2\n")
    cell = nbformat.v4.new_code_cell(source, outputs=[output], execution_count=3)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Predict!"), cell])
    made.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    nbformat.write(made, path)


def test_a_copy_gives_nothing_away_and_is_never_written_again(tmp_path):
    books, copy = tmp_path / "notebooks", tmp_path / "lessons"
    for name in ("00.ipynb", "solutions/00.ipynb", "src/x.ipynb", ".ipynb_checkpoints/00.ipynb"):
        book(books / name)
    assert tool.refresh(books, copy) == []
    found = sorted(str(p.relative_to(copy)) for p in copy.rglob("*.ipynb"))
    assert found == ["00.ipynb", "solutions/00.ipynb"]
    made = nbformat.read(copy / "00.ipynb", as_version=4)
    assert [c.source for c in made.cells] == [
        "Predict!",
        "1 + 1",
    ] and "widgets" not in made.metadata
    assert made.cells[1].outputs == [] and made.cells[1].execution_count is None

    made.cells[1].source = "my answer"
    nbformat.write(made, copy / "00.ipynb")
    mine = (copy / "00.ipynb").read_bytes()
    assert tool.refresh(books, copy) == []
    book(books / "00.ipynb", "2 + 2")
    assert tool.refresh(books, copy) == ["lessons/00.ipynb: there is a newer one; move yours away"]
    assert (copy / "00.ipynb").read_bytes() == mine
    (copy / "00.ipynb").write_text("[]")  # whatever stands there is the reader's
    assert len(tool.refresh(books, copy)) == 1 and (copy / "00.ipynb").read_text() == "[]"
    (copy / "00.ipynb").unlink()
    assert tool.refresh(books, copy) == []
    assert nbformat.read(copy / "00.ipynb", as_version=4).cells[1].source == "2 + 2"


def test_settings_are_given_once_and_chosen_ones_stay(tmp_path):
    tool.settings(tmp_path)
    path = tmp_path / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert json.loads(path.read_text()) == tool.SETTINGS
    path.write_text("{}")
    tool.settings(tmp_path)
    assert path.read_text() == "{}"


def test_the_copy_is_no_part_of_the_repository():
    assert f"/{tool.COPY.name}/" in (ROOT / ".gitignore").read_text().splitlines()
