"""Own pictures with a table of attributes, such as CelebA's.

In: a folder of pictures and a table. Out: an `AttributeWorld`, whose factors are columns and whose
transitions are pairs of pictures that exist. Read `text` and `files` (how a table is read), `space`
and `pairs` (which pictures differ in one attribute), then `world`.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "world": "AttributeWorld",
        "space": "PairReport pair_report",
        "files": "AttributeTable read_table",
    },
)
