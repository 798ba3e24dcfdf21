"""Many runs and what they say together.

In: a grid. Out: tables beside which a claim can be read. Read `grids` (which runs), `sweeps` (how
they are done), `where`, `cluster` and `remote` (on Dask), `tables` and `results` (what is told),
`bench` (how long a step takes).
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "grids": "BASELINES GRIDS Cell",
        "results": "",
        "sweeps": "",
        "tables": "",
    },
)
