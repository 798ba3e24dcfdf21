"""Build the notebooks from their sources: read the percent file, execute, tidy, write.

    python tools/build_notebooks.py            all of them
    python tools/build_notebooks.py 91 03      those whose name starts so
    python tools/build_notebooks.py --check    execute nothing, compare with the sources
    python tools/build_notebooks.py --text     where only words changed: keep what was executed

`notebooks/src/NN_verb_phrase.py` becomes two notebooks: `notebooks/NN_verb_phrase.ipynb` for the
learner and `notebooks/solutions/NN_verb_phrase.ipynb`. A cell with the tag `stub` stands only in
the first, the cell with the tag `solution` right after it only in the second; the learner's
exercise ends in the solution, folded. From number 90 on there is one notebook, in
`notebooks/reproduce`. The same source and package give the same file:
cell ids come from the text of the cells, there is no time, no path and no version of the
interpreter in it.

* A cell with the tag `progress` keeps nothing that a progress bar leaves; any other cell that
  writes to stderr is an error, because a warning is no part of a lesson.
* What nbval compares: in the lessons of `STRICT` every output; in the others, whose numbers come
  from trained weights, the marked facts (tag `nbval-check-output`) - the builder marks the rest as
  not to be compared.
* A cell with the tag `machinery` is folded, and a `gate` (it holds the page to its own words, and
  has nothing to read) together with its output.
* A widget is stored as the picture and the line that it shows, without its live view: that is what
  a page without a kernel can show, and what JupyterLab shows until the cell is run.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import itertools
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.run.notebooks import kernel_options
from cvq_tutorial.run.outputs import VIEW, small_png, tidy_streams

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
FIRST_REPRODUCTION = 90
# a comment stays a comment, also one that begins like a command: "# copy the codes"
PERCENT = {"extension": ".py", "format_name": "percent", "comment_magics": False}
LIMIT = 500_000  # bytes of a notebook
LEVELS = (64, 48, 40, 32)  # of each colour channel: the first with which a notebook fits
STRICT = ("01",)  # lessons of which every output is compared
FACT, IGNORED = "nbval-check-output", "nbval-ignore-output"
FOLDED = {  # tag of a cell -> what JupyterLab folds of it
    "machinery": {"source_hidden": True},
    "gate": {"source_hidden": True, "outputs_hidden": True},
}
SOLVED = "\n\n*This copy has the solutions of the exercises filled in.*"
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}


def sources(names: list[str], root: Path = NOTEBOOKS) -> list[Path]:
    """The sources whose file name starts with one of the names; without names all of them."""
    found = sorted((root / "src").glob("[0-9][0-9]*_*.py"))  # such as 04_ and 04b_
    chosen = [path for path in found if not names or any(path.name.startswith(n) for n in names)]
    for name in names:
        if not any(path.name.startswith(name) for path in found):
            raise ValueError(f"no source notebooks/src/{name}*.py")
    return chosen


def targets_of(source: Path) -> list[Path]:
    """Where the notebooks of a source are written: the learner's and the solution, or the one."""
    folder, name = source.parent.parent, f"{source.stem}.ipynb"
    if int(source.name[:2]) >= FIRST_REPRODUCTION:
        return [folder / "reproduce" / name]
    return [folder / name, folder / "solutions" / name]


def read_source(source: Path, target: Path) -> NotebookNode:
    """The notebook that a source makes at a target, not executed: cells, tags, ids from their text.

    Raises ValueError for a stub without a solution after it, or a solution without a stub.
    """
    notebook = nbformat.from_dict(jupytext.reads(source.read_text("utf-8"), fmt=PERCENT))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(METADATA)
    lesson = int(source.name[:2]) < FIRST_REPRODUCTION
    solved = target.parent.name == "solutions"
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        if lesson and cell.cell_type == "code" and source.name[:2] not in STRICT:
            tags = cell.metadata.get("tags", [])
            if FACT not in tags and IGNORED not in tags:
                cell.metadata["tags"] = [*tags, IGNORED]
        for tag in FOLDED.keys() & set(cell.metadata.get("tags", [])):
            cell.metadata["jupyter"] = dict(FOLDED[tag])
    _check_pairs(source, [cell.metadata.get("tags", []) for cell in notebook.cells])
    if lesson and not solved:
        _fold_solutions(notebook.cells)
    dropped = "stub" if solved else "solution"
    notebook.cells = [c for c in notebook.cells if dropped not in c.metadata.get("tags", [])]
    if solved:
        notebook.cells[0].source += SOLVED
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    nbformat.validate(notebook)
    return notebook


def _check_pairs(source: Path, tags: list[list[str]]) -> None:
    for number, (here, after) in enumerate(zip(tags, [*tags[1:], []], strict=True)):
        if "stub" in here and "solution" not in after:
            raise ValueError(f"{source.name}: cell {number} is a stub without a solution after it")
        if "solution" in after and "stub" not in here:
            raise ValueError(f"{source.name}: cell {number + 1} is a solution without a stub")


def _fold_solutions(cells: list[NotebookNode]) -> None:
    """Put each solution, folded, at the end of the words that ask for it."""
    question = None
    for cell, asked in itertools.pairwise(cells):
        if cell.cell_type == "markdown":
            question = cell
        elif "solution" in cell.metadata.get("tags", []) and question is not None:
            name = asked.source.rpartition("\n")[2].partition("(")[0]
            question.source += (
                f"\n\n<details><summary>Stuck? <code>{name}.hint()</code> says where to begin; "
                f"the solution is in here</summary>\n\n```python\n{cell.source}\n```\n\n</details>"
            )


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
                if output.get("name") != "stderr" and VIEW not in output.get("data", {})
            ]
        for output in outputs:
            if output.get("name") == "stderr":
                text = output.text.strip().splitlines()
                raise ValueError(f"cell {number} writes to stderr: {text[-1] if text else ''}")
            if output.get("data", {}).pop(VIEW, None) and "image/png" not in output.data:
                raise ValueError(f"cell {number} shows a widget that stores no picture of itself")
        cell.outputs = outputs
    notebook.metadata = nbformat.from_dict(METADATA)
    nbformat.validate(notebook)
    return fitted(notebook)


def fitted(notebook: NotebookNode, limit: int = LIMIT) -> NotebookNode:
    """Make the pictures of a notebook small, colours kept, coarser only as far as the limit asks.

    Raises ValueError if it is still larger than the limit, in bytes.
    """
    data = [o.data for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
    pictures = [(d, base64.b64decode(d["image/png"])) for d in data if "image/png" in d]
    for levels in LEVELS:
        for stored, picture in pictures:
            stored["image/png"] = base64.b64encode(small_png(picture, levels)).decode("ascii")
        size = len(nbformat.writes(notebook).encode())
        if size <= limit:
            return notebook
    raise ValueError(f"expected at most {limit:,} bytes with its pictures, found {size:,}")


def differences(source: Path, target: Path) -> list[str]:
    """What makes a built notebook another one than its source says; empty if nothing does."""
    if not target.is_file():
        return [f"{target.name} is not built"]
    wanted, built = read_source(source, target), nbformat.read(target, as_version=4)
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


def with_new_words(source: Path, target: Path) -> NotebookNode:
    """The notebook of a source with the outputs of the built one.

    Raises ValueError unless all code cells, and their tags, are those that were executed.
    """
    wanted, built = read_source(source, target), nbformat.read(target, as_version=4)
    pairs = [[c for c in book.cells if c.cell_type == "code"] for book in (wanted, built)]
    told = [[(c.source, c.metadata) for c in cells] for cells in pairs]
    if told[0] != told[1]:
        raise ValueError("its code changed, so it has to be executed")
    for new, old in zip(*pairs, strict=True):
        new.outputs, new.execution_count = old.outputs, old.execution_count
    return wanted


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="first letters of the sources to build")
    parser.add_argument("--check", action="store_true", help="compare only, execute nothing")
    parser.add_argument("--text", action="store_true", help="take new words, execute nothing")
    options = parser.parse_args(arguments)
    failed = False
    try:
        chosen = sources(options.names)
    except ValueError as error:
        parser.error(str(error))
    for source, target in [(path, built) for path in chosen for built in targets_of(path)]:
        name = target.relative_to(source.parent.parent)
        if options.check:
            problems = differences(source, target)
        else:
            print(f"building {name}", flush=True)
            problems = []
            try:
                if options.text:
                    notebook = with_new_words(source, target)
                else:
                    notebook = read_source(source, target)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    execute(notebook, target.parent)
                text = nbformat.writes(notebook if options.text else tidy(notebook))
                write_atomic(target, (text.rstrip("\n") + "\n").encode())
            except (CellExecutionError, OSError, RuntimeError, ValueError) as error:
                problems = [f"{name} was not written: {error}"]
        for problem in problems:
            print(f"error: {problem}", file=sys.stderr)
        failed |= bool(problems)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
