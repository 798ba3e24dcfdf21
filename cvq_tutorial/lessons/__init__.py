"""What the notebooks lean on.

In: answers, and names of trained models. Out: one line that says right or why not; models at once.
Read `check/base` and one lesson of `check/`, then `shipped` (models that come with the package, in
`weights/`) and `environment` (is everything here?).
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "check": "",
        "shipped": "load_or_train load_or_train_a_judge load_or_train_vae",
        "environment": "check_environment show_widgets",
    },
)
