"""Put the models that the lessons load into the package, with the commands that made them.

    python tools/ship_checkpoints.py runs/shapes3d-lesson-s0 runs/codes-lesson-s0

Each run folder is what `make reproduce WORLD=... RECIPE=... SEED=...` left, or `cvq train ... --set
name=value`; settings that differ from the recipe's are found by comparing. With `--judge` the judge
of the runs' worlds is shipped too.
"""

from __future__ import annotations

import sys

from cvq_tutorial.lessons import shipped
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.worlds.make import make_world


def main(arguments: list[str]) -> int:
    for folder in (argument for argument in arguments if argument != "--judge"):
        info = checkpoints.read_info(folder)
        world = make_world(info["world"]["name"], **info["world"]["options"])
        name, seed = info["recipe"]["name"], info["seed"]
        changed = shipped.changed_settings(world.name, recipes.Recipe(**info["recipe"]))
        settings = " ".join(f"--set {k}={v}" for k, v in changed.items())
        command = f"make reproduce WORLD={world.name} RECIPE={name} SEED={seed}"
        if changed:
            command = f"cvq train {world.name} --recipe {name} --seed {seed} {settings}"
        if "network" in info:
            kind = "vae-difference" if info["network"]["beta"] == 1 else "beta-vae-difference"
            command = f"cvq baseline {world.name} --name {kind} --recipe {name} --seed {seed}"
        made = shipped.ship(folder, command)
        print(f"{made.name}: {(made / 'model.safetensors').stat().st_size} bytes, by {command}")
        if world.has_images and "--judge" in arguments:
            path = shipped.ship_judge(world)
            print(f"{path.name}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
