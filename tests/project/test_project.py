"""The files around the package say the same thing as the package and as each other."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import project_tools
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from PIL import Image

import cvq_tutorial

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = ["setup", "reproduce", "test", "lab", "lessons", "book", "figures", "bench", "test-gpu"]
TARGETS += ["lint", "clean"]

# Distribution names that differ from what is imported, and from conda-forge's names.
IMPORTED_AS = {"scikit-learn": "sklearn", "pillow": "PIL", "pytest-xdist": "xdist"}
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
    "jupyter-client": "jupyter_client",
    "fastjsonschema": "python-fastjsonschema",
}
# Used without an import: the front end that opens the notebooks.
NOT_IMPORTED = {"jupyterlab"}


def requirements(lines: list[str]) -> dict[str, Requirement]:
    return {(r := Requirement(line)).name: r for line in lines}


def lock(name: str = "requirements.lock") -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in pins), pins
    return {name.lower().replace("_", "-"): v for name, v in (p.split("==") for p in pins)}


def imports(folder: str) -> set[str]:
    """Top-level names that the Python files of a folder import."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names)


# --- dependencies -------------------------------------------------------------------------------


def test_every_runtime_dependency_is_used_and_every_import_declared():
    declared = {
        IMPORTED_AS.get(name, name).replace("-", "_")
        for name in requirements(PROJECT["dependencies"])
    }
    used = imports("cvq_tutorial") | imports("notebooks/src")
    helpers = {"cvq_tutorial", "IPython"}  # ipykernel is IPython
    if "causal-learn" in requirements(PROJECT["optional-dependencies"]["discovery"]):
        helpers.add("causallearn")  # asked for where it is used: see `baselines.search`
    assert used - declared - helpers == set()
    assert declared - used == NOT_IMPORTED & declared


def test_what_the_tests_and_tools_import_is_declared_too():
    extras = PROJECT["optional-dependencies"]
    names = requirements(PROJECT["dependencies"] + extras["test"] + extras["book"])
    declared = {IMPORTED_AS.get(name, name).replace("-", "_") for name in names}
    brought_by_these = {"cvq_tutorial", "IPython", "yaml", "packaging", "pandas", "docutils"}
    local = {path.stem for room in ("tests", "tools") for path in (ROOT / room).glob("*.py")}
    local.add("tests")
    local |= {t.module.split(".")[0] for t in project_tools.load("build_exchange").TOOLS}
    assert (imports("tests") | imports("tools")) - declared - brought_by_these - local == set()


def test_environment_yml_has_the_names_and_bounds_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    listed = [d for d in environment["dependencies"] if isinstance(d, str)]
    [pip] = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert "python=3.11" in listed and "pip" in listed and "-e ." in pip
    assert Version("3.11") in Requirement(f"python{PROJECT['requires-python']}").specifier
    have = {line for line in [*listed, *pip] if line not in ("python=3.11", "pip", "-e .")}
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    assert have == {
        f"{CONDA_NAMES.get(name, name)}{r.specifier}" for name, r in requirements(wanted).items()
    }


def test_the_lock_pins_torch_first_and_everything_that_is_needed():
    pins = lock()
    assert next(iter(pins.items())) == ("torch", "2.13.0")
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    for name, requirement in requirements(wanted).items():
        assert Version(pins[name]) in requirement.specifier, name
    assert "setuptools" in pins  # the project itself is installed without build isolation


def test_the_lock_of_the_book_pins_what_it_needs_and_nothing_of_the_other_lock():
    pins, below = lock("requirements-book.lock"), lock()
    for name, requirement in requirements(PROJECT["optional-dependencies"]["book"]).items():
        assert Version(pins[name]) in requirement.specifier, name
    assert not set(pins) & set(below)


# --- commands -----------------------------------------------------------------------------------


def make(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize("arguments", [(), ("help",)])
def test_make_lists_every_target_with_its_help(arguments):
    shown = make(*arguments)
    assert shown.returncode == 0, shown.stderr
    for target in TARGETS:
        assert re.search(rf"^  {target} +\S", shown.stdout, flags=re.M), target


def test_every_target_of_the_makefile_has_help_and_is_phony():
    text = (ROOT / "Makefile").read_text()
    named = re.findall(r"^([a-z][a-z-]*):(.*)$", text, flags=re.M)
    assert all("##" in rest for _, rest in named), named
    [phony] = re.findall(r"^\.PHONY: (.*)$", text, flags=re.M)
    assert {name for name, _ in named} <= set(phony.split())


@pytest.mark.parametrize("target", [t for t in TARGETS if t not in ("setup", "clean")])
def test_every_target_does_its_own_set_up(target):
    shown = make("-n", target, "VENV=none", "PYTHON=python3")
    assert "requirements.lock" in shown.stdout, shown.stderr


def test_make_reproduce_passes_its_variables_on():
    shown = make(
        "-n", "reproduce", "VENV=none", "WORLD=codes", "RECIPE=nano", "SEED=3", "SET=a=1 b=x"
    )
    assert "reproduce codes --recipe nano --seed 3 --set 'a=1' --set 'b=x'" in shown.stdout
    assert (
        "reproduce shapes3d --recipe lesson --seed 0" in make("-n", "reproduce", "VENV=none").stdout
    )


def test_a_python_that_is_too_old_or_absent_is_one_line(tmp_path):
    shown = make("setup", f"VENV={tmp_path / 'venv'}", "PYTHON=no-such-python")
    assert shown.returncode != 0
    assert "make: error: Python 3.11 or newer is needed" in shown.stderr
    assert not (tmp_path / "venv").exists()


def test_ci_runs_what_a_person_runs():
    script = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in script and re.search(r"^make test$", script, flags=re.M)
    assert subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")]).returncode == 0


# --- texts --------------------------------------------------------------------------------------


def test_version_licence_and_citation_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == cvq_tutorial.__version__
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"
    paper = citation["preferred-citation"]
    assert paper["doi"] == "10.24963/ijcai.2023/361" and "2302.00869" in paper["url"]
    licence = (ROOT / "LICENSE").read_text()
    assert licence.strip().startswith("Apache License") and "END OF TERMS AND CONDITIONS" in licence
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(
        r"^## \[(Unreleased|" + re.escape(cvq_tutorial.__version__) + ")", changes, re.M
    )


def test_the_readme_starts_with_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert "make reproduce" in text and "make test" in text


def test_no_machine_path_is_in_any_text_of_the_project():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"(?<![\w.])/(?:work|root|home)/\w")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if name.startswith("tests/") or not path.is_file() or path.stat().st_size > 2_000_000:
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        assert pattern.search(text) is None, name


# --- skips --------------------------------------------------------------------------------------

SKIP_CALLS = {"skip", "skipif", "xfail", "importorskip"}


def skips() -> set[tuple[str, str]]:
    """(file, function) of each skip in the tests; of a whole module it is (file, "module")."""
    found = set()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text())
        owner = {}
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                for inner in ast.walk(node):
                    owner[inner] = node.name
        for node in ast.walk(tree):
            skipping = isinstance(node, ast.Attribute) and node.attr in SKIP_CALLS
            if skipping and "pytest" in ast.unparse(node.value):
                found.add((path.relative_to(ROOT / "tests").as_posix(), owner.get(node, "module")))
    return found


def test_every_skip_is_explained_in_skips_md():
    rows = re.findall(
        r"^\| ([\w./]+\.py) \| (\w+) \|", (ROOT / "tests" / "SKIPS.md").read_text(), re.M
    )
    assert sorted(set(rows)) == sorted(rows)
    assert set(rows) == skips()


def test_there_is_no_xfail():
    for path in (ROOT / "tests").rglob("test_*.py"):
        if path.name != Path(__file__).name:
            assert "xfail" not in path.read_text(), path.name


# --- figures ------------------------------------------------------------------------------------


def test_every_picture_of_the_readme_is_there_and_says_what_it_shows():
    for name in re.findall(r"\]\((figures/[\w./-]+\.png)\)", (ROOT / "README.md").read_text()):
        with Image.open(ROOT / name) as picture:
            assert picture.info["Description"], name
            assert (ROOT / name).stat().st_size < 1_000_000


def test_the_film_of_the_readme_moves_and_says_what_it_shows():
    film = project_tools.load("build_film")
    [said] = re.findall(r"!\[([^]]+)\]\(figures/explorer\.gif\)", (ROOT / "README.md").read_text())
    assert film.OUT.stat().st_size < 1_000_000
    with Image.open(film.OUT) as picture:
        assert picture.info["comment"].decode() == said == film.WORDS
        assert picture.n_frames >= 10 and picture.width >= 700


def test_the_readme_is_two_screens_and_the_tree():
    text = (ROOT / "README.md").read_text("utf-8")
    tree = text[text.index("<!-- tree") : text.index("<!-- end of tree -->")]
    assert len(text.splitlines()) - len(tree.splitlines()) <= 115


def test_every_listed_figure_is_there_and_was_drawn_by_the_code_of_today():
    made = project_tools.load("build_figures")
    index = made.read_index(ROOT / "figures")
    assert set(index) == {entry.file for entry in made.ENTRIES}
    for file, about in index.items():
        assert (ROOT / "figures" / file).is_file(), f"{file} is missing: make figures"
        now = made.source_hash(tuple(about["modules"]))
        assert about["source"] == now, f"{file} was drawn by other code: make figures"
    assert (ROOT / "figures/INDEX.md").read_text() == made.index_text(index)


def test_a_picture_knows_the_code_that_draws_it_but_not_how_it_is_written(tmp_path, monkeypatch):
    made = project_tools.load("build_figures")
    monkeypatch.setattr(made, "PACKAGE", tmp_path)
    for name in made.SHARED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    hashes = []
    for text in ("def f():\n    return 1\n", 'def f():\n    """Say."""\n    return (1)\n', "f = 2"):
        (tmp_path / "drawing.py").write_text(text)
        hashes.append(made.source_hash(("drawing",)))
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_benchmark_names_its_machine():
    path = ROOT / "figures" / "bench.json"
    if path.exists():
        assert json.loads(path.read_text())["machine"]
