"""The check of the environment: it tells what to install and never raises."""

from __future__ import annotations

import io
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from cvq_tutorial.common import progress
from cvq_tutorial.lessons import environment
from cvq_tutorial.run import notebooks as layer

ROOT = Path(__file__).resolve().parent.parent.parent
FITTING = {
    **{name: f"{least}.1" for name, least in environment.needed().items()},
    "jupyterlab": "4.4.0",
    "jupyterlab_widgets": "3.0.15",
}


def versions(**changed):
    def version(name):
        found = {**FITTING, **changed}[name]
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise PackageNotFoundError(name)
        return found

    return version


def test_this_environment_is_ready():
    found = environment.check_environment()
    assert found.ready, found.advice
    told = dict(found.rows)
    assert told["device"] in ("cpu", "cuda", "mps") and "torch" in told
    assert str(found).endswith("everything is here")
    assert "/" not in str(found)  # no path of a machine


def test_what_fits_needs_no_advice(monkeypatch):
    monkeypatch.setattr(environment, "version", versions())
    assert environment.check_environment().advice == ()


def bounds_of_the_project() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, environment.PYTHON))
    assert project["name"] == environment.PROJECT
    declared = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    return {name: str(bound).removeprefix(">=") for name, bound in declared.items()}


def test_the_bounds_are_those_of_the_project_in_a_checkout_and_where_it_is_installed(
    tmp_path, monkeypatch
):
    assert environment.needed() == bounds_of_the_project()
    lines = [f"{name}>={least}" for name, least in bounds_of_the_project().items()]
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "a" / "b" / "environment.py"))
    monkeypatch.setattr(environment, "requires", lambda name: [*lines, 'x>=1; extra == "test"'])
    assert environment.needed() == bounds_of_the_project()


def test_without_a_distribution_or_packaging_the_other_lines_are_still_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "packaging", None)
    assert environment.check_environment().ready
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "a" / "b" / "environment.py"))
    monkeypatch.setattr(environment, "PROJECT", "no-such-distribution")
    told = dict(environment.check_environment().rows)
    assert told["packages"].startswith("could not look: PackageNotFoundError")
    assert "python" in told and "device" in told


def test_the_build_of_torch_is_told_and_the_interpreter_where_something_is_to_install(monkeypatch):
    monkeypatch.setattr(environment, "version", versions(torch="2.13.0+cu128"))
    found = environment.check_environment()
    assert dict(found.rows)["torch"] == "2.13.0 (cu128)" and sys.executable not in str(found)
    monkeypatch.setattr(environment, "version", versions(anywidget=None))
    found = environment.check_environment()
    assert str(found).endswith(f"-> pip is of the right Python as: {sys.executable} -m pip")
    assert found.interpreter == sys.executable


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"ipywidgets": None}, 'ipywidgets is missing: pip install -U "ipywidgets>=8.1"'),
        ({"ipywidgets": "7.8.0"}, 'ipywidgets 7.8.0 is too old: pip install -U "ipywidgets>=8.1"'),
        ({"anywidget": None}, "anywidget is missing"),
        ({"torch": "2.5.1+cpu"}, "torch 2.5.1+cpu is too old"),
        ({"jupyterlab_widgets": None}, 'pip install -U "jupyterlab_widgets>=3,<4"'),
        ({"jupyterlab_widgets": "1.1.1"}, "needs jupyterlab_widgets 3, found 1.1.1"),
        ({"jupyterlab_widgets": "4.0.0a1"}, "needs jupyterlab_widgets 3, found 4.0.0a1"),
        ({"ipywidgets": "7.8.0"}, "ipywidgets 7.8.0 needs jupyterlab_widgets 1, found 3"),
        ({"jupyterlab": "3.6.0"}, "jupyterlab 3.6.0 is too old"),
        ({"torch": ValueError("damaged")}, "torch is missing"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_told(monkeypatch, changed, advice):
    monkeypatch.setattr(environment, "version", versions(**changed))
    found = environment.check_environment()
    assert not found.ready
    assert any(advice in line for line in found.advice), found.advice
    assert f"-> {found.advice[0]}" in str(found)
    assert "everything is here" not in str(found)


def test_a_jupyterlab_elsewhere_is_no_fault(monkeypatch):
    monkeypatch.setattr(environment, "version", versions(jupyterlab=None))
    assert environment.check_environment().ready


def test_a_package_that_is_there_but_broken_is_told(monkeypatch):
    def broken(name):
        if name == "ipywidgets":
            raise ImportError("no traitlets\nand more")
        return __import__("importlib").import_module(name)

    monkeypatch.setattr(environment, "version", versions())
    monkeypatch.setattr(environment, "import_module", broken)
    found = environment.check_environment()
    assert "ipywidgets cannot be imported (ImportError: no traitlets)" in found.advice[0]


def test_what_cannot_be_looked_at_is_a_line_and_the_rest_is_told(monkeypatch):
    def broken(name):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(environment, "import_module", broken)
    told = dict(environment.check_environment().rows)
    assert told["device"] == "could not look: RuntimeError: the disk is gone"
    assert "python" in told and "jupyterlab" in told


def test_with_the_standard_library_alone_it_still_speaks():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from cvq_tutorial.lessons.environment import check_environment, show_widgets\n"
        "print(check_environment()); show_widgets()"
    )
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert "-> ipywidgets is missing" in run.stdout
    assert run.stdout.endswith("not in a notebook: widgets are shown by JupyterLab\n")


def test_a_kernel_without_widgets_says_so(monkeypatch, capsys):
    def broken(name):
        raise ImportError("no ipywidgets")

    monkeypatch.setattr(environment, "import_module", broken)
    monkeypatch.setattr(environment, "in_notebook", lambda: True)
    environment.show_widgets()
    assert capsys.readouterr().out.startswith("no widget can be shown (ImportError: no ipywidgets)")


def test_a_bar_is_watched_in_a_kernel_or_a_terminal_and_nowhere_else(monkeypatch):
    shell = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not progress.is_watched()
    shell.kernel = "a kernel"
    assert progress.is_watched()
    with progress.lines_for_bars():  # where lines are passed on, no bar is drawn
        assert not progress.is_watched()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not progress.is_watched()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert progress.is_watched()


def test_a_page_gets_the_widget_or_what_to_install(tmp_path):
    book = nbformat.v4.new_notebook()
    tagged = nbformat.v4.new_code_cell("n = 1", metadata={"tags": ["parameters"]})
    show = "from cvq_tutorial.lessons.environment import show_widgets\nshow_widgets()"
    book.cells = [tagged, nbformat.v4.new_code_cell(show)]
    nbformat.write(book, tmp_path / "in.ipynb")
    done = layer.run_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb")
    [output] = done.cells[-1].outputs
    assert output.data["text/plain"] == environment.NOT_SEEN
    assert "application/vnd.jupyter.widget-view+json" in output.data


@pytest.mark.parametrize(
    ("found", "least"),
    [
        ("2.6", "2.6"),
        ("2.6.0", "2.6"),
        ("2.13.0+cpu", "2.6"),
        ("2.5.9", "2.6"),
        ("10.0", "10.1"),
        ("0.9.9", "0.9.13"),
        ("2.6rc1", "2.6"),
        ("3", "2.6"),
        ("2", "2.6"),
        ("2.6.post1", "2.6"),
    ],
)
def test_versions_compare_as_packaging_compares_them(found, least):
    assert environment.at_least(found, least) == (Version(found) >= Version(least))
    assert not environment.at_least("no version", least)
