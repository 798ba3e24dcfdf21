"""Names of a package that are imported when they are first asked for (PEP 562).

`import cvq_tutorial` must cost nothing, and a room must be able to name what it offers without
loading all of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(
    package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: its `__name__`.
        places: module below the package -> the names that it offers, parted by blanks, such as
            "train load=load_run" (as which name = which it has there); "": the module itself.

    Returns:
        The three, to be unpacked at the end of its `__init__`.
    """
    where: dict[str, tuple[str, str]] = {}
    for module, names in places.items():
        for name in names.split() or [module.rpartition(".")[2]]:
            public, _, inner = name.partition("=")
            where[public] = module, (inner or public) if names else ""

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, inner = where[name]
        found = import_module(f"{package}.{module}")
        found = getattr(found, inner) if inner else found
        setattr(sys.modules[package], name, found)
        return found

    def names_here() -> list[str]:
        return sorted({*vars(sys.modules[package]), *where})

    return get, names_here, sorted(where)
