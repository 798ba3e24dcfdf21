"""Masks and edges as things to hold: compare, group, save, score.

In: edge probabilities (N, N), row = cause, column = effect. Out: `CausalGraph`. Read `graph`,
then `difference` (graphs against each other), `scores` (a learned one beside a known one), `groups`
and `paths`; `files` and `dot` write and read five formats.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "graph": "CausalGraph masks_of",
        "difference": "GraphDifference stability",
        "scores": "agreement auroc graph_density graph_recovery",
        "files": "from_networkx to_networkx",
    },
)
