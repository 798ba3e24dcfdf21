"""Self-checks of the exercises: `check.<exercise>(answer)` prints one line and never raises.

The line says "not attempted yet", "right: ..." with what the answer shows, or "not yet: ..." with a
hint; the two likeliest wrong answers of each exercise have a hint of their own. `.hint()` is for
who has not guessed yet; `as_told` holds a page to its words. How an answer is read and told is in
`check.base`; the exercises of lesson NN are in `check.lesson_NN`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from cvq_tutorial.lessons.check.base import Exercise, as_told

EXERCISES: dict[str, Exercise] = {
    name: value
    for found in sorted(module.name for module in iter_modules(__path__))
    if found.startswith("lesson_")
    for name, value in vars(import_module(f"{__name__}.{found}")).items()
    if isinstance(value, Exercise)
}
globals().update(EXERCISES)
__all__ = ["EXERCISES", "as_told", *EXERCISES]  # pyright: ignore[reportUnsupportedDunderAll]
