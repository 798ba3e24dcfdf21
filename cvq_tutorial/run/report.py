"""A run in words: the world, and the table of its numbers, whose file may hold anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cvq_tutorial.common.json_files import (
    NUMBER,
    TEXT,
    WHOLE,
    FileError,
    Schema,
    check,
    dict_of,
    list_of,
    or_null,
    record,
)
from cvq_tutorial.worlds.make import data_places, make_world, published_factors
from cvq_tutorial.worlds.world import World

_KINDS = record(action=NUMBER, factor=NUMBER)
_SPENT = ("seconds", "device", "threads")
_PARTS = ("visible", "skewed", "seen", "unseen")
_SHARES = ("action_accuracy", "macro_action_accuracy", "factor_accuracy", "macro_factor_accuracy")
_NAMED = record(
    {"n": WHOLE},
    **{name: NUMBER for name in _SHARES},
    **{name: _KINDS for name in ("chance", "majority", "copy")},
)
METRICS: Schema = record(
    {"world": TEXT, "recipe": TEXT, "seed": WHOLE},
    device=TEXT,
    threads=WHOLE,
    seconds=dict_of(NUMBER),
    reconstruction=record({"psnr": NUMBER}),
    codes=record({"used": list_of(WHOLE), "size": list_of(WHOLE), "perplexity": list_of(NUMBER)}),
    retrieval={
        **_NAMED,
        "properties": {**_NAMED["properties"], **dict.fromkeys(_PARTS, _NAMED)},
    },
    intervention=record(
        **{
            name: NUMBER
            for name in (
                "codes_right", "codes_right_copy", "psnr", "psnr_ceiling", "psnr_copy", "edit_kept",
                "target_reached", "target_reached_ceiling", "others_kept", "others_kept_ceiling",
            )
        },
        recovered=or_null(NUMBER),
    ),
    mask=record({name: NUMBER for name in ("f1", "precision", "recall", "density")}),
    unnamed=record(
        {name: WHOLE for name in ("codes", "codes_used")},
        **{name: NUMBER for name in ("one_to_one", "many_to_one", "nmi", "chance", "one_code")},
    ),
    graph=record(
        {name: NUMBER for name in ("edges_per_set_node", "density")},
        **{name: NUMBER for name in ("edge_f1", "edge_auroc", "shd")},
        faithful=dict_of(NUMBER),
    ),
)  # fmt: skip


def faithful_text(do: Mapping[str, Any]) -> str:
    """How far a graph says what do(node) does, of what `measure.faithfulness` told, in a line."""
    return (
        f"moves what the graph says: rank correlation {do['rank']:.2f} (shuffled graph "
        f"{do['rank_shuffled']:.2f}), edge and effect agree in {do['agree']:.3f} "
        f"({do['agree_shuffled']:.3f}) of {do['pairs']:.0f} pairs of nodes"
    )


def _recovered(did: Mapping[str, Any]) -> str:
    if did["recovered"] is None:
        kept = f"(edit kept {did['edit_kept']:.3f})"
        return f"recovered not defined: the ceiling is below the copy {kept}"
    return f"recovered {did['recovered']:.3f} of the way between"


def about_world(world: World) -> str:
    """A few lines about a world: its factors or variables, what an action is, whom to credit."""
    if not world.has_images:
        return (
            f"{world.name}: {world.n_nodes} variables of {world.n_codes} codes, no images\n"
            f"{world.n_actions} actions, each sets {int(world.targets[0].sum())} variables;"
            " the graph is known"
        )
    height, width, _ = world.image_shape
    space, n_images = world.factors, getattr(world, "n_images", world.factors.size)
    causes = [
        f"{cause} causes {factor.name}" for factor in space.factors for cause, _ in factor.causes
    ]
    factors = ", ".join(f"{f.name} {f.size}" for f in space.factors)
    does = ["raises or lowers one factor by one step"] if len(space.sets) < space.n_factors else []
    if space.sets:
        does.append(f"sets one value of {', '.join(space.names[f] for f in space.sets)}")
    return (
        f"{world.name}: {n_images} images of {height} x {width} pixels\n"
        f"{space.n_factors} factors and their sizes: {factors}\n"
        f"{space.n_actions} actions: each {', or '.join(does)}"
        + (
            f"\n{'; '.join(causes)}: an action moves the effects of its factor too"
            if causes
            else ""
        )
    )


def listed_world(name: str) -> str:
    """A few lines about a world by name, for a list: `about_world`, and where its data are.

    Where they are not there: where they were looked for, and the factors that they would have.
    Nothing is rendered, trained or unpacked for this.
    """
    try:
        text = about_world(make_world(name))
    except (ValueError, OSError) as error:
        what = "not here" if isinstance(error, FileNotFoundError) else "here, but cannot be used"
        text = f"{name}: its data are {what}: {' '.join(str(error).split())}"
        if space := published_factors(name):
            sizes = ", ".join(f"{f.name} {f.size}" for f in space.factors)
            text += f"\n{space.n_factors} factors and their sizes, as published: {sizes}"
        return text
    there = [place for place in data_places(name) if place.exists()]
    return f"{text}\ndata: {there[0] if there else 'made here, no files needed'}"


def table(metrics: Mapping[str, Any]) -> str:
    """The numbers of metrics.json that one reads first, each beside its controls.

    Nothing about time or machine is in it: see `times`. What a world does not have is left out.
    Raises FileError where a number is none, or is missing beside those that it belongs to.
    """
    check(metrics, "metrics.json", METRICS)
    try:
        return _table(metrics)
    except KeyError as error:
        raise FileError(f"metrics.json is damaged: {error.args[0]}: missing") from None


def _table(metrics: Mapping[str, Any]) -> str:
    lines = [f"world {metrics['world']}, recipe {metrics['recipe']}, seed {metrics['seed']}"]

    def row(name: str, text: str) -> None:
        lines.append(f"{name:<16}{text}")

    if "reconstruction" in metrics:
        row("reconstruction", f"{metrics['reconstruction']['psnr']:.1f} dB")
    if "codes" in metrics:
        codes = metrics["codes"]
        if len(codes["used"]) != len(codes["size"]):
            raise FileError("metrics.json is damaged: codes: expected as many used as size")
        used = ", ".join(f"{u} of {s}" for u, s in zip(codes["used"], codes["size"], strict=True))
        row("codes used", f"{used}; perplexity {_list(codes['perplexity'], '.0f')}")
    if found := metrics.get("unnamed"):
        row(
            "unnamed actions",
            f"one to one {found['one_to_one']:.3f} (chance {found['chance']:.3f}, one code "
            f"{found['one_code']:.3f}), many to one {found['many_to_one']:.3f}, NMI "
            f"{found['nmi']:.3f}; {found['codes_used']} of {found['codes']} codes used; names below"
            " are those that fit",
        )
    for name, part in (
        ("retrieval", metrics.get("retrieval")),
        ("  visible edits", metrics.get("retrieval", {}).get("visible")),
        ("  as trained", metrics.get("retrieval", {}).get("skewed")),
        ("  seen", metrics.get("retrieval", {}).get("seen")),
        ("  held out", metrics.get("retrieval", {}).get("unseen")),
    ):
        if part and part["n"]:
            row(name, _retrieval(part))
    if "intervention" in metrics:
        did = metrics["intervention"]
    if "intervention" in metrics and "psnr" not in did:
        row(
            "intervention",
            f"{did['codes_right']:.3f} of all codes right (copy {did['codes_right_copy']:.3f})",
        )
    elif "intervention" in metrics:
        row(
            "intervention",
            f"{did['psnr']:.1f} dB (ceiling {did['psnr_ceiling']:.1f}, copy"
            f" {did['psnr_copy']:.1f}), {_recovered(did)}",
        )
        row(
            "  by the judge",
            f"target reached {did['target_reached']:.3f} (ceiling"
            f" {did['target_reached_ceiling']:.3f}), all others kept {did['others_kept']:.3f}"
            f" (ceiling {did['others_kept_ceiling']:.3f})",
        )
    if "mask" in metrics:
        mask = metrics["mask"]
        row(
            "mask",
            f"F1 {mask['f1']:.3f} (precision {mask['precision']:.3f}, recall {mask['recall']:.3f}),"
            f" sets {mask['density']:.3f} of all codes",
        )
    if "graph" in metrics:
        graph = metrics["graph"]
        text = (
            f"{graph['edges_per_set_node']:.1f} causes per set node, density {graph['density']:.3f}"
        )
        if "edge_f1" in graph:
            text += (
                f"; against the truth: F1 {graph['edge_f1']:.3f}, AUROC {graph['edge_auroc']:.3f},"
                f" {graph['shd']:.0f} edges wrong"
            )
        row("graph", text)
        if (do := graph.get("faithful")) and do["pairs"]:
            row("  do(node)", faithful_text(do))
    return "\n".join(lines)


def times(metrics: Mapping[str, Any]) -> str:
    """One line: how long each part took, and on what. Raises FileError, see `table`."""
    check(metrics, "metrics.json", record({k: METRICS["properties"][k] for k in _SPENT}))
    parts = ", ".join(f"{name} {value:.0f} s" for name, value in metrics["seconds"].items())
    return f"{'time':<16}{parts} ({metrics['device']}, {metrics['threads']} threads)"


def _retrieval(part: Mapping[str, Any]) -> str:
    """Action and factor accuracy with the three baselines."""
    kinds = [kind for kind in ("action", "factor") if f"{kind}_accuracy" in part]
    right = ", ".join(
        f"{kind} {part[f'{kind}_accuracy']:.3f} (macro {part[f'macro_{kind}_accuracy']:.3f})"
        for kind in kinds
    )
    controls = "; ".join(
        f"{name} {_list([part[name][kind] for kind in kinds], '.3f')}"
        for name in ("chance", "majority", "copy")
    )
    return f"{right}; {controls}; n = {part['n']}"


def _list(values: Sequence[float], form: str) -> str:
    return ", ".join(format(value, form) for value in values)
