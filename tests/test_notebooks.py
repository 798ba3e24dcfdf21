"""The papermill layer, the notebook builder, and the gates that every committed notebook passes."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbval.plugin import get_sanitize_patterns
from papermill import PapermillExecutionError

from cvq_tutorial import notebooks as layer

ROOT = Path(__file__).resolve().parent.parent
BUILT = sorted(
    p for p in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in str(p)
)

spec = importlib.util.spec_from_file_location("builder", ROOT / "tools" / "build_notebooks.py")
assert spec is not None and spec.loader is not None
builder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(builder)


def notebook(*cells: str, parameters: str | None = "lr = 0.1\nsteps = 3") -> nbformat.NotebookNode:
    """A notebook of code cells; the first is tagged `parameters` unless it is None."""
    book = nbformat.v4.new_notebook()
    if parameters is not None:
        book.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    book.cells.extend(nbformat.v4.new_code_cell(source) for source in cells)
    return book


def written(path: Path, book: nbformat.NotebookNode) -> Path:
    nbformat.write(book, path)
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
    assert layer.fold("a\r\nb\n") == "a\nb\n"
    assert layer.fold("1%\r2%\r3%\rdone\n") == "done\n"
    assert layer.fold("1%\r2%\r") == "2%"
    assert layer.fold("") == ""


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


def project(tmp_path: Path, source: str = SOURCE, name: str = "01_try.py") -> Path:
    (tmp_path / "src").mkdir(exist_ok=True)
    path = tmp_path / "src" / name
    path.write_text(source)
    return path


def test_building_twice_gives_the_same_bytes_and_passes_its_own_check(tmp_path, monkeypatch):
    source = project(tmp_path)
    monkeypatch.setattr(builder, "sources", lambda names: [source])
    target = builder.target_of(source)
    assert target == tmp_path / "01_try.ipynb"
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
    target = builder.target_of(source)
    target.write_text("old")
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
    book = builder.read_source(source)
    for number, cell in enumerate([c for c in book.cells if c.cell_type == "code"]):
        cell.execution_count = number + 1
    target = written(tmp_path / "01_try.ipynb", book)
    assert builder.differences(source, target) == []
    book.cells[1].execution_count = None
    written(target, book)
    assert "not run from top to bottom" in builder.differences(source, target)[0]
    assert "is not built" in builder.differences(source, tmp_path / "none.ipynb")[0]


def test_numbers_from_90_on_are_reproductions_and_unknown_names_are_told(tmp_path):
    assert builder.target_of(tmp_path / "src" / "91_x.py") == tmp_path / "reproduce" / "91_x.ipynb"
    with pytest.raises(ValueError, match=r"no source notebooks/src/77\*"):
        builder.sources(["77"])


def test_widget_models_get_names_that_do_not_change():
    book = notebook("x")
    model = "0123456789abcdef0123456789abcdef"
    book.cells[1].outputs = [
        nbformat.v4.new_output(
            "display_data", data={builder.WIDGET_VIEW: {"model_id": model, "version_major": 2}}
        )
    ]
    book.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {model: {}}}}
    text = json.dumps(builder.tidy(book))
    assert model not in text
    assert text.count("0" * 32) == 2


# --- gates: every committed notebook ------------------------------------------------------------


def test_every_source_is_built_and_every_notebook_has_a_source():
    problems = [
        problem
        for source in builder.sources([])
        for problem in builder.differences(source, builder.target_of(source))
    ]
    assert problems == []
    assert sorted(builder.target_of(source) for source in builder.sources([])) == BUILT


@pytest.mark.parametrize("path", BUILT, ids=lambda p: p.stem)
class TestGates:
    def test_it_is_a_small_python3_notebook_of_format_4_5(self, path):
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        assert (book.nbformat, book.nbformat_minor) == (4, 5)
        assert book.metadata.kernelspec.name == "python3"
        assert path.stat().st_size < 400_000
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

    def test_something_in_it_is_compared(self, path):
        book = nbformat.read(path, as_version=4)
        compared = [
            cell
            for cell in book.cells
            if cell.get("outputs") and "nbval-ignore-output" not in cell.metadata.get("tags", [])
        ]
        assert len(compared) >= 2


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
