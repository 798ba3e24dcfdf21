"""Own pictures with a table of what they show: any folder, and CelebA's layout.

In: a folder of pictures and a table. Out: a `PictureWorld`, whose factors are columns and whose
transitions are pairs of pictures that exist. Read `read` (files as columns of text), `columns`
(what a column is), `find` (which pictures it names), `files` (the checked table), `pairs` and
`space` (which pictures differ in one factor), then `world`; `listed` is a table of before and after
instead.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "world": "PictureWorld pictures_world faces_world",
        "space": "PairReport pair_report",
        "files": "AttributeTable read_table",
    },
)
