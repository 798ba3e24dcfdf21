"""What a folder or file holds, and what is wrong with it, before anything is trained on it.

In: a path. Out: a `WorldReport`. Read `report`, then `check`; `table` looks at tables of pictures.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {"check": "check_folder", "report": "WorldReport"})
