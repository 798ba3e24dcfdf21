"""Is everything here that the lessons need? What was found, and what to install where it was not.

This module needs the standard library only, so that it can speak in a kernel in which nothing else
can be imported. It never raises: whatever is wrong becomes a line with advice.

A widget has two halves that must fit: `ipywidgets` in the kernel, and `jupyterlab_widgets` in the
JupyterLab that draws the page, which may live in another environment. The kernel cannot ask the
page. So `check_environment` compares what is installed beside the kernel, and `show_widgets` shows
one widget whose text says that it can be seen; a page that cannot draw it shows what to install.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

from cvq_tutorial.common.progress import in_notebook

PYTHON = (3, 11)
# What the lessons import, with the lower bounds of pyproject.toml (a test compares them).
NEEDED = {
    "torch": "2.6",
    "numpy": "2.0",
    "matplotlib": "3.10",
    "seaborn": "0.13.2",
    "networkx": "3.4",
    "scikit-learn": "1.5",
    "safetensors": "0.4",
    "pillow": "10.1",
    "tqdm": "4.66",
    "filelock": "3.12",
    "platformdirs": "4.0",
    "click": "8.1",
    "nbformat": "5.10",
    "jupyter-client": "8.6",
    "ipykernel": "6.29",
    "nbclient": "0.10",
    "papermill": "2.6",
    "ipywidgets": "8.1",
    "anywidget": "0.9.13",
    "traitlets": "5.14",
    "scipy": "1.13",
    "h5py": "3.11",
}
ALWAYS_TOLD = ("torch", "numpy", "matplotlib", "ipywidgets", "anywidget")
FRONT_END = "jupyterlab_widgets"
FRONT_END_OF = {7: 1, 8: 3}  # major version of ipywidgets -> of its half in the page
LAB, LAB_LEAST = "jupyterlab", "4.2"
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
        lines += [f"-> {advice}" for advice in self.advice] or ["everything is here"]
        return "\n".join(lines)


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
    """Whether a version is not older than another; only the leading numbers count ("2.6.1+cpu")."""
    return _numbers(found) >= _numbers(least)


# What is looked at -------------------------------------------------------------------------------


def _kernel() -> list[Finding]:
    found, least = (".".join(map(str, numbers)) for numbers in (sys.version_info[:2], PYTHON))
    if sys.version_info[:2] >= PYTHON:
        return [Finding("python", found)]
    return [Finding("python", found, f"install Python {least} or newer, then run: make setup")]


def _packages() -> list[Finding]:
    findings, rest = [], 0
    for name, least in NEEDED.items():
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
            findings.append(Finding(name, (found or "missing").split("+")[0], advice))
        else:
            rest += 1
    return [*findings, Finding("other packages", f"{rest} found, none too old")]


def _front_end() -> list[Finding]:
    lab, page, kernel = (_installed(name) for name in (LAB, FRONT_END, "ipywidgets"))
    advice = ""
    if lab is not None and not at_least(lab, LAB_LEAST):
        advice = f'{LAB} {lab} is too old: pip install -U "{LAB}>={LAB_LEAST}"; then start it again'
    told = Finding(LAB, lab or "not beside this kernel", advice)
    major = FRONT_END_OF.get(_numbers(kernel)[0] if kernel else 8, FRONT_END_OF[8])
    install = f'pip install -U "{FRONT_END}>={major},<{major + 1}"'
    if page is None:
        advice = (
            f"{FRONT_END} is not beside this kernel. It belongs where JupyterLab runs; if that is "
            f"this environment: {install}; {AFTER}"
        )
        return [told, Finding(FRONT_END, "not beside this kernel", advice)]
    if _numbers(page)[:1] != (major,):
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


def _numbers(found: str) -> tuple[int, ...]:
    numbers = []
    for part in found.split("+")[0].split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break  # 5rc1 and the like
    while numbers and numbers[-1] == 0:
        numbers.pop()  # 2.6 and 2.6.0 are one
    return tuple(numbers)


def _line(error: BaseException) -> str:
    told = str(error).strip().splitlines()
    return f"{type(error).__name__}: {told[0]}" if told else type(error).__name__
