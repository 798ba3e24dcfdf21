"""Where the modules of version 0.1 went, told to whoever imports one by its old name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec

# room -> its modules, as old name = new name where it changed
_ROOMS = {
    "common": "arrays images paths=folders",
    "worlds": "factors",
    "worlds.files": (
        "worlds.files=world worlds.hdf5=hdf5 worlds.npz=npz worlds.lookup=lookup "
        "worlds.rows=rows worlds.unpack=unpack worlds.cars3d=cars3d "
        "worlds.dsprites_file=dsprites_file worlds.mpi3d=mpi3d "
        "worlds.shapes3d_file=shapes3d_file worlds.smallnorb=smallnorb"
    ),
    "worlds.tables": (
        "worlds.attributes=world worlds.attribute_files=files "
        "worlds.attribute_text=read worlds.attribute_pairs=pairs "
        "worlds.attribute_space=space"
    ),
    "worlds.inspect": "worlds.check=check worlds.check_report=report worlds.check_table=table",
    "data": "transitions sampling balance augment",
    "method": (
        "quantize=codebooks autoencoder gated_attention=attention "
        "transition=causal_transition model plan prune"
    ),
    "graphs": (
        "graph_groups=groups graph_paths=paths graph_files=files graph_dot=dot graph_metrics=scores"
    ),
    "training": "recipes training_data=data checkpoints loop=run train",
    "measure": "metrics judge evaluate sequences leakage",
    "measure.disentanglement": "disentangle=scores disentangle_data=columns factor_vae infomec",
    "baselines": "vae plain_transition pairs independence networks",
    "draw": (
        "picture=style draw_codebooks=quantized draw_compare=compare "
        "draw_compose=curves draw_disentangle=disentanglement draw_effects=effects "
        "draw_explore=sheets draw_graphs=arrows draw_heatmaps=heatmaps "
        "draw_layers=layers draw_overview=whole draw_pairs=rows "
        "draw_quantize=quantized draw_recovery=curves draw_sampling=sampling "
        "draw_tables=tables draw_training=training draw_traversals=rows "
        "draw_values=curves draw_worlds=worlds"
    ),
    "lessons": "shipped environment",
    "explore": (
        "explore_actions=actions explore_base=base explore_codes=codes "
        "explore_graph=graph explore_plan=plan explore_training=training "
        "explore_widget=widget"
    ),
    "experiments": "grids sweeps side_by_side=cluster tables results bench",
    "run": "reproduce notebooks report gallery cli cli_graph",
}


def rooms_of_old_modules() -> dict[str, str]:
    """Name of a module of version 0.1, without the package's -> the room in which it stands."""
    return {old: room.split(".")[0] for old, (room, _) in _places().items()}


def _places() -> dict[str, tuple[str, str]]:
    """Old name -> (room, new name)."""
    found = {}
    for room, modules in _ROOMS.items():
        for module in modules.split():
            was, _, now = module.partition("=")
            found[was] = room, now or was
    return found


class _Moved:
    """A finder that finds nothing, and says where an old module went."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        package, _, old = name.partition(".")
        if package != "cvq_tutorial" or not old:
            return None
        if old in (places := _places()):
            new = "cvq_tutorial.{}.{}".format(*places[old])
            raise ModuleNotFoundError(f"{name} has moved: import {new} instead")
        if old == "check" or old.startswith("check."):
            raise ModuleNotFoundError(
                f"{name} has moved: import cvq_tutorial.lessons.{old} instead"
            )
        return None


def tell_where_modules_went() -> None:
    """From now on an import of an old module fails with one line that names the new one."""
    sys.meta_path.append(_Moved)
