"""Build the notebooks from their sources: read the percent file, execute, tidy, write.

    python tools/build_notebooks.py            all of them
    python tools/build_notebooks.py 91 03      those whose name starts so
    python tools/build_notebooks.py --check    execute nothing, compare with the sources

`notebooks/src/NN_verb_phrase.py` becomes `notebooks/NN_verb_phrase.ipynb`, from number 90 on
`notebooks/reproduce/NN_verb_phrase.ipynb`. The same source and package give the same file: cell ids
come from the text of the cells, there is no time, no path and no version of the interpreter in it.
A cell with the tag `progress` keeps nothing that a progress bar leaves; any other cell that writes
to stderr is an error, because a warning is no part of a lesson.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from cvq_tutorial.notebooks import kernel_options, tidy_streams
from cvq_tutorial.paths import write_atomic

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
FIRST_REPRODUCTION = 90
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}


def sources(names: list[str], root: Path = NOTEBOOKS) -> list[Path]:
    """The sources whose file name starts with one of the names; without names all of them."""
    found = sorted((root / "src").glob("[0-9][0-9]_*.py"))
    chosen = [path for path in found if not names or any(path.name.startswith(n) for n in names)]
    for name in names:
        if not any(path.name.startswith(name) for path in found):
            raise ValueError(f"no source notebooks/src/{name}*.py")
    return chosen


def target_of(source: Path) -> Path:
    """Where the notebook of a source is written."""
    folder = source.parent.parent
    if int(source.name[:2]) >= FIRST_REPRODUCTION:
        folder = folder / "reproduce"
    return folder / f"{source.stem}.ipynb"


def read_source(source: Path) -> NotebookNode:
    """The notebook of a source, not executed: cells, their tags, ids made from their text."""
    notebook = nbformat.from_dict(jupytext.reads(source.read_text("utf-8"), fmt="py:percent"))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(METADATA)
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
    nbformat.validate(notebook)
    return notebook


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells in a fresh kernel whose working directory is `folder`, as nbval does."""
    with kernel_options() as options:
        client = NotebookClient(
            notebook,
            timeout=600,
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
            **options,
        )
        client.execute()


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Take out what differs from run to run. Raises ValueError for a warning in the outputs."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        outputs = tidy_streams(cell.outputs)
        if "progress" in cell.metadata.get("tags", []):
            outputs = [
                output
                for output in outputs
                if output.get("name") != "stderr" and WIDGET_VIEW not in output.get("data", {})
            ]
        for output in outputs:
            if output.get("name") == "stderr":
                text = output.text.strip().splitlines()
                raise ValueError(f"cell {number} writes to stderr: {text[-1] if text else ''}")
        cell.outputs = outputs
    shown = any(
        WIDGET_VIEW in output.get("data", {})
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    widgets = notebook.metadata.get("widgets")
    notebook.metadata = nbformat.from_dict(METADATA)
    if shown and widgets:
        notebook.metadata.widgets = widgets
        notebook = _name_models(notebook)
    nbformat.validate(notebook)
    return notebook


def _name_models(notebook: NotebookNode) -> NotebookNode:
    """Widget models are named at random; name them by the order in which they were made."""
    text = json.dumps(notebook)
    for state in notebook.metadata.widgets.values():
        for number, model in enumerate(state["state"]):
            text = text.replace(model, f"{number:032x}")
    return nbformat.from_dict(json.loads(text))


def differences(source: Path, target: Path) -> list[str]:
    """What makes a built notebook another one than its source says; empty if nothing does."""
    if not target.is_file():
        return [f"{target.name} is not built"]
    wanted, built = read_source(source), nbformat.read(target, as_version=4)
    if [cell.id for cell in wanted.cells] != [cell.id for cell in built.cells]:
        return [f"{target.name} has other cells than its source"]
    found = []
    for number, (want, have) in enumerate(zip(wanted.cells, built.cells, strict=True)):
        if (want.source, want.metadata) != (have.source, have.metadata):
            found.append(f"{target.name}: cell {number} differs from its source")
    counts = [c.execution_count for c in built.cells if c.cell_type == "code" and c.source.strip()]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"{target.name} was not run from top to bottom: {counts}")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="first letters of the sources to build")
    parser.add_argument("--check", action="store_true", help="compare only, execute nothing")
    options = parser.parse_args(arguments)
    failed = False
    try:
        chosen = sources(options.names)
    except ValueError as error:
        parser.error(str(error))
    for source in chosen:
        target = target_of(source)
        if options.check:
            problems = differences(source, target)
        else:
            print(f"building {target.name}", flush=True)
            problems = []
            try:
                notebook = read_source(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                execute(notebook, target.parent)
                text = nbformat.writes(tidy(notebook))
                write_atomic(target, (text.rstrip("\n") + "\n").encode())
            except (CellExecutionError, TimeoutError, RuntimeError, ValueError) as error:
                problems = [f"{target.name} was not written: {error}"]
        for problem in problems:
            print(f"error: {problem}", file=sys.stderr)
        failed |= bool(problems)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
