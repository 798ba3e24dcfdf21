"""Where pictures and causes come from.

In: a name and options, or files. Out: a world, which turns factor values (B, F) into pictures uint8
(B, H, W, 3), or draws transitions of codes whose graph is known. Read `factors` (what a factor and
an action are), `shapes3d` (a world that is drawn), `codes` (a world whose graph is known), then
`make`. Benchmark files are read by `files/`, tables of pictures by `tables/`; `inspect/` says what
a folder holds and what is wrong with it.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "make": "make_world world_names data_places published_factors",
        "world": "World ImageWorld CodeWorld",
        "factors": "Factor FactorSpace",
        "codes": "CodesWorld CodeTransitions",
        "shapes3d": "Shapes3D COLOURS",
        "sprites": "Sprites stand_in_sheets",
        "dsprites": "DSprites",
        "causal_shapes3d": "CausalShapes3D",
        "light_tunnel": "LightTunnel",
        "inspect": "check_folder",
        "tables": "PictureWorld pair_report",
    },
)
