"""Draw the pictures in figures/ from a trained run, with an index that says what each shows.

    python tools/build_figures.py runs/shapes3d-lesson-s0                  all of them
    python tools/build_figures.py runs/shapes3d-lesson-s0 effects confusion    some

The pictures of the world `codes` come from three short trainings of their own. Beside the pictures,
figures/index.json keeps for each a summary in words and a hash of the code that draws it (without
comments, docstrings and layout), and figures/INDEX.md is the same as a table. A test fails when a
picture is missing or was drawn by other code.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from cvq_tutorial import draw
from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.draw.training import Animation
from cvq_tutorial.graphs import graph as graphs
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.run import gallery, reproduce
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world

FIGURES = PROJECT_ROOT / "figures"
PACKAGE = PROJECT_ROOT / "cvq_tutorial"
SHARED = ("draw/style.py", "draw/parts.py", "draw/cvq.mplstyle")  # what every picture is drawn with
COMMAND = "python tools/build_figures.py {run} {name}"


class Run:
    """What the pictures show of a trained run; each part is computed when the first asks for it."""

    def __init__(self, folder: Path, n: int = 720) -> None:
        self.folder, self.n = folder, n
        self.model, self.world, self.info = checkpoints.load_run(folder)
        if not self.world.has_images:
            raise ValueError(f"{folder}: expected a run on a world with images")

    @cached_property
    def look(self) -> gallery.Gallery:
        return gallery.look(self.model, self.world, self.n, seed=0)

    @property
    def names(self) -> list[str]:
        return self.model.action_names

    @property
    def about(self) -> dict[str, Any]:
        """Which run it is, for the index."""
        told = {key: self.info[key] for key in ("seed", "sha256")}
        return {"world": self.world.name, "recipe": self.info["recipe"]["name"], **told}

    def example(self, action: int) -> torch.Tensor:
        """(1, N, C) codes of the example of an action."""
        row = self.look.examples[action]
        return self.look.x[row : row + 1]

    def graph(self, action: int) -> CausalGraph:
        """The graph of an action in its example."""
        return CausalGraph.of(self.model, self.example(action), action)

    @property
    def widest(self) -> int:
        """The action that changes the most nodes."""
        return int(self.look.changed.sum(axis=1).argmax())

    @cached_property
    def done(self) -> Any:
        return self.model.intervene(self.look.before, torch.arange(self.model.n_actions))

    @cached_property
    def codes(self) -> Codes:
        return Codes(quick=self.n < 720)


class Codes:
    """Three trainings on the world `codes`, whose graph is known; the first is watched."""

    ACTION = 1

    def __init__(self, quick: bool = False) -> None:
        self.world = make_world("codes")
        settings = {"transition_steps": 40, "transitions": 200} if quick else {}
        recipe = recipes.get("nano" if quick else "lesson", "codes", **settings)
        x = torch.from_numpy(self.world.sample(120, "test", 0).x)
        self.watch = gallery.Watch(x[:40], self.ACTION)
        actions = range(self.world.n_actions)
        self.seeds: list[list[CausalGraph]] = []  # [seed][action]
        for seed in range(3):
            print(f"training on the world codes, seed {seed}", flush=True)
            with tempfile.TemporaryDirectory(prefix="cvq-figures-") as folder:
                watch = self.watch if seed == 0 else None
                options = {"device": "cpu", "progress": False, "on_log": watch}
                model = train(self.world, recipe, seed, folder, **options)
            self.seeds.append([CausalGraph.of(model, x, action) for action in actions])
        self.about = {"world": "codes", "recipe": recipe.name, "seeds": [0, 1, 2]}

    @property
    def name(self) -> str:
        return self.world.action_names[self.ACTION]


def regions(run: Run) -> draw.Picture:
    graph = run.graph(run.widest)
    few = graph.used().by_region()
    return draw.graph_layers(few, title=f"Graph of {graph.action}, by region of the image")


def difference(run: Run) -> draw.Picture:
    one, two = (run.graph(action).used().by_region() for action in (run.widest, run.look.focus))
    return draw.graph_difference(one.difference(two))


def by_what_sets(run: Run) -> draw.Picture:
    graph = run.graph(run.widest)
    masks = graphs.masks_of(run.model, run.look.x[:64])
    few = graph.used().by_action(masks, run.names, at_most=12)
    title = f"Graph of {graph.action}, nodes grouped by what sets them"
    return draw.graph_layers(few, top_k=24, title=title)


def over_image(run: Run) -> draw.Picture:
    action = run.look.focus
    graph, image = run.graph(action), run.look.before[action]
    node, is_set = gallery.busiest_node(graph), gallery.shown_nodes(graph)
    title = f"{graph.action}: causes and effects of one node"
    grid = run.model.grid
    return draw.graph_over_image(image, graph, grid, node, set_nodes=is_set, title=title)


def known(codes: Codes) -> draw.Picture:
    world = codes.world
    return draw.truth_and_learned(codes.seeds[0], world.graph, world.targets, world.action_names)


@dataclass(frozen=True)
class Entry:
    """A picture: its file, what it shows, the modules that draw it, and how."""

    file: str
    shows: str
    modules: tuple[str, ...]
    make: Callable[[Run], draw.Picture | Animation]

    @property
    def name(self) -> str:
        return Path(self.file).stem if self.file.endswith(".png") else self.file

    @property
    def command(self) -> str:
        return COMMAND.format(run="RUN", name=self.name)


LAYERS = ("draw/layers", "draw/arrows", "graphs/paths", "graphs/groups")
COMPARE = ("draw/compare", "draw/heatmaps", "graphs/graph", "graphs/difference", "graphs/groups")
TRAINING = ("draw/training", "draw/effects", "draw/heatmaps")
ENTRIES = (
    Entry(
        "training_curves.png",
        "how the numbers of both phases went",
        ("draw/images",),
        lambda run: draw.training_curves(reproduce.read_log(run.folder)),
    ),
    Entry(
        "reconstructions.png",
        "test images, what the decoder makes of their codes, and the difference",
        ("draw/images",),
        lambda run: draw.reconstructions(
            run.look.before[:8], run.model.reconstruct(run.look.before[:8])
        ),
    ),
    Entry(
        "code_maps.png",
        "the codes of three test images, one map per codebook",
        ("draw/images",),
        lambda run: draw.code_maps(
            run.model.encode(run.look.before[:3]), run.model.grid, run.look.before[:3]
        ),
    ),
    Entry(
        "before_after.png",
        "one intervention per action beside the true image after it",
        ("draw/images",),
        lambda run: draw.before_after(run.look.before, run.done.images, run.look.after, run.names),
    ),
    Entry(
        "effects.png",
        "where each action sets codes in one image, beside the pixels that truly change",
        ("draw/effects",),
        lambda run: draw.effects_over_images(
            run.look.before, run.look.after, run.done.mask.amax(2), run.model.grid, run.names
        ),
    ),
    Entry(
        "effects_masks.png",
        "where each action sets codes, mean over test transitions, beside how often they change",
        ("draw/heatmaps",),
        lambda run: draw.effects_masks(run.look.mask, run.model.grid, run.names, run.look.changed),
    ),
    Entry(
        "confusion.png",
        "which action was named for which",
        ("draw/heatmaps",),
        lambda run: draw.confusion(run.look.confusion, run.names),
    ),
    Entry(
        "graph_matrix.png",
        "the graph of one action in one image as a matrix, the mask along its axes",
        ("draw/heatmaps",),
        lambda run: draw.graph_matrix(
            run.graph(run.look.focus), title=f"Graph of {run.names[run.look.focus]}"
        ),
    ),
    Entry(
        "graph_over_image.png",
        "causes and effects of one node as arrows over the image",
        ("draw/arrows",),
        over_image,
    ),
    Entry(
        "graph_regions.png",
        "the graph of one action between regions of the image, in layers by depth",
        LAYERS,
        regions,
    ),
    Entry(
        "graph_groups.png",
        "the same graph between groups of nodes that the same actions set",
        LAYERS,
        by_what_sets,
    ),
    Entry(
        "graph_difference.png",
        "what the graphs of two actions do not share, by region",
        COMPARE,
        difference,
    ),
    Entry(
        "codes_truth.png",
        "learned graphs against the known ones, world codes",
        ("draw/compare", "draw/heatmaps"),
        lambda run: known(run.codes),
    ),
    Entry(
        "codes_stability.png",
        "which edges three trainings share, beside chance, world codes",
        COMPARE,
        lambda run: draw.graph_stability(
            [graphs_[Codes.ACTION] for graphs_ in run.codes.seeds],
            title=f"Stability of {run.codes.name} over seeds",
        ),
    ),
    Entry(
        "codes_training.png",
        "a graph while it is learned, before it is pruned, some steps, world codes",
        TRAINING,
        lambda run: draw.training_strip(run.codes.watch.snapshots),
    ),
    Entry(
        "codes_training.gif",
        "the same as an animation",
        TRAINING,
        lambda run: draw.training_animation(run.codes.watch.snapshots),
    ),
)


# Hash and index ----------------------------------------------------------------------------------


def told(node: Any) -> str:
    """A syntax tree as text, without imports, docstrings, positions and empty fields."""
    if isinstance(node, list):
        kept = [item for item in node if not isinstance(item, ast.Import | ast.ImportFrom)]
        return "[" + ",".join(told(item) for item in kept) + "]"
    if isinstance(node, ast.Constant) or not isinstance(node, ast.AST):
        return repr(getattr(node, "value", node))
    parts = []
    for field, value in ast.iter_fields(node):
        if field == "body" and isinstance(value, list) and value:
            first = value[0]
            words = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            value = value[1:] if words and isinstance(first.value.value, str) else value
        if value not in (None, [], "") and field not in ("ctx", "type_comment", "kind"):
            parts.append(f"{field}={told(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


def source_hash(modules: tuple[str, ...]) -> str:
    """Of what the modules, and what all pictures share, do; not of how and where it is written."""
    parts = []
    for name in {f"{module}.py" for module in modules} | set(SHARED):
        text = (PACKAGE / name).read_text("utf-8")
        text = told(ast.parse(text)) if name.endswith(".py") else text
        parts.append(hashlib.sha256(text.encode()).hexdigest())
    return hashlib.sha256("".join(sorted(parts)).encode()).hexdigest()[:16]


def index_text(index: dict[str, dict[str, Any]]) -> str:
    """INDEX.md: a table of what is there."""
    rows = [
        f"| [{entry.file}]({entry.file}) | {entry.shows} | `{entry.command}` |"
        for entry in ENTRIES
        if entry.file in index
    ]
    return (
        "# Pictures\n\nMade by `make figures`, which trains a run (RUN) first; each command below"
        " makes one picture again. What can be seen in a picture is said in words in"
        " [index.json](index.json) and in the picture's own metadata. `bench.json` is made by"
        " `make bench`.\n\n| picture | what it shows | command |\n| --- | --- | --- |\n"
        + "\n".join(rows)
        + "\n"
    )


def read_index(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / "index.json"
    return json.loads(path.read_text("utf-8"))["figures"] if path.is_file() else {}


def build(run: Run, names: list[str], folder: Path) -> None:
    """Draw the pictures (all without names) and bring the index up to date.

    Raises ValueError for an unknown name, before anything is drawn.
    """
    known_names = [entry.name for entry in ENTRIES]
    for name in names:
        if name not in known_names:
            raise ValueError(close_match("figure", name, known_names))
    index = {k: v for k, v in read_index(folder).items() if k in {e.file for e in ENTRIES}}
    for entry in ENTRIES:
        if names and entry.name not in names:
            continue
        figure = entry.make(run)
        if isinstance(figure, Animation):
            figure.save(folder / entry.file)
        else:
            draw.save(figure, folder / entry.file)
        index[entry.file] = {
            "shows": entry.shows,
            "summary": figure.summary,
            "command": entry.command,
            "modules": list(entry.modules),
            "source": source_hash(entry.modules),
            "run": run.codes.about if entry.file.startswith("codes_") else run.about,
        }
        print(f"{entry.file}: {figure.summary}", flush=True)
        ordered = {entry.file: index[entry.file] for entry in ENTRIES if entry.file in index}
        text = json.dumps({"format": 1, "figures": ordered}, indent=1, ensure_ascii=False) + "\n"
        write_atomic(folder / "index.json", text.encode())
        write_atomic(folder / "INDEX.md", index_text(ordered).encode())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a trained run on a world with images")
    parser.add_argument("names", nargs="*", help="pictures to draw; all without")
    parser.add_argument("--out", type=Path, default=FIGURES, help="folder (default: figures/)")
    parser.add_argument("--n", type=int, default=720, help="test transitions to look at")
    options = parser.parse_intermixed_args(arguments)
    try:
        build(Run(options.run, options.n), options.names, options.out)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
