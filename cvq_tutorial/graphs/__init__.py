"""Masks and edges as things to hold: compare, group, save, score.

In: edge probabilities (N, N), row = cause, column = effect. Out: `CausalGraph`. Read `graph`,
then `scores` (a learned graph beside a known one), `groups` and `paths`; `files` and `dot` write
and read five formats.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "graph": "CausalGraph GraphDifference masks_of stability",
        "scores": "agreement auroc graph_density graph_recovery",
        "files": "from_networkx to_networkx",
    },
)
