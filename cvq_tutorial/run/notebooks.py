"""Run a notebook with parameters: papermill, with everything checked before a kernel starts.

papermill answers a misspelt parameter, a missing `parameters` tag or a second one with a line in
a log and goes on with the defaults; a tuple becomes a string and a numpy integer an error after
the work is done. Here each of these is an error with one line, raised first:

    parameters_of(notebook)            the defaults; can the notebook be parameterised at all?
    check_parameters(defaults, given)  known names, types like the defaults', values that survive
    run_notebook(source, out, {...})   both of these, then the run

The output notebook is written beside its place and moved there at the end, after a failure as
well: the notebook with the error stays, and the error goes on to the caller. It is one for a page
without a kernel: pictures stand for explorers, and no dead bars (see `outputs`).
"""

from __future__ import annotations

import ast
import contextlib
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from io import TextIOBase
from pathlib import Path
from typing import TextIO

import nbformat
import numpy as np
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from traitlets import default
from traitlets.config import Config

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.files import place_of, write_atomic
from cvq_tutorial.run.outputs import stills, tidy_streams

SOCKETS = "cvq-kernel-"  # and the number of the process whose sockets they are
SOCKET_PATH_LIMIT = 90  # a Unix socket's path has room for about 104 bytes; zmq adds a few


class _ThisInterpreter(KernelSpecManager):
    """Every kernel name means the interpreter that runs this line, whatever is registered."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


class ThisInterpreterKernel(AsyncKernelManager):
    """Kernel manager for nbclient and papermill: notebooks run in the environment we run in."""

    @default("kernel_spec_manager")
    def _specs(self) -> KernelSpecManager:
        return _ThisInterpreter(parent=self)


@contextlib.contextmanager
def kernel_options() -> Iterator[dict]:
    """Arguments for nbclient's `NotebookClient` (or papermill): kernels run in this interpreter.

    Where there are Unix sockets the kernel talks through some in a private folder: no port can be
    taken by another run, nobody else on the machine can listen, and ipykernel has nothing to warn
    about. Elsewhere it is TCP, as usual.
    """
    _clear_after_the_dead()
    own = f"{SOCKETS}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=own, ignore_cleanup_errors=True) as folder:
        config = Config()
        if os.name == "posix" and len(os.fsencode(folder)) < SOCKET_PATH_LIMIT:
            config.KernelManager.transport = "ipc"
            config.KernelManager.connection_file = os.path.join(folder, "k.json")
        yield {
            "kernel_manager_class": ThisInterpreterKernel,
            "config": config,
            # what the kernel's own machinery logs when it is stopped is no message for a user
            "extra_arguments": ["--log-level=50"],
        }


def _clear_after_the_dead() -> None:
    """Remove the private folders of processes that were killed, and could not do it themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SOCKETS}*"):
        process = folder.name.removeprefix(SOCKETS).partition("-")[0]
        if os.name != "posix" or not process.isdecimal() or len(process) > 9:
            continue
        try:
            os.kill(int(process), 0)  # asks whether it is there
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # it is somebody else's


def parameters_of(notebook: NotebookNode, name: str = "notebook") -> dict[str, object]:
    """The parameters of a notebook and their defaults, in the order of the cell.

    Args:
        notebook: read with nbformat as version 4.
        name: what to call it in a message.

    Raises:
        ValueError: not exactly one code cell with the tag `parameters`; a line in it that is not
            `name = literal` (a value derived there would stay when the parameter is replaced); a
            name given twice.
    """
    tagged = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", [])
    ]
    if len(tagged) != 1:
        raise ValueError(
            f"{name}: expected one code cell with the tag 'parameters', found {len(tagged)}"
        )
    try:
        statements = ast.parse(tagged[0].source).body
    except SyntaxError as error:
        raise ValueError(f"{name}: the parameters cell is not Python: {error.msg}") from None
    found: dict[str, object] = {}
    for statement in statements:
        text = ast.unparse(statement)
        target: ast.expr | None = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target = statement.target
        value = getattr(statement, "value", None)
        if not isinstance(target, ast.Name) or value is None:
            raise ValueError(
                f"{name}: the parameters cell may only hold `name = literal`, found `{text}`"
            )
        if target.id in found:
            raise ValueError(f"{name}: parameter {target.id!r} is given twice")
        try:
            found[target.id] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError):
            raise ValueError(
                f"{name}: a parameter must be a literal, found `{text}`; derive it in the next cell"
            ) from None
    return found


def check_parameters(
    defaults: Mapping[str, object], given: Mapping[str, object], name: str = "notebook"
) -> dict[str, object]:
    """The given parameters as plain Python values of the types of their defaults.

    Tuples become lists and numpy scalars Python numbers (a float32 0.1 arrives as 0.1). A default
    of None takes any type; an integer may stand for a float, None for an empty text, and nothing
    else is converted.

    Args:
        defaults: from `parameters_of`.
        given: what the caller wants to set; what is missing keeps its default.
        name: what to call the notebook in a message.

    Raises:
        ValueError: an unknown name (the nearest known one is told); NaN or infinity, which a
            notebook's file cannot hold.
        TypeError: a value of another type than the default, or one that cannot be written into a
            notebook.
    """
    checked = {}
    for key, value in given.items():
        if key not in defaults:
            raise ValueError(f"{name}: {close_match('parameter', key, defaults)}")
        value = _plain(value, key)
        expected = defaults[key]
        if isinstance(expected, float) and type(value) is int:
            value = float(value)
        if value is None and expected == "":
            value = ""
        if isinstance(expected, tuple):
            expected = list(expected)
        if expected is not None and type(value) is not type(expected):
            raise TypeError(
                f"{name}: parameter {key!r} must be {type(expected).__name__} like its default"
                f" {expected!r}, found {type(value).__name__} {value!r}"
            )
        checked[key] = value
    return checked


def _plain(value: object, key: str) -> object:
    """One parameter as JSON-like Python, or a TypeError that says what to give instead."""
    if isinstance(value, float | np.floating) and not math.isfinite(value):
        raise ValueError(f"parameter {key!r} must be finite, found {value}")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.floating):
        return float(str(value))  # the digits that numpy shows, not float32's 0.10000000149
    if isinstance(value, (list, tuple)):
        return [_plain(item, key) for item in value]
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise TypeError(
                    f"parameter {key!r}: keys of a dictionary must be str (others would arrive as"
                    f" text), found {type(name).__name__} {name!r}"
                )
        return {str(name): _plain(item, key) for name, item in value.items()}
    advice = "give numbers, text, None, lists or dictionaries of these"
    if isinstance(value, np.ndarray):
        advice = "save the array to a file and give the path as text"
    elif isinstance(value, os.PathLike):
        advice = "give str(path)"
    elif isinstance(value, (set, frozenset)):
        advice = "give a sorted list"
    raise TypeError(
        f"parameter {key!r}: a {type(value).__name__} cannot be written into a notebook; {advice}"
    )


def run_notebook(
    source: str | Path,
    out_path: str | Path,
    parameters: Mapping[str, object] | None = None,
    *,
    timeout: int | None = None,
    stdout: TextIOBase | TextIO | None = None,
    stderr: TextIOBase | TextIO | None = None,
) -> NotebookNode:
    """Run a notebook in a fresh kernel of this interpreter and keep the executed copy.

    Args:
        source: the notebook; it is not changed. Its kernelspec does not matter.
        out_path: where the executed notebook goes; its folder must exist. Whatever happens after
            the kernel started, the notebook lies there when this returns or raises.
        parameters: values for names of its parameters cell; None or {} keeps the defaults.
        timeout: seconds that one cell may take; None is no limit.
        stdout, stderr: open text files that get what the cells write there, while they write it;
            None is silence.

    Returns:
        The executed notebook.

    Raises:
        FileNotFoundError: no such notebook, or no folder for the output. OSError: `out_path` is a
            folder, a FIFO or a device.
        ValueError, TypeError: see `parameters_of` and `check_parameters`. Nothing was started.
        papermill.PapermillExecutionError: a cell raised (`.ename`, `.evalue`, `.exec_count`).
        nbclient.exceptions.CellTimeoutError, DeadKernelError: a cell took too long, the kernel
            died.
    """
    import papermill  # takes half a second, so only for those who run something

    source, out_path = Path(source), Path(out_path)
    if not source.is_file():
        raise FileNotFoundError(f"no notebook at {source}")
    if not out_path.parent.is_dir():
        raise FileNotFoundError(f"no folder {out_path.parent} for the executed notebook")
    place_of(out_path)
    try:
        notebook = nbformat.read(source, as_version=4)
    except Exception as error:  # nbformat passes on whatever it tripped over, of many kinds
        first = (str(error).splitlines() or [""])[0][:80]
        raise ValueError(f"{source} is not a notebook: {first}") from None
    values = check_parameters(parameters_of(notebook, source.name), parameters or {}, source.name)

    partial = out_path.with_name(f".{out_path.stem}.partial.ipynb")
    for name in ("asyncio", "papermill"):
        logging.getLogger(name).addFilter(_is_news)
    try:
        with kernel_options() as options:
            papermill.execute_notebook(
                _no_fields(source),
                _no_fields(partial),
                values,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                stdout_file=stdout,
                stderr_file=stderr,
                start_timeout=120,
                execution_timeout=timeout,
                iopub_timeout=60,
                **options,
            )
    except BaseException as error:
        _settle(partial, out_path, source, error)
        raise
    return _settle(partial, out_path, source, None)


def _is_news(record: logging.LogRecord) -> bool:
    """False for what is logged of a dead kernel: whoever ought to know of it gets the exception.

    After Ctrl-C nobody ought to. nbclient leaves the tasks of the cell behind then; they find the
    kernel gone while it is shut down, and asyncio prints their exception after our last line.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, DeadKernelError) and "Kernel died" not in record.getMessage()


def _no_fields(path: Path) -> str:
    """Papermill formats its paths with the parameters: braces in a path must be doubled."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _settle(
    partial: Path, out_path: Path, source: Path, error: BaseException | None
) -> NotebookNode:
    """Tidy the notebook that papermill left and move it into place."""
    if not partial.is_file():  # it failed before papermill wrote anything
        return nbformat.v4.new_notebook()
    notebook = nbformat.read(partial, as_version=4)
    notebook.metadata.papermill.update(input_path=source.name, output_path=out_path.name)
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = tidy_streams(cell.outputs)
    stills(notebook)
    marked = notebook.metadata.papermill.get("exception")
    if (
        error is not None and not marked
    ):  # a time limit, a dead kernel, Ctrl-C: papermill marks none of these
        first = (str(error).strip().splitlines() or [""])[0]
        note = nbformat.v4.new_markdown_cell(f"**Stopped:** {type(error).__name__} {first}".strip())
        note.metadata["tags"] = ["papermill-error-cell-tag"]
        notebook.cells.insert(0, note)
        notebook.metadata.papermill.exception = True
    write_atomic(out_path, nbformat.writes(notebook).encode())
    partial.unlink(missing_ok=True)
    return notebook
