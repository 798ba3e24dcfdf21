"""Benchmark files, read lazily in their published formats.

In: a path, or nothing (then `CVQ_DATA` is looked through). Out: a `FileWorld`. Read `lookup` (what
a benchmark is and where it is looked for), `world`, one benchmark (`shapes3d_file`), then the
formats: `hdf5`, `npz`, `rows`, `unpack`.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {"world": "FileWorld"})
