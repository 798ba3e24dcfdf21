"""Is everything here that the lessons need? What was found, and what to install where it was not.

This module needs the standard library only, so that it can speak in a kernel in which nothing else
can be imported. It never raises: whatever is wrong becomes a line with advice.

A widget has two halves that must fit: `ipywidgets` in the kernel, and `jupyterlab_widgets` in the
JupyterLab that draws the page, which may live in another environment. The kernel cannot ask the
page. So `check_environment` compares what is installed beside the kernel, and `show_widgets` shows
one widget whose text says that it can be seen; a page that cannot draw it shows what to install.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

from cvq_tutorial.common.progress import in_notebook

PROJECT = "cvq-tutorial"
PYTHON = (3, 11)
ALWAYS_TOLD = ("torch", "numpy", "matplotlib", "ipywidgets", "anywidget")
FRONT_END = "jupyterlab_widgets"
FRONT_END_OF = {"7": 1, "8": 3}  # major version of ipywidgets -> of its half in the page
LAB = "jupyterlab"
AFTER = "then restart JupyterLab and load the page again"
NOT_SEEN = (
    "this page shows no widgets, explorers stay still pictures: install jupyterlab_widgets>=3,<4 "
    f"where JupyterLab runs, {AFTER}."
)


@dataclass(frozen=True)
class Finding:
    """One line of the check: what was looked for, what was found, what to do ("" if nothing)."""

    what: str
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Environment:
    """What `check_environment` found; as text, one line per finding and below them what to do."""

    findings: tuple[Finding, ...]
    interpreter: str = sys.executable  # told where there is something to install, and only there

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """What was looked for and what was found, in order."""
        return tuple((f.what, f.found) for f in self.findings)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, in order; empty if all is well."""
        return tuple(f.advice for f in self.findings if f.advice)

    @property
    def ready(self) -> bool:
        """Whether there is nothing to do."""
        return not self.advice

    def __str__(self) -> str:
        lines = [f"{f.what:19} {f.found}" for f in self.findings]
        if self.ready:
            return "\n".join([*lines, "everything is here"])
        lines += [f"-> {advice}" for advice in self.advice]
        return "\n".join([*lines, f"-> pip is of the right Python as: {self.interpreter} -m pip"])


def check_environment() -> Environment:
    """Look at the kernel, the packages, the two halves of the widgets, the device and the data.

    Never raises.
    """
    looks: tuple[tuple[str, Callable[[], list[Finding]]], ...] = (
        ("kernel", _kernel),
        ("packages", _packages),
        ("widget front end", _front_end),
        ("device", _device),
        ("models", _models),
        ("data", _data),
    )
    findings: list[Finding] = []
    for what, look in looks:
        try:
            findings += look()
        except Exception as error:  # whatever is broken, the other lines still help
            findings.append(Finding(what, f"could not look: {_line(error)}"))
    return Environment(tuple(findings))


def show_widgets() -> None:
    """In a notebook, show one line that only a page with widgets can show.

    A page without them shows in its place what to install; where nothing can be shown at all, that
    is printed. Never raises.
    """
    try:
        if not in_notebook():
            print("not in a notebook: widgets are shown by JupyterLab")
            return
        line = import_module("ipywidgets").HTML("<b>&#10003; this page shows widgets</b>")
        bundle: dict[str, Any] = {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": line.model_id,
            },
            "text/plain": NOT_SEEN,
        }
        import_module("IPython.display").display(bundle, raw=True)
    except Exception as error:
        print(f"no widget can be shown ({_line(error)}): follow the lines with an arrow above")


def at_least(found: str, least: str) -> bool:
    """Whether a version is not older than another; True where no `packaging` is there to tell."""
    try:
        from packaging.version import InvalidVersion, Version
    except ImportError:
        return True
    try:
        return Version(found) >= Version(least)
    except InvalidVersion:
        return False


def needed() -> dict[str, str]:
    """{distribution: lowest version} of what the lessons import.

    From the pyproject.toml of a checkout, else from the installed distribution.
    """
    path = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"
    if path.is_file():
        told = tomllib.loads(path.read_text("utf-8"))["project"]["dependencies"]
    else:
        told = [line for line in requires(PROJECT) or [] if "extra ==" not in line]
    bounds = (re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", line) for line in told)
    return {bound[1]: bound[2] for bound in bounds if bound}


# What is looked at -------------------------------------------------------------------------------


def _kernel() -> list[Finding]:
    found, least = (".".join(map(str, numbers)) for numbers in (sys.version_info[:2], PYTHON))
    if sys.version_info[:2] >= PYTHON:
        return [Finding("python", found)]
    return [Finding("python", found, f"install Python {least} or newer, then run: make setup")]


def _packages() -> list[Finding]:
    findings, rest = [], 0
    for name, least in needed().items():
        if name == LAB:  # it may live elsewhere, see `_front_end`
            continue
        found, install = _installed(name), f'pip install -U "{name}>={least}"'
        if found is None:
            advice = f"{name} is missing: {install}; then restart the kernel"
        elif not at_least(found, least):
            advice = f"{name} {found} is too old: {install}; then restart the kernel"
        elif name in ("ipywidgets", "anywidget") and (reason := _broken(name)):
            advice = f"{name} cannot be imported ({reason}): {install}; then restart the kernel"
        else:
            advice = ""
        if advice or name in ALWAYS_TOLD:
            number, _, build = (found or "missing").partition("+")
            findings.append(Finding(name, f"{number} ({build})" if build else number, advice))
        else:
            rest += 1
    return [*findings, Finding("other packages", f"{rest} found, none too old")]


def _front_end() -> list[Finding]:
    lab, page, kernel = (_installed(name) for name in (LAB, FRONT_END, "ipywidgets"))
    advice = ""
    least = needed().get(LAB, "0")
    if lab is not None and not at_least(lab, least):
        advice = f'{LAB} {lab} is too old: pip install -U "{LAB}>={least}"; then start it again'
    told = Finding(LAB, lab or "not beside this kernel", advice)
    major = FRONT_END_OF.get((kernel or "8").split(".")[0], FRONT_END_OF["8"])
    install = f'pip install -U "{FRONT_END}>={major},<{major + 1}"'
    if page is None:
        advice = (
            f"{FRONT_END} is not beside this kernel. It belongs where JupyterLab runs; if that is "
            f"this environment: {install}; {AFTER}"
        )
        return [told, Finding(FRONT_END, "not beside this kernel", advice)]
    if page.split(".")[0] != str(major):
        advice = f"ipywidgets {kernel or 8} needs {FRONT_END} {major}, found {page}: "
        return [told, Finding(FRONT_END, page, f"{advice}{install}; {AFTER}")]
    return [told, Finding(FRONT_END, page)]


def _device() -> list[Finding]:
    if _installed("torch") is None:
        return [Finding("device", "unknown without torch")]
    found = import_module("cvq_tutorial.common.device").pick_device("auto").type
    return [Finding("device", found)]


def _models() -> list[Finding]:
    shipped = (
        import_module("cvq_tutorial.common.folders").PROJECT_ROOT / "cvq_tutorial/lessons/weights"
    )
    if any(shipped.glob("*/model.json")):
        return [Finding("trained models", "shipped with the package")]
    advice = "no trained model came with the package: the lessons train theirs, in minutes each"
    return [Finding("trained models", "none found", advice)]


def _data() -> list[Finding]:
    worlds = import_module("cvq_tutorial.worlds.make")
    with_files = [name for name in worlds.world_names() if worlds.data_places(name)]
    there = [n for n in with_files if any(place.exists() for place in worlds.data_places(n))]
    told = f"files found for {len(there)} of {len(with_files)} worlds that need some"
    return [Finding("data", told)]


# Small parts -------------------------------------------------------------------------------------


def _installed(name: str) -> str | None:
    """Version of an installed distribution, None if there is none (or its folder is damaged)."""
    try:
        return version(name) or None
    except Exception:
        return None


def _broken(name: str) -> str:
    """Why an installed package cannot be imported; "" if it can."""
    try:
        import_module(name)
    except Exception as error:
        return _line(error)
    return ""


def _line(error: BaseException) -> str:
    told = str(error).strip().splitlines()
    return f"{type(error).__name__}: {told[0]}" if told else type(error).__name__
