"""The papermill layer, the notebook builder, and the gates that every committed notebook passes."""

from __future__ import annotations

import ast
import base64
import copy
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import PIL.Image
import project_tools
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbval.plugin import get_sanitize_patterns
from papermill import PapermillExecutionError

from cvq_tutorial.draw.style import Picture, png
from cvq_tutorial.lessons import check
from cvq_tutorial.run import notebooks as layer
from cvq_tutorial.run.outputs import VIEW, fold

ROOT = Path(__file__).resolve().parent.parent.parent
BUILT = sorted(
    p for p in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in str(p)
)

builder = project_tools.load("build_notebooks")


def notebook(*cells: str, parameters: str | None = "lr = 0.1\nsteps = 3") -> nbformat.NotebookNode:
    """A notebook of code cells; the first is tagged `parameters` unless it is None."""
    book = nbformat.v4.new_notebook()
    if parameters is not None:
        book.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    book.cells.extend(nbformat.v4.new_code_cell(source) for source in cells)
    return book


def written(path: Path, book: nbformat.NotebookNode | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(book if isinstance(book, str) else nbformat.writes(book))
    return path


def text_of(book: nbformat.NotebookNode) -> str:
    return "".join(o.get("text", "") for c in book.cells for o in c.get("outputs", []))


# --- parameters ---------------------------------------------------------------------------------


def test_parameters_are_the_literals_of_the_tagged_cell():
    book = notebook(
        parameters='# how fast\nlr = 1e-3\nsize: int = -2\nname = "a"\nmore = {"b": [1, None]}'
    )
    assert layer.parameters_of(book) == {
        "lr": 1e-3,
        "size": -2,
        "name": "a",
        "more": {"b": [1, None]},
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("lr = 0.1\nwd = lr / 10", "must be a literal, found `wd = lr / 10`"),
        ("import os", "may only hold `name = literal`, found `import os`"),
        ("a = b = 1", "may only hold `name = literal`"),
        ("a, b = 1, 2", "may only hold `name = literal`"),
        ("a: int", "may only hold `name = literal`"),
        ("a = 1\na = 2", "'a' is given twice"),
        ("a = f'{1}'", "must be a literal"),
        ("a = = 1", "not Python"),
    ],
)
def test_a_parameters_cell_with_more_than_literals_is_refused(source, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        layer.parameters_of(notebook(parameters=source), "x.ipynb")


@pytest.mark.parametrize("count", [0, 2])
def test_not_exactly_one_parameters_cell_is_refused_before_a_kernel_starts(tmp_path, count):
    book = notebook(parameters=None)
    for _ in range(count):
        book.cells.append(nbformat.v4.new_code_cell("a = 1", metadata={"tags": ["parameters"]}))
    source = written(tmp_path / "x.ipynb", book)
    with pytest.raises(ValueError, match=rf"x.ipynb: expected one code cell .* found {count}"):
        layer.run_notebook(source, tmp_path / "out.ipynb", {"a": 2})
    assert not (tmp_path / "out.ipynb").exists()


def test_an_unknown_parameter_names_the_nearest_and_all_known():
    with pytest.raises(ValueError, match="unknown parameter 'step'; did you mean 'steps'"):
        layer.check_parameters({"lr": 0.1, "steps": 3}, {"step": 9})
    with pytest.raises(ValueError, match="known: lr, steps"):
        layer.check_parameters({"lr": 0.1, "steps": 3}, {"learning_rate": 9})


def test_missing_and_no_parameters_keep_the_defaults():
    assert layer.check_parameters({"lr": 0.1}, {}) == {}


@pytest.mark.parametrize(
    ("default", "value"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        (1, None),
        (0.5, True),
        ("a", 1),
        (True, 1),
        ([], {}),
        ({}, []),
    ],
)
def test_a_value_of_another_type_than_the_default_is_refused(default, value):
    with pytest.raises(TypeError, match=r"parameter 'p' must be .* like its default"):
        layer.check_parameters({"p": default}, {"p": value})


@pytest.mark.parametrize(
    ("default", "value", "expected"),
    [
        (0.5, 2, 2.0),
        (None, "x", "x"),
        (None, None, None),
        ([], (1, (2, 3)), [1, [2, 3]]),
        ((1,), (2,), [2]),
        (1, np.int64(3), 3),
        (1.0, np.float32(0.1), 0.1),
        (True, np.bool_(False), False),
        ({}, {"a": np.int8(1)}, {"a": 1}),
    ],
)
def test_values_arrive_as_plain_python(default, value, expected):
    got = layer.check_parameters({"p": default}, {"p": value})["p"]
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (np.zeros(2), "save the array to a file"),
        (Path("a"), r"give str\(path\)"),
        ({1, 2}, "give a sorted list"),
        ({1: "a"}, "keys of a dictionary must be str"),
        ([{1: "a"}], "keys of a dictionary must be str"),
        (object(), "cannot be written into a notebook"),
    ],
)
def test_a_value_that_a_notebook_cannot_hold_is_refused_with_advice(value, advice):
    with pytest.raises(TypeError, match=advice):
        layer.check_parameters({"p": None}, {"p": value})


@pytest.mark.parametrize("number", [float("inf"), float("nan"), np.float32("-inf"), np.nan])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [1.0, v], lambda v: {"a": [v]}])
def test_what_is_no_number_of_json_is_refused_before_a_kernel_starts(tmp_path, number, wrap):
    with pytest.raises(ValueError, match=r"^parameter 'p' must be finite, found -?(inf|nan)$"):
        layer.check_parameters({"p": None}, {"p": wrap(number)})


def test_none_stands_for_an_empty_text_and_for_no_other():
    assert layer.check_parameters({"run_dir": ""}, {"run_dir": None}) == {"run_dir": ""}
    with pytest.raises(TypeError, match="must be str like its default 'a', found NoneType"):
        layer.check_parameters({"p": "a"}, {"p": None})


# --- running ------------------------------------------------------------------------------------


def test_a_run_sees_its_parameters_in_this_interpreter_and_tells_while_it_works(tmp_path, capfd):
    # Braces in the name, a foreign kernelspec, a float32: each of them breaks plain papermill.
    book = notebook(
        "import sys\nprint(lr, steps, sys.executable)",
        "for i in range(3): print(f'\\r{i}', end='', file=sys.stderr, flush=True)",
    )
    book.metadata.kernelspec = {"name": "my-venv", "display_name": "x", "language": "python"}
    source = written(tmp_path / "in{a}.ipynb", book)
    before = source.read_bytes()
    out, err = io.StringIO(), io.StringIO()
    result = layer.run_notebook(
        source, tmp_path / "out{b}.ipynb", {"lr": np.float32(0.3)}, stdout=out, stderr=err
    )
    assert text_of(result) == f"0.3 3 {sys.executable}\n2"
    assert out.getvalue() == f"0.3 3 {sys.executable}\n"
    assert err.getvalue() == "\r0\r1\r2"
    assert source.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in{a}.ipynb", "out{b}.ipynb"]
    kept = nbformat.read(tmp_path / "out{b}.ipynb", as_version=4)
    assert kept.metadata.kernelspec.name == "python3"
    assert str(tmp_path) not in json.dumps(kept.metadata)
    assert "encryption" not in capfd.readouterr().err


def test_the_executed_notebook_is_json_though_a_cell_shows_nan(tmp_path):
    show = "from IPython.display import display\n"
    show += "display({'application/json': {'x': [float('nan'), 1.0]}}, raw=True)\nprint(name)"
    source = written(tmp_path / "x.ipynb", notebook(show, parameters='name = ""'))
    layer.run_notebook(source, tmp_path / "out.ipynb", {"name": "7e12345"})

    def refuse(text):
        pytest.fail(f"no JSON: {text}")

    kept = json.loads((tmp_path / "out.ipynb").read_text(), parse_constant=refuse)
    assert kept["metadata"]["papermill"]["parameters"] == {"name": "7e12345"}
    shown = [o["data"] for c in kept["cells"] for o in c.get("outputs", []) if "data" in o]
    assert shown == [{"application/json": {"x": ["nan", 1.0]}}]  # the kernel makes a text of it


def test_folders_of_kernels_whose_process_was_killed_are_cleared(tmp_path, monkeypatch):
    monkeypatch.setattr(layer.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(layer.tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [f"{gone.pid}-a", f"{os.getpid()}-b", "word-c"]
    for name in names:
        (tmp_path / f"{layer.SOCKETS}{name}").mkdir()
    with layer.kernel_options():
        left = {p.name.removeprefix(layer.SOCKETS) for p in tmp_path.iterdir()}
    assert names[0] not in left and {*names[1:]} < left and len(left) == 3


def test_a_registered_python3_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    argv = ["/nonexistent/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    source = written(tmp_path / "x.ipynb", notebook("import sys; print(sys.executable)"))
    result = layer.run_notebook(source, tmp_path / "out.ipynb")
    assert text_of(result) == f"{sys.executable}\n"


def test_a_failing_cell_raises_and_the_notebook_with_the_error_stays(tmp_path):
    book = notebook("print('before')", "raise KeyError('broken')", "print('never')")
    source = written(tmp_path / "x.ipynb", book)
    (tmp_path / "out.ipynb").write_text("old")
    with pytest.raises(PapermillExecutionError) as caught:
        layer.run_notebook(source, tmp_path / "out.ipynb")
    assert (caught.value.ename, caught.value.exec_count) == ("KeyError", 3)
    kept = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    outputs = [o for c in kept.cells for o in c.get("outputs", [])]
    assert [o.output_type for o in outputs] == ["stream", "error"]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        ("import time; time.sleep(60)", CellTimeoutError),
        ("import os; os._exit(3)", DeadKernelError),
    ],
)
def test_a_time_limit_and_a_dead_kernel_leave_a_marked_notebook(tmp_path, cell, error):
    source = written(tmp_path / "x.ipynb", notebook("print('before')", cell))
    with pytest.raises(error):
        layer.run_notebook(source, tmp_path / "out.ipynb", timeout=2)
    kept = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert kept.cells[0].source.startswith("**Stopped:**")
    assert "before" in text_of(kept)


SLOW_TO_END = """
import asyncio, os, signal, sys, threading
from cvq_tutorial.run import notebooks

class Slow(notebooks.ThisInterpreterKernel):
    async def cleanup_resources(self, restart=False):
        await asyncio.sleep(2.5)  # nbclient looks each second whether the kernel is alive
        await super().cleanup_resources(restart)

class Screen:
    def write(self, text):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    def flush(self):
        pass

notebooks.ThisInterpreterKernel = Slow
try:
    notebooks.run_notebook(sys.argv[1], sys.argv[2], stdout=Screen())
except KeyboardInterrupt:
    print("stopped", file=sys.stderr)
"""


def test_ctrl_c_is_silent_also_where_the_kernel_takes_its_time_to_end(tmp_path):
    book = notebook("import time; print('on', flush=True); time.sleep(60)")
    source = written(tmp_path / "x.ipynb", book)
    command = [sys.executable, "-c", SLOW_TO_END, str(source), str(tmp_path / "out.ipynb")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.stderr == "stopped\n"
    kept = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert kept.cells[0].source == "**Stopped:** KeyboardInterrupt"
    assert "on" in text_of(kept)


def test_no_notebook_no_folder_no_json_are_one_line_each(tmp_path):
    with pytest.raises(FileNotFoundError, match="no notebook at"):
        layer.run_notebook(tmp_path / "none.ipynb", tmp_path / "out.ipynb")
    source = written(tmp_path / "x.ipynb", notebook())
    with pytest.raises(FileNotFoundError, match=r"no folder .*/none for the executed"):
        layer.run_notebook(source, tmp_path / "none" / "out.ipynb")
    for damaged in ("not json", "[1]", '{"cells": 3}'):
        source.write_text(damaged)
        with pytest.raises(ValueError, match="is not a notebook"):
            layer.run_notebook(source, tmp_path / "out.ipynb")


def test_fold_keeps_what_a_terminal_would_show():
    assert fold("a\r\nb\n") == "a\nb\n"
    assert fold("1%\r2%\r3%\rdone\n") == "done\n"
    assert fold("1%\r2%\r") == "2%"
    assert fold("") == ""


# --- builder ------------------------------------------------------------------------------------

SOURCE = """# %% [markdown]
# # Try a thing

# %% tags=["parameters"]
n = 2

# %%
print(n + 1)

# %% tags=["progress", "nbval-ignore-output"]
import sys
print("\\r10%\\r20%", file=sys.stderr)
"""


EXERCISE = (
    SOURCE
    + """
# %% tags=["stub"]
answer = None

# %% tags=["solution"]
answer = n * 21

# %% tags=["nbval-check-output"]
print(answer)
"""
)


def project(tmp_path: Path, source: str = SOURCE, name: str = "95_try.py") -> Path:
    (tmp_path / "src").mkdir(exist_ok=True)
    path = tmp_path / "src" / name
    path.write_text(source)
    return path


def test_building_twice_gives_the_same_bytes_and_passes_its_own_check(tmp_path, monkeypatch):
    source = project(tmp_path)
    monkeypatch.setattr(builder, "sources", lambda names: [source])
    (target,) = builder.targets_of(source)
    assert target == tmp_path / "reproduce" / "95_try.ipynb"
    assert builder.main([]) == 0
    first = target.read_bytes()
    assert builder.main([]) == 0
    assert target.read_bytes() == first
    book = nbformat.reads(first.decode(), as_version=4)
    assert text_of(book) == "3\n"
    assert builder.main(["--check"]) == 0
    source.write_text(SOURCE.replace("n + 1", "n + 2"))
    assert builder.main(["--check"]) == 1


def test_a_source_that_fails_or_warns_leaves_the_built_notebook_alone(
    tmp_path, monkeypatch, capsys
):
    source = project(tmp_path)
    monkeypatch.setattr(builder, "sources", lambda names: [source])
    (target,) = builder.targets_of(source)
    written(target, "old")
    for line, message in [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings; warnings.warn('hm')", "stderr"),
    ]:
        source.write_text(SOURCE.replace("print(n + 1)", line))
        assert builder.main([]) == 1
        assert message in capsys.readouterr().err
        assert target.read_text() == "old"


def test_check_notices_cells_that_were_not_run_in_order(tmp_path):
    source = project(tmp_path)
    (target,) = builder.targets_of(source)
    book = builder.read_source(source, target)
    for number, cell in enumerate([c for c in book.cells if c.cell_type == "code"]):
        cell.execution_count = number + 1
    written(target, book)
    assert builder.differences(source, target) == []
    book.cells[1].execution_count = None
    written(target, book)
    assert "not run from top to bottom" in builder.differences(source, target)[0]
    assert "is not built" in builder.differences(source, tmp_path / "none.ipynb")[0]


def test_numbers_from_90_on_are_reproductions_and_unknown_names_are_told(tmp_path):
    notebooks = builder.targets_of(tmp_path / "src" / "91_x.py")
    assert notebooks == [tmp_path / "reproduce" / "91_x.ipynb"]
    notebooks = builder.targets_of(tmp_path / "src" / "03_x.py")
    assert notebooks == [tmp_path / "03_x.ipynb", tmp_path / "solutions" / "03_x.ipynb"]
    with pytest.raises(ValueError, match=r"no source notebooks/src/77\*"):
        builder.sources(["77"])


def test_a_lesson_becomes_the_learners_notebook_and_the_solution(tmp_path, monkeypatch):
    source = project(tmp_path, EXERCISE, "03_try.py")
    monkeypatch.setattr(builder, "sources", lambda names: [source])
    assert builder.main([]) == 0
    learner, solution = (nbformat.read(t, as_version=4) for t in builder.targets_of(source))
    assert text_of(learner) == "3\nNone\n"
    assert text_of(solution) == "3\n42\n"
    assert not any("solution" in c.metadata.get("tags", []) for c in learner.cells)
    assert not any("stub" in c.metadata.get("tags", []) for c in solution.cells)
    assert "solutions" in solution.cells[0].source
    assert builder.main(["--check"]) == 0
    source.write_text(EXERCISE.replace("21", "22"))  # the learner has the solution folded
    assert all(builder.differences(source, target) for target in builder.targets_of(source))
    source.write_text(EXERCISE.replace("answer = None", "answer = ..."))  # a stub is the learner's
    first, second = builder.targets_of(source)
    assert builder.differences(source, first) != []
    assert builder.differences(source, second) == []


def test_what_is_folded_and_where_a_solution_stands(tmp_path):
    text = """# %% [markdown]
# # 03 Try
#
# The next cell is machinery.

# %% tags=["machinery"]
import math

# %% [markdown]
# **1.** What is twice 21?

# %%
print("a figure")

# %% tags=["stub"]
answer = None

# %% tags=["solution"]
answer = 2 * 21

# %% tags=["nbval-check-output"]
check.twice(answer)

# %% tags=["nbval-check-output", "gate"]
check.as_told(so=True)
"""
    source = project(tmp_path, text, "03_try.py")
    mine, solved = (builder.read_source(source, t).cells for t in builder.targets_of(source))
    assert [c.metadata.get("jupyter") for c in mine if c.cell_type == "code"] == [
        {"source_hidden": True}, None, None, None, {"source_hidden": True, "outputs_hidden": True},
    ]  # fmt: skip
    assert mine[2].source.startswith(
        "**1.** What is twice 21?\n\n<details><summary>Stuck? <code>check.twice.hint()</code>"
    )
    assert mine[2].source.endswith("```python\nanswer = 2 * 21\n```\n\n</details>")
    assert solved[2].source == "**1.** What is twice 21?"


def test_a_stub_and_its_solution_stand_side_by_side(tmp_path):
    alone = EXERCISE.replace('tags=["solution"]', "")
    source = project(tmp_path, alone, "03_try.py")
    with pytest.raises(ValueError, match="a stub without a solution"):
        builder.read_source(source, builder.targets_of(source)[0])
    source.write_text(EXERCISE.replace('tags=["stub"]', ""))
    with pytest.raises(ValueError, match="a solution without a stub"):
        builder.read_source(source, builder.targets_of(source)[0])


def test_a_comment_that_begins_like_a_command_stays_a_comment(tmp_path):
    lines = "# cat and dog are the classes\n# copy the codes\nx = 1  # why?"
    source = project(tmp_path, f"# %%\n{lines}\n", "03_try.py")
    book = builder.read_source(source, builder.targets_of(source)[0])
    assert [cell.source for cell in book.cells if cell.cell_type == "code"] == [lines]


def test_new_words_keep_what_was_executed_and_new_code_does_not(tmp_path, monkeypatch, capsys):
    source = project(tmp_path)
    monkeypatch.setattr(builder, "sources", lambda names: [source])
    assert builder.main([]) == 0
    (target,) = builder.targets_of(source)
    source.write_text(SOURCE.replace("Try a thing", "Try another thing"))
    assert builder.main(["--text"]) == 0
    book = nbformat.read(target, as_version=4)
    assert book.cells[0].source == "# Try another thing" and text_of(book) == "3\n"
    assert builder.main(["--check"]) == 0
    source.write_text(SOURCE.replace("n + 1", "n + 2"))
    assert builder.main(["--text"]) == 1
    assert "has to be executed" in capsys.readouterr().err


def test_only_marked_facts_of_a_lesson_are_compared_unless_it_is_a_strict_one(tmp_path):
    for name, compared in (("03_try.py", 1), ("01_try.py", 4), ("95_try.py", 4)):
        source = project(tmp_path, EXERCISE, name)
        book = builder.read_source(source, builder.targets_of(source)[0])
        codes = [c for c in book.cells if c.cell_type == "code"]
        free = [c for c in codes if "nbval-ignore-output" not in c.metadata.get("tags", [])]
        assert len(free) == compared


def pictured(*pictures: np.ndarray) -> nbformat.NotebookNode:
    """A notebook whose only cell shows these pixels (h, w, 3)."""
    book = notebook("x")
    for pixels in pictures:
        buffer = io.BytesIO()
        PIL.Image.fromarray(pixels).save(buffer, "PNG")
        data = {"image/png": base64.b64encode(buffer.getvalue()).decode()}
        book.cells[1].outputs.append(nbformat.v4.new_output("display_data", data=data))
    return book


def pixels_of(book: nbformat.NotebookNode) -> list[np.ndarray]:
    data = [o.get("data", {}) for c in book.cells for o in c.get("outputs", [])]
    stored = [base64.b64decode(d["image/png"]) for d in data if "image/png" in d]
    images = [PIL.Image.open(io.BytesIO(picture)) for picture in stored]
    return [np.asarray(image.convert("RGB")).astype(int) for image in images]


def test_stored_pictures_keep_their_colours():
    draw = np.random.default_rng(0)
    smooth = draw.normal(128, 40, (16, 16, 3)).clip(0, 255).repeat(8, 0).repeat(8, 1)
    many = (smooth + draw.normal(0, 2, smooth.shape)).clip(0, 255).astype(np.uint8)
    few = draw.integers(0, 256, (200, 3), dtype=np.uint8)[draw.integers(0, 200, (64, 64))]
    before = pictured(many, few)
    size = len(nbformat.writes(before))
    made = builder.fitted(copy.deepcopy(before))
    first, second = pixels_of(made)
    assert abs(first - many).max() <= 2 and len(np.unique(first.reshape(-1, 3), axis=0)) > 256
    assert (second == few).all()
    assert len(nbformat.writes(made)) < size
    assert builder.fitted(copy.deepcopy(made)) == made
    coarser = builder.fitted(copy.deepcopy(before), len(nbformat.writes(made)) - 1)
    assert 2 < abs(pixels_of(coarser)[0] - many).max() <= 255 / 31 / 2 + 0.5
    with pytest.raises(ValueError, match="expected at most 9,000 bytes with its pictures, found"):
        builder.fitted(before, 9_000)


@pytest.mark.parametrize("name", ["00", "02"])
def test_pictures_of_lessons_have_the_colours_that_were_drawn(name):
    (path,) = (p for p in BUILT if p.name.startswith(name) and p.parent.name == "notebooks")
    colours = [len(np.unique(p.reshape(-1, 3), axis=0)) for p in pixels_of(nbformat.read(path, 4))]
    assert max(colours) > 1_000 and path.stat().st_size <= builder.LIMIT


def test_a_widget_is_stored_as_its_picture(tmp_path):
    book = notebook("x")
    data = {VIEW: {"model_id": "a", "version_major": 2}, "text/plain": "what it is"}
    with pytest.raises(ValueError, match="cell 1 shows a widget that stores no picture"):
        book.cells[1].outputs = [nbformat.v4.new_output("display_data", data=data)]
        builder.tidy(book)
    picture = base64.b64encode(png(Picture(1, 1))).decode()
    data |= {VIEW: {"model_id": "a"}, "image/png": picture}
    book.cells[1].outputs = [nbformat.v4.new_output("display_data", data=data)]
    book.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"a": {}}}}
    kept = builder.tidy(book)
    stored = kept.cells[1].outputs[0].data
    assert set(stored) == {"text/plain", "image/png"}
    assert len(stored["image/png"]) <= len(picture)
    assert PIL.Image.open(io.BytesIO(base64.b64decode(stored["image/png"]))).size == (100, 100)
    assert "widgets" not in kept.metadata


# What must make `make test` fail: a lesson is changed, its outputs are stripped, its widget breaks.

WIDGET = """# %% [markdown]
# # Look

# %% tags=["nbval-check-output"]
import ipywidgets
from cvq_tutorial.explore import Explorer
slider = ipywidgets.IntSlider(value=1, max=5)
said = Explorer()
said.on(slider, lambda value: said.tell(str(10 // (value - LIMIT))))
slider.value = 3
print(said.summary, said.last_error)
"""


def nbval(path: Path) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir"]
    lane = ["-o", "addopts=", "--nbval", "--nbval-current-env", str(path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [*command, str(path.parent), *lane], env=environment, capture_output=True, text=True
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return run.returncode


def test_the_gate_sees_a_changed_number_stripped_outputs_and_a_broken_callback(
    tmp_path, monkeypatch
):
    source = project(tmp_path, WIDGET.replace("LIMIT", "1"), "03_look.py")
    monkeypatch.setattr(builder, "sources", lambda names: [source])
    assert builder.main([]) == 0
    target = builder.targets_of(source)[0]
    good = target.read_text()
    assert "5 None" in good
    assert nbval(target) == 0
    target.write_text(good.replace("5 None", "6 None"))
    assert nbval(target) == 1
    broken = good.replace("value - 1", "value - 3")
    target.write_text(broken)  # the callback divides by zero: told in .last_error, not raised
    assert nbval(target) == 1
    assert builder.differences(source, target) != []
    stripped = nbformat.reads(good, as_version=4)
    for cell in stripped.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    written(target, stripped)  # nbval compares nothing here: another gate has to see it
    assert nbval(target) == 0
    assert "not run from top to bottom" in builder.differences(source, target)[0]


# --- gates: every committed notebook ------------------------------------------------------------


def test_every_source_is_built_and_every_notebook_has_a_source():
    problems = [
        problem
        for source in builder.sources([])
        for target in builder.targets_of(source)
        for problem in builder.differences(source, target)
    ]
    assert problems == []
    assert sorted(t for source in builder.sources([]) for t in builder.targets_of(source)) == BUILT


@pytest.mark.parametrize("path", BUILT, ids=lambda p: p.stem)
class TestGates:
    def test_it_is_a_small_python3_notebook_of_format_4_5(self, path):
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        assert (book.nbformat, book.nbformat_minor) == (4, 5)
        assert book.metadata.kernelspec.name == "python3"
        assert path.stat().st_size <= builder.LIMIT
        assert book.cells[0].source.startswith("# ")

    def test_its_parameters_can_be_replaced(self, path):
        if layer_has_parameters(path) or path.parent.name == "reproduce":
            layer.parameters_of(nbformat.read(path, as_version=4), path.name)

    def test_nothing_of_a_machine_is_stored_in_its_outputs(self, path):
        book = nbformat.read(path, as_version=4)
        for cell in book.cells:
            for output in cell.get("outputs", []):
                assert output.output_type != "error"
                assert output.get("name") != "stderr"
                data = {k: v for k, v in output.get("data", {}).items() if "image/" not in k}
                text = output.get("text", "") + json.dumps(data)
                found = re.search(
                    r"/home/|/Users/|/root/|/tmp/|[A-Z]:\\|ipykernel_| at 0x[0-9a-f]+|cuda:|it/s",
                    text,
                )
                assert found is None, found

    def test_its_nbval_markers_are_tags(self, path):
        book = nbformat.read(path, as_version=4)
        for cell in book.cells:
            assert "NBVAL" not in cell.source
            tags = cell.metadata.get("tags", [])
            assert not {"nbval-skip", "nbval-raises-exception", "raises-exception"} & set(tags)
            # a bar that is thrown away when building must not be compared when testing
            assert "progress" not in tags or "nbval-ignore-output" in tags

    def test_every_picture_in_it_is_said_in_words(self, path):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    assert output.metadata.get("image/png", {}).get("alt"), cell.source

    def test_something_in_it_is_compared(self, path):
        book = nbformat.read(path, as_version=4)
        compared = [
            cell
            for cell in book.cells
            if cell.get("outputs") and "nbval-ignore-output" not in cell.metadata.get("tags", [])
        ]
        assert len(compared) >= 2


LESSONS = [path for path in BUILT if path.parent.name != "reproduce"]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: f"{p.parent.name}/{p.stem}")
class TestLessonGates:
    def test_it_is_one_sitting_half_of_it_words(self, path):
        every = nbformat.read(path, as_version=4).cells
        cells = [cell for cell in every if "gate" not in cell.metadata.get("tags", [])]  # to read
        words = sum(cell.cell_type == "markdown" for cell in cells)
        assert 22 <= len(cells) <= 45
        assert 0.4 <= words / len(cells) <= 0.65

    def test_its_title_has_its_number_and_its_card_an_hour_at_most(self, path):
        first = nbformat.read(path, as_version=4).cells[0].source
        assert first.startswith(f"# {path.stem.partition('_')[0]} ")
        minutes = re.search(r"\| time \| read (\d+) minutes, exercises (\d+) minutes", first)
        assert minutes and sum(map(int, minutes.groups())) <= 60

    def test_its_words_are_plain(self, path):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        assert not re.search(r"\b(dear|blinkers|blinkered|in earnest|dealt)\b", text, flags=re.I)

    def test_machinery_is_folded_and_said_to_be_skipped(self, path):
        words = ""
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                words = cell.source
                continue
            tags, folded = cell.metadata.get("tags", []), cell.metadata.get("jupyter", {})
            lines = [
                line
                for line in cell.source.splitlines()
                if line.strip() and not re.match(r"import |from |    \w+,$|\)$", line)
            ]
            assert len(lines) <= 30 or "machinery" in tags, cell.source
            if "machinery" in tags:
                assert folded == {"source_hidden": True}
                assert "skip it at first" in words, cell.source

    def test_what_holds_it_to_its_words_is_folded_and_holds(self, path):
        """Numbers are printed for the reader; whether they are as the text says, in gates."""
        for cell in nbformat.read(path, as_version=4).cells:
            tags, folded = cell.metadata.get("tags", []), cell.metadata.get("jupyter", {})
            if "gate" in tags:
                assert "nbval-check-output" in tags and "check.as_told(" in cell.source
                assert folded == {"source_hidden": True, "outputs_hidden": True}
            if "check.as_told(" in cell.source:
                told = [re.match(r"(\d+) of (\d+) as", o.get("text", "")) for o in cell.outputs]
                assert "not here" not in text_of(nbformat.v4.new_notebook(cells=[cell]))
                assert "gate" not in tags or (all(m and m[1] == m[2] for m in told) and told)

    def test_it_has_parameters_and_five_facts(self, path):
        book = nbformat.read(path, as_version=4)
        tags = [tag for cell in book.cells for tag in cell.metadata.get("tags", [])]
        assert tags.count("parameters") == 1
        assert tags.count("nbval-check-output") >= 5
        for cell in book.cells:
            if "nbval-check-output" in cell.metadata.get("tags", []):
                assert cell.outputs, "a fact that says nothing compares nothing"

    def test_a_shown_explorer_is_left_to_the_reader(self, path):
        """After Run All it is as the text says: later cells look at it, or act on another one."""
        shown: set[str] = set()
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            nodes = list(ast.walk(ast.parse(cell.source)))
            if "explorer" in cell.metadata.get("tags", []):
                last = ast.parse(cell.source).body[-1]
                if isinstance(last, ast.Expr) and isinstance(last.value, ast.Name):
                    shown.add(last.value.id)
                continue
            for node in nodes:
                if isinstance(node, ast.Call):
                    acted = node.func
                elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    acted = node
                else:
                    continue
                while isinstance(acted, (ast.Attribute, ast.Subscript, ast.Call)):
                    acted = acted.func if isinstance(acted, ast.Call) else acted.value
                assert not (isinstance(acted, ast.Name) and acted.id in shown), ast.unparse(node)

    def test_an_explorer_stores_its_picture(self, path):
        book = nbformat.read(path, as_version=4)
        cells = [c for c in book.cells if "explorer" in c.metadata.get("tags", [])]
        assert cells
        for cell in cells:
            data = [output.get("data", {}) for output in cell.outputs]
            assert any("image/png" in d and "text/plain" in d for d in data)

    def test_its_exercises_are_checked_and_folded_answers_close(self, path):
        book = nbformat.read(path, as_version=4)
        text = "\n".join(c.source for c in book.cells if c.cell_type == "markdown")
        code = "\n".join(c.source for c in book.cells if c.cell_type == "code")
        checks = set(re.findall(r"check\.(\w+)\(", code)) - {"as_told"}
        assert len(checks) >= 3
        assert checks <= set(check.EXERCISES)
        said = text_of(book)
        if path.parent.name == "solutions":
            assert "not yet" not in said and "not attempted" not in said
            assert said.count("right: ") >= 3
        else:
            assert said.count("not attempted yet") >= 3
        assert text.count("<details>") == text.count("</details>") >= 3

    def test_its_links_lead_somewhere(self, path):
        book = nbformat.read(path, as_version=4)
        for cell in book.cells:
            if cell.cell_type != "markdown":
                continue
            for link in re.findall(r"\]\(([^)#\s]+)", cell.source):
                if not link.startswith(("http://", "https://", "attachment:")):
                    assert (path.parent / link).resolve().is_file(), link


def bare_verdicts(path: Path) -> tuple[int, int]:
    """How many of the lines that a notebook prints only say that something is so, and how many."""
    lines = [
        line
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
        for line in output.get("text", "").splitlines()
        if line.strip()
    ]
    return sum(bool(re.search(r"\b(True|False)\s*$", line)) for line in lines), len(lines)


def test_notebooks_print_numbers_and_not_that_something_is_so(tmp_path):
    """Asked "how many of 120?", a reader must not see "at least 0.97: True"."""
    cells = [nbformat.v4.new_code_cell("x")]
    cells[0].outputs = [
        nbformat.v4.new_output("stream", text="at least 0.97: True\n\n118 of 120\n")
    ]
    path = written(tmp_path / "x.ipynb", nbformat.v4.new_notebook(cells=cells))
    assert bare_verdicts(path) == (1, 2)
    found = [bare_verdicts(p) for p in BUILT if p.parent.name != "solutions"]
    assert sum(bare for bare, _ in found) <= 0.03 * sum(lines for _, lines in found)
    assert max(bare for bare, _ in found) <= 7


@pytest.mark.parametrize("number", ["02", "03", "04", "04b", "05", "06", "08", "12"])
def test_the_equations_of_the_method_are_typeset(number):
    (path,) = (
        p for p in LESSONS if p.name.startswith(f"{number}_") and p.parent.name != "solutions"
    )
    words = "\n".join(
        c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"
    )
    assert re.search(r"^\$\$[^$]+\$\$$", words, flags=re.M), path.name
    assert words.count("$") % 2 == 0, path.name


def layer_has_parameters(path: Path) -> bool:
    book = nbformat.read(path, as_version=4)
    return any("parameters" in cell.metadata.get("tags", []) for cell in book.cells)


def test_no_rule_of_the_nbval_sanitiser_is_lost():
    text = (ROOT / "tests" / "nbval.cfg").read_text()
    sections = re.findall(r"^\[.+\]$", text, flags=re.M)
    assert (
        len(get_sanitize_patterns(text))
        == len(sections)
        == len(re.findall("^regex:", text, flags=re.M))
    )
