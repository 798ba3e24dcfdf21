"""Put the models that the lessons load into the package, with the commands that made them.

    python tools/ship_checkpoints.py runs/shapes3d-lesson-s0 runs/codes-lesson-s0

Each run folder is what `make reproduce WORLD=... RECIPE=... SEED=...` left. The judge of an image
world is shipped with its model.
"""

from __future__ import annotations

import sys

from cvq_tutorial import checkpoints, shipped


def main(folders: list[str]) -> int:
    for folder in folders:
        _, world, info = checkpoints.load_run(folder)
        recipe, seed = info["recipe"]["name"], info["seed"]
        command = f"make reproduce WORLD={world.name} RECIPE={recipe} SEED={seed}"
        made = shipped.ship(folder, command)
        print(f"{made.name}: {(made / 'model.safetensors').stat().st_size} bytes, by {command}")
        if world.has_images:
            path = shipped.ship_judge(world)
            print(f"{path.name}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
