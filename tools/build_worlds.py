"""Sum up one run per world into figures/worlds.json and figures/worlds.md.

    python tools/build_worlds.py runs/cars3d-lesson-s0 runs/faces-lesson-s0 ...

Each folder is one that `make reproduce WORLD=... SEED=...` leaves: `model.json` and `metrics.json`
are read. The table is of seed 0; some numbers of other seeds are kept beside it. Worlds and seeds
that are not among the folders are left as they were.

    python tools/build_worlds.py --actions runs/cars3d-steps runs/cars3d-set ...

Each two folders are runs that differ in their actions only, `steps` and `set`. They may be shorter
than the recipe; figures/worlds_actions.json keeps by how much, and the table says it.

    python tools/build_worlds.py --photographs runs/faces-s0 runs/faces-image-pairs-s0 ...

Each two folders are a run on the photographs and the baseline `image-pairs` of the same seed;
figures/worlds_photographs.json keeps what they say, and by what their recipe differs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.worlds.factors import FactorSpace

OUT = PROJECT_ROOT / "figures"
ORDER = ("shapes3d", "sprites", "dsprites", "cars3d", "faces")
ABOUT = {
    "shapes3d": "drawn by this package",
    "sprites": "the real sheets of the benchmark",
    "dsprites": "drawn by this package",
    "cars3d": "14 other cars in the format of Cars3D, not the real set",
    "faces": "4,000 drawn faces in the layout of CelebA, no photographs; chosen attributes: 23",
}
COLUMNS = {  # title -> (key, digits)
    "factors": ("factors", 0),
    "action accuracy": ("action_accuracy", 3),
    "visible edits": ("visible_action_accuracy", 3),
    "chance": ("chance", 3),
    "factor accuracy": ("factor_accuracy", 3),
    "PSNR": ("psnr", 1),
    "after an action": ("intervened_psnr", 1),
    "copy": ("copy_psnr", 1),
    "recovered": ("recovered", 3),
    "target reached": ("target_reached", 3),
    "ceiling": ("target_ceiling", 3),
    "others kept": ("others_kept", 3),
    "ceiling ": ("others_ceiling", 3),
    "invisible": ("invisible", 3),
    "minutes": ("minutes", 0),
}

PER_SEED = (
    "psnr", "codes_used", "codes", "action_accuracy", "factor_accuracy", "chance", "factor_chance",
    "intervened_psnr", "copy_psnr", "recovered", "target_reached", "target_ceiling", "others_kept",
    "others_ceiling", "causes", "nodes",
)  # fmt: skip

HEAD = """# Worlds

The whole method on each world: `make reproduce WORLD=...` with its defaults (recipe `lesson`, seed
0), measured on the test split. One seed each: small differences mean nothing.

"""
FOOT = """
*Action accuracy* is macro, over factors. *Visible edits*: the same without the transitions that
change no pixel, whose share is *invisible*. *PSNR* of the autoencoder, in dB, is the ceiling for
the picture *after an action*; *copy* leaves the picture as it is. *Target reached* and *others
kept* are read by an independent judge, beside its reading of the true picture, encoded and decoded
(*ceiling*). What the autoencoder *keeps* of an edit is how much of the difference between x and y
is left when both are encoded and decoded: 1 all, 0 nothing. Minutes are of training and evaluation
together, on one or two cores that had other work at times.

"""


BOTH = """
## Steps, or one action per value

A step up in a list of cars means nothing, so a categorical factor may have an action per value
instead, `object=f1` (`actions="set"`); all others keep their steps. Both ways with the same
autoencoder, judge, seed, and numbers of transitions and steps, which are fewer than the recipe's
(named below each pair): **for comparison with each other only**, not with the table above. *Of
categories*: the same number over the edits of categorical factors alone. *Chance* counts, of sets,
the actions that are possible.

"""
BOTH_COLUMNS = {  # title -> (key, digits)
    "A": ("actions", 0),
    "action named": ("action", 3),
    "chance": ("chance", 3),
    "of categories": ("action_of_categories", 3),
    "factor named": ("factor", 3),
    "of categories ": ("factor_of_categories", 3),
    "recovered": ("recovered", 3),
    "of categories  ": ("recovered_of_categories", 3),
    "target reached": ("target_reached", 3),
    "of categories   ": ("target_of_categories", 3),
    "ceiling": ("target_ceiling", 3),
    "others kept": ("others_kept", 3),
}


def both_ways(steps: Path, sets: Path) -> dict:
    """What two runs of one world say that differ in their actions only.

    Raises ValueError if they differ in more, or in that not at all.
    """
    infos = [checkpoints.read_info(folder) for folder in (steps, sets)]
    first, second = infos
    for key in ("recipe", "seed"):
        if first[key] != second[key]:
            raise ValueError(f"{sets}: expected the {key} of {steps}, found another")
    options = [info["world"]["options"] for info in infos]
    if options[1] != options[0] | {"actions": "set"} or first["world"]["name"] != (
        name := second["world"]["name"]
    ):
        raise ValueError(
            f"{sets}: expected the world of {steps} with actions='set', found "
            f"{second['world']['name']} with {options[1]}"
        )
    space = FactorSpace.from_json(second["world"]["factors"])
    categories = [space.names[f] for f in space.sets]
    usual = recipes.get("lesson", name).to_json()
    changed = {k: [usual[k], v] for k, v in first["recipe"].items() if usual[k] != v}
    told: dict = {"seed": first["seed"], "categories": categories, "changed": changed}
    both = [json.loads((folder / "metrics.json").read_text("utf-8")) for folder in (steps, sets)]
    drawn = [metrics["intervention"]["per_factor"] for metrics in both]
    lost = [f for f in categories if any(rows[f]["recovered"] is None for rows in drawn)]
    told["undefined"] = lost
    for how, metrics, info in zip(("steps", "set"), both, infos, strict=True):
        named, done = metrics["retrieval"], metrics["intervention"]

        def of(part: dict, key: str) -> float | None:
            left = [f for f in categories if key != "recovered" or f not in lost]
            rows = [part["per_factor"][factor] for factor in left]
            n = sum(row["n"] for row in rows)
            return round(sum(row["n"] * row[key] for row in rows) / n, 4) if n else None

        told[how] = {
            "actions": len(info["action_names"]),
            "n": named["n"],
            "psnr": round(metrics["reconstruction"]["psnr"], 2),
            "action": round(named["action_accuracy"], 4),
            "chance": round(named["chance"]["action"], 4),
            "action_of_categories": of(named, "action_accuracy"),
            "factor": round(named["factor_accuracy"], 4),
            "factor_of_categories": of(named, "factor_accuracy"),
            "recovered": round(done["recovered"], 4),
            "recovered_of_categories": of(done, "recovered"),
            "target_reached": round(done["target_reached"], 4),
            "target_of_categories": of(done, "target_reached"),
            "target_ceiling": round(done["target_reached_ceiling"], 4),
            "others_kept": round(done["others_kept"], 4),
            "others_ceiling": round(done["others_kept_ceiling"], 4),
            "sha256": info["sha256"],
        }
    return told


def written_both(rows: dict[str, dict]) -> str:
    """The part of `worlds.md` about actions, of the contents of `worlds_actions.json`."""
    if not rows:
        return ""
    text = BOTH + "| world | actions | " + " | ".join(t.strip() for t in BOTH_COLUMNS) + " |\n"
    text += "|" + " --- |" * (len(BOTH_COLUMNS) + 2) + "\n"
    for world, row in rows.items():
        for how in ("steps", "set"):
            cells = [
                "-" if row[how][key] is None else f"{row[how][key]:.{digits}f}"
                for key, digits in BOTH_COLUMNS.values()
            ]
            text += f"| `{world}` | {how} | " + " | ".join(cells) + " |\n"
    text += "\n"
    for world, row in rows.items():
        shorter = ", ".join(f"{k} {v} (usual {u})" for k, (u, v) in row["changed"].items())
        text += (
            f"* `{world}`: categories {', '.join(row['categories'])}; seed {row['seed']}, "
            f"{row['steps']['n']} test transitions; recipe `lesson`"
            f"{' but ' + shorter if shorter else ''}."
        )
        if lost := row.get("undefined"):
            text += (
                f" *Recovered of categories* is without {', '.join(lost)}, where it is not defined:"
                " the codes lose more than the edit is worth."
            )
        text += "\n"
    return text


PHOTOGRAPHS = """
## Photographs

624 grey photographs of 20 people (CMU Face Images, Mitchell 1997, CC BY 4.0, at half resolution),
whole people held out, one action per value, pairs of one person. Nothing was rendered: between two
pictures of one person that differ in one label, head, hair and light move a little, too. The
*classifier* sees both pictures and learns nothing but to name (`cvq baseline --name image-pairs`);
*chance* counts the actions that are possible. *Target reached*: the judge reads the new value in
the intervened picture; *kept*: over the edits of the other factors, how often this one stayed. Both
beside the true picture, encoded and decoded (*ceiling*); to leave the picture as it is reaches no
target, but for what the judge misreads. The test people, three, were looked at once.

"""
TRIED = """
What was tried, on the validation people (three, so that differences under 0.05 mean nothing; single
trials of seed 0, shorter than this run, by scripts that were not kept: no command makes them
again). *Looking at more of less helped most*: with the whole
picture, two codebooks of 32 and 1,200 steps, the autoencoder loses the eyes (named: pose 0.64, eyes
0.20); the central 44 x 44 pixels, enlarged, in four codebooks of 32, gave 0.76 and 0.38. A higher
rate (3e-3 instead of 1.2e-3) gave 0.45 instead of 0.43 over all edits; the mean likelihood over
five shifts of both pictures 0.45 instead of 0.41 for the eyes, with no other training. What did not
help: a floor under every code's probability (eyes 0.11 and 0.05 instead of 0.14), codes with near
vectors taken as alike (the same, worse the wider), adding the way back from y to x (0.41), a loss
that tells the true action from three others, from the start (pose 0.48 instead of 0.62) or after
training (eyes 0.80 instead of 0.65 on the people of the training, 0.40 to 0.55 and unsettled on the
others). Why the eyes resist: a shift of one pixel changes 0.55 of all codes, and a pair that is
said to differ in the eyes alone 0.67 of them, nearly as many as one of pose (0.71; of expression
0.44): to copy x gives 14.9 dB there (pose 11.4, expression 16.8), as if pictures with glasses had
been taken at another time. The likelihood has to explain every code, so it hears the whole head; a
classifier may look at the eyes alone. That published methods fail where pictures are real is also
what Gamella, Bing and Runge report (Causal Chambers, ICML 2025).
"""


def photographs(run: Path, rival: Path) -> dict:
    """What a run on given pictures and the baseline `image-pairs` beside it say.

    Raises ValueError if they are not of one world and seed.
    """
    infos = [checkpoints.read_info(folder) for folder in (run, rival)]
    for key in ("world", "seed"):
        if infos[0][key] != infos[1][key]:
            raise ValueError(f"{rival}: expected the {key} of {run}, found another")
    if (kind := (infos[1].get("network") or {}).get("kind")) != "pairs of images":
        raise ValueError(f"{rival}: expected the baseline 'image-pairs', found {kind!r}")
    told, beside = (json.loads((f / "metrics.json").read_text("utf-8")) for f in (run, rival))
    usual = recipes.get("lesson", "pictures").to_json()
    named, done = told["retrieval"], told["intervention"]
    seconds = sum(infos[0]["seconds"].values()) + told["seconds"]["evaluate"]
    row: dict = {
        "crop": infos[0]["world"]["options"].get("crop"),
        "changed": {k: [usual[k], v] for k, v in infos[0]["recipe"].items() if usual[k] != v},
        "n": named["n"],
        "chance": round(named["chance"]["action"], 4),
        "psnr": round(told["reconstruction"]["psnr"], 2),
        "intervened_psnr": round(done["psnr"], 2),
        "copy_psnr": round(done["psnr_copy"], 2),
        "recovered": None if done["recovered"] is None else round(done["recovered"], 4),
        "minutes": round(seconds / 60, 1),
        "sha256": [info["sha256"] for info in infos],
    }
    for factor, edits in done["per_factor"].items():
        keys = ("target_reached", "target_reached_ceiling", "kept", "kept_ceiling")
        row.setdefault("factors", {})[factor] = {
            "named": round(named["per_factor"][factor]["action_accuracy"], 4),
            "rival": round(beside["retrieval"]["per_factor"][factor]["action_accuracy"], 4),
            **{key: round(edits[key], 4) for key in keys},
            "judge": round(done["judge_accuracy"][factor], 4),
        }
    return row


def written_photographs(seeds: dict[str, dict]) -> str:
    """The part of `worlds.md` about photographs, of the contents of `worlds_photographs.json`."""
    if not seeds:
        return ""
    rows = list(seeds.values())

    def mean(of: list[float], digits: int = 2) -> str:
        middle, low, high = (f"{x:.{digits}f}" for x in (sum(of) / len(of), min(of), max(of)))
        return middle if low == high else f"{middle} ({low} to {high})"

    heads = ("named", "rival", "target_reached", "target_reached_ceiling", "kept", "kept_ceiling")
    titles = ("named", "classifier", "target reached", "ceiling", "kept", "ceiling", "judge")
    text = PHOTOGRAPHS + "| factor | " + " | ".join(titles) + " |\n"
    text += "|" + " --- |" * (len(titles) + 1) + "\n"
    for factor in rows[0]["factors"]:
        cells = [mean([row["factors"][factor][key] for row in rows]) for key in (*heads, "judge")]
        text += f"| `{factor}` | " + " | ".join(cells) + " |\n"
    changed = ", ".join(f"{k} {v} (usual {u})" for k, (u, v) in rows[0]["changed"].items())
    shown = f"the central {crop} x {crop} pixels" if (crop := rows[0]["crop"]) else "whole pictures"
    many = f"Seeds {', '.join(seeds)}, mean and range" if len(seeds) > 1 else f"Seed {min(seeds)}"
    recovered = [row["recovered"] for row in rows]
    text += (
        f"\n{many}; {shown}; {rows[0]['n']} test pairs, chance "
        f"{mean([row['chance'] for row in rows])}, reconstruction "
        f"{mean([row['psnr'] for row in rows], 1)} dB, after an action "
        f"{mean([row['intervened_psnr'] for row in rows], 1)} dB, a blur (copy "
        f"{mean([row['copy_psnr'] for row in rows], 1)} dB), recovered "
        f"{'not defined' if None in recovered else mean(recovered)}, "
        f"{mean([row['minutes'] for row in rows], 0)} minutes a run on a busy core. *Judge*: how "
        "often it reads the factor right on true pictures of the test people. Recipe `lesson` of "
        f"own pictures{' but ' + changed if changed else ''} (`cvq train pictures --root FOLDER "
        "--factors pose,eyes,expression --identity person --option crop=... --set ...`).\n"
    )
    return text + TRIED


def summed_up(folder: Path) -> dict:
    """The row of one run.

    Raises ValueError for a run that is not of the recipe `lesson` as it stands, FileNotFoundError
    for a folder without metrics.
    """
    info = checkpoints.read_info(folder)
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    world = info["world"]["name"]
    if world not in ORDER:
        raise ValueError(f"{folder}: expected a world among {', '.join(ORDER)}, found {world!r}")
    if (actions := info["world"]["options"].get("actions", "steps")) != "steps":
        raise ValueError(f"{folder}: expected actions 'steps', found {actions!r}; see --actions")
    usual = recipes.get("lesson", world).to_json()
    changed = {k: v for k, v in info["recipe"].items() if usual.get(k) != v}
    if changed:
        raise ValueError(f"{folder}: expected the recipe 'lesson' of {world}, found {changed}")
    named, done = metrics["retrieval"], metrics["intervention"]
    per_factor = {k: v["action_accuracy"] for k, v in named["per_factor"].items()}
    weakest = min(per_factor, key=lambda name: per_factor[name])
    seconds = sum(info["seconds"].values()) + metrics["seconds"]["evaluate"]
    return {
        "seed": info["seed"],
        "factors": len(per_factor),
        "action_accuracy": round(named["macro_action_accuracy"], 4),
        "visible_action_accuracy": round(named["visible"]["macro_action_accuracy"], 4),
        "chance": round(named["chance"]["action"], 4),
        "factor_accuracy": round(named["macro_factor_accuracy"], 4),
        "factor_chance": round(named["chance"]["factor"], 4),
        "codes_used": sum(metrics["codes"]["used"]),
        "codes": sum(metrics["codes"]["size"]),
        "causes": round(metrics["graph"]["edges_per_set_node"], 2),
        "nodes": round(metrics["graph"]["edges_per_set_node"] / metrics["graph"]["density"]),
        "weakest": {
            "factor": weakest,
            "action_accuracy": round(per_factor[weakest], 4),
            "edit_kept": round(done["per_factor"][weakest]["edit_kept"], 4),
        },
        "edit_kept": round(done["edit_kept"], 4),
        "psnr": round(metrics["reconstruction"]["psnr"], 2),
        "intervened_psnr": round(done["psnr"], 2),
        "copy_psnr": round(done["psnr_copy"], 2),
        "recovered": None if done["recovered"] is None else round(done["recovered"], 4),
        "target_reached": round(done["target_reached"], 4),
        "target_ceiling": round(done["target_reached_ceiling"], 4),
        "others_kept": round(done["others_kept"], 4),
        "others_ceiling": round(done["others_kept_ceiling"], 4),
        "judge": round(done["judge_accuracy"]["all"], 4),
        "invisible": round(1 - named["visible"]["n"] / named["n"], 4),
        "minutes": round(seconds / 60, 1),
        "threads": metrics["threads"],
        "sha256": info["sha256"],
    }


def written(rows: dict[str, dict], both: dict[str, dict], photos: dict[str, dict]) -> str:
    """`worlds.md` of the contents of the three files `worlds*.json`."""
    text = HEAD
    text += "| world | " + " | ".join(title.strip() for title in COLUMNS) + " |\n"
    text += "|" + " --- |" * (len(COLUMNS) + 1) + "\n"
    for world, row in rows.items():
        numbers = ((row[key], digits) for key, digits in COLUMNS.values())
        cells = ["not defined" if n is None else f"{n:.{digits}f}" for n, digits in numbers]
        text += f"| `{world}` | " + " | ".join(cells) + " |\n"
    text += FOOT
    for world, row in rows.items():
        weakest = row["weakest"]
        text += (
            f"* `{world}`: {ABOUT[world]}. Hardest to name, of all edits: `{weakest['factor']}`, "
            f"{weakest['action_accuracy']:.3f}; of that edit the autoencoder keeps "
            f"{weakest['edit_kept']:.2f}, of all edits {row['edit_kept']:.2f}. Of true pictures "
            f"the judge reads all factors right in {row['judge']:.3f}.\n"
        )
    return text + written_both(both) + written_photographs(photos)


def main(arguments: list[str]) -> int:
    """Put runs into the table, or pairs of runs into the one of actions, and write both."""
    places = [OUT / f"worlds{part}.json" for part in ("", "_actions", "_photographs")]
    rows, both, photos = (json.loads(p.read_text("utf-8")) if p.is_file() else {} for p in places)
    folders = [Path(argument) for argument in arguments[1:]]
    if arguments[:1] == ["--photographs"]:
        for run, rival in zip(folders[::2], folders[1::2], strict=True):
            photos[str(checkpoints.read_info(run)["seed"])] = photographs(run, rival)
        photos = dict(sorted(photos.items()))
    elif arguments[:1] == ["--actions"]:
        for steps, sets in zip(folders[::2], folders[1::2], strict=True):
            both[checkpoints.read_info(steps)["world"]["name"]] = both_ways(steps, sets)
    else:
        for folder in map(Path, arguments):
            world, row = checkpoints.read_info(folder)["world"]["name"], summed_up(folder)
            seeds = rows.get(world, {}).get("seeds", {})
            seeds |= {str(row["seed"]): {key: row[key] for key in PER_SEED}}
            rows[world] = (row if row["seed"] == 0 else rows.get(world, {})) | {"seeds": seeds}
    if strays := [world for world, row in rows.items() if "seed" not in row]:
        raise ValueError(f"expected seed 0 first, found none of {', '.join(strays)}")
    rows, both = ({w: told[w] for w in ORDER if w in told} for told in (rows, both))
    for place, told in zip(places, (rows, both, photos), strict=True):
        write_atomic(place, (json.dumps(told, indent=1) + "\n").encode())
    write_atomic(OUT / "worlds.md", written(rows, both, photos).encode())
    print(written(rows, both, photos))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
