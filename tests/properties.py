"""How many examples the properties of readers and parsers are tried with.

They are the tests whose name begins with `test_whatever`; `make torture` tries more of them.
"""

from __future__ import annotations

import os

from hypothesis import settings

EXAMPLES = "CVQ_EXAMPLES"
FEW = settings(
    max_examples=int(os.environ.get(EXAMPLES, "300")),
    derandomize=EXAMPLES not in os.environ,
    deadline=None,
    database=None,
)
