"""From a world to what training sees: (x, action, y), in three splits.

In: a world's factors. Out: `Transitions`, as factor values or codes. Read `transitions` first, then
`sampling` (skewed, correlated and held-out data), `balance` (its cure) and `augment` (moved
pictures).
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "transitions": (
            "Transitions sample_transitions sample_values split_of changed_pixels "
            "invisible_share visible_only"
        ),
        "sampling": "Sampling",
        "balance": "balanced_chances effective_size",
    },
)
