"""The programs in tools/, as modules that tests can look into."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent.parent / "tools"


def said() -> str:
    """What the project says of its numbers: the README, and the page that it refers to for more."""
    root = TOOLS.parent
    pages = (root / "README.md", root / "figures" / "measured.md")
    return "\n\n".join(path.read_text("utf-8") for path in pages)


def load(name: str) -> Any:
    """tools/<name>.py as a module of its own; importing it runs nothing but definitions."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
