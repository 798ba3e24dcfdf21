"""Scores of disentanglement, each beside the same score of permuted factors.

In: codes or latents beside factor values. Out: DCI, MIG, SAP, FactorVAE, InfoMEC, MCC. Read
`columns` (what all of them count), then `scores`, `factor_vae`, `infomec`, `parted` (MCC and R2).
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "scores": "all_scores dci mig sap table",
        "parted": "Matched matched",
        "columns": (
            "CodeColumns Sample Score code_columns joint_counts mutual_information sample_of"
        ),
    },
)
