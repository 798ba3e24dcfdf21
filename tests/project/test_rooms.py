"""The tree shows the architecture: rooms, floors, doors."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import project_tools
import pytest

import cvq_tutorial
from cvq_tutorial.common.moved import rooms_of_old_modules

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "cvq_tutorial"
TREE = project_tools.load("build_tree")
FLOORS = TREE.floors()
DOORS = [
    p.parent.relative_to(ROOT).as_posix().replace("/", ".") for p in PACKAGE.rglob("__init__.py")
]


def test_the_tree_of_the_readme_is_the_tree():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert readme == TREE.with_tree(readme)


def test_every_folder_of_the_package_is_on_a_floor_and_only_those():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(FLOORS)
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_says_what_comes_in_what_goes_out_and_how_to_read_it(room):
    said = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8")))
    assert "In: " in said and "Out: " in said, room
    modules = {p.stem for p in (PACKAGE / room).glob("*.py")} | {
        p.parent.name for p in (PACKAGE / room).glob("*/__init__.py")
    }
    assert sum(f"`{m}`" in said or f"`{m}/`" in said for m in modules) >= min(3, len(modules) - 1)


@pytest.mark.parametrize("door", sorted(DOORS))
def test_what_a_door_names_is_there_and_no_module_hides_it(door):
    package = importlib.import_module(door)
    for name in getattr(package, "__all__", []):
        found = getattr(package, name)
        module = getattr(found, "__module__", None) or getattr(found, "__name__", "")
        if (
            door != "cvq_tutorial"
            and isinstance(module, str)
            and module.startswith("cvq_tutorial.")
        ):
            assert module.startswith((door, "cvq_tutorial.common")), f"{door}: {name} of {module}"
    modules = {p.stem for p in Path(package.__path__[0]).glob("*.py")}
    for name in modules & set(getattr(package, "__all__", [])):
        assert getattr(package, name).__name__ == f"{door}.{name}"  # the module, nothing else


def test_about_twenty_names_are_public():
    assert 18 <= len(cvq_tutorial.__all__) <= 28
    assert callable(cvq_tutorial.train) and callable(cvq_tutorial.evaluate)


def test_importing_the_package_loads_neither_torch_nor_matplotlib():
    code = "import sys, cvq_tutorial; print({'torch', 'matplotlib', 'numpy'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


def test_a_training_loads_no_library_that_it_has_no_use_for():
    """SciPy takes 25 MB, of a few hundred that a run needs."""
    code = "import sys, cvq_tutorial.training.train; print({'scipy', 'sklearn'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ("import cvq_tutorial.train", "cvq_tutorial.training.train"),
        ("from cvq_tutorial.train import train", "cvq_tutorial.training.train"),
        ("from cvq_tutorial import checkpoints", "cvq_tutorial.training.checkpoints"),
        ("from cvq_tutorial.images import to_float", "cvq_tutorial.common.images"),
        ("from cvq_tutorial.worlds.attributes import AttributeWorld", "cvq_tutorial.worlds.tables"),
        ("from cvq_tutorial.check.lesson_00 import GOAL", "cvq_tutorial.lessons.check"),
    ],
)
def test_an_old_import_fails_with_one_line_that_names_the_new_one(line, new):
    with pytest.raises(ImportError) as told:
        exec(line, {})
    assert new in str(told.value) and "has moved" in str(told.value)
    assert "\n" not in str(told.value)


def test_every_old_module_is_said_to_be_where_it_is():
    assert set(rooms_of_old_modules().values()) <= set(FLOORS)


def test_some_old_imports_still_work():
    exec(
        "from cvq_tutorial.worlds import make_world\nfrom cvq_tutorial.graphs import CausalGraph",
        {},
    )


def test_no_import_by_a_string_goes_up():
    height = {room: i for i, room in enumerate(FLOORS)}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func)):
                continue
            argument = node.args[0] if node.args else None
            named = argument.value if isinstance(argument, ast.Constant) else ""
            if named.startswith("cvq_tutorial."):
                assert height[named.split(".")[1]] <= height[room], f"{path.name}: {named}"
