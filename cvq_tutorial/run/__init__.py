"""Commands: what a person types.

In: the words of a command line. Out: run folders, executed notebooks, reports. Read `cli`, then
`reproduce` (one run from nothing to figures), `notebooks` (papermill with checked parameters),
`gallery` and `report`.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "reproduce": "",
        "gallery": "",
        "report": "",
    },
)
