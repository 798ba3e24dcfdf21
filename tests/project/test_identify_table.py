"""What is said about identifiability, in README and lessons 11 to 11d, is in the results file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import project_tools

ROOT = Path(__file__).resolve().parent.parent.parent
TOLD = json.loads((ROOT / "figures" / "identify.json").read_text("utf-8"))
PARTS = TOLD["parts"]
README = project_tools.said()
LESSON = "\n".join(
    p.read_text("utf-8") for p in sorted((ROOT / "notebooks" / "src").glob("11*_*.py"))
)
WORDS = " ".join(re.sub(r"^# ?", "", line) for line in LESSON.splitlines())

build_identify = project_tools.load("build_identify")


def found(pattern: str, text: str) -> tuple[str, ...]:
    told = re.search(pattern, " ".join(text.split()))
    assert told is not None, pattern
    return told.groups()


def test_the_table_is_that_of_the_results_file():
    assert (ROOT / "figures" / "identify.md").read_text("utf-8") == build_identify.written(TOLD)
    assert TOLD["targets"] == build_identify.targets(PARTS)
    assert set(PARTS) == set(build_identify.PARTS)


def test_the_numbers_in_the_readme_are_measured():
    few, many = (row for row in PARTS["linear"] if row["samples"] in (2500, 250_000))
    told = found(
        r"2,500 samples per context in ([\d.]+) of (\d+) worlds \(a random order: ([\d.]+); the "
        r"authors' number, on other draws: ([\d.]+)\), from 250,000 in ([\d.]+)\.",
        README,
    )
    right, authors = few["targets right"], few["targets right, authors"]
    wanted = [f"{right:.2f}", f"{few['models']}", f"{few['targets right, random order']:.2f}"]
    assert list(told) == [*wanted, f"{authors:.2f}", f"{many['targets right']:.2f}"]
    soft = next(r for r in PARTS["linear-soft"] if (r["data"], r["samples"]) == ("soft", "exact"))
    one, two = (soft[f"noticed, {n} per target"] for n in ("one context", "two contexts"))
    told = found(
        r"nothing says so: (\d+) of (\d+) such worlds .* second context of each target (\d+)\.",
        README,
    )
    assert told == (str(one), str(soft["models"]), str(two))
    by = {row["latents"]: row for row in build_identify.soft_summary(PARTS["soft"])}
    told = found(
        r"right in (\d+) of (\d+) worlds; in ten worlds without edges (\d+) false relations", README
    )
    relu, none = by["relu"], by["no edges"]
    assert told == (str(relu["order right"]), str(relu["models"]), str(none["false"]))
    assert none["models"] == 10


def test_what_lesson_11_says_of_stored_results_is_measured():
    rows = {row["data"]: row for row in PARTS["linear-soft"] if row["samples"] == "exact"}
    told = (
        "Of 100 soft worlds, from exact covariances, none was noticed with one context per target "
    )
    assert f"{told}and all with two, and no hard one falsely." in WORDS
    assert rows["soft"]["models"] == rows["soft"]["noticed, two contexts per target"] == 100
    assert rows["soft"]["noticed, one context per target"] == 0
    assert rows["perfect"]["noticed, two contexts per target"] == 0
    false = [row["false"] for row in PARTS["soft"] if row["latents"] == "no edges"]
    assert "in ten worlds without any edge it still let two false relations through" in WORDS
    assert "both in one world" in WORDS and sorted(false)[-2:] == [0, 2] and len(false) == 10


def test_what_lesson_11c_says_of_ratios_is_measured():
    rows = [row for row in PARTS["soft"] if row["latents"] in ("relu", "tanh", "no edges")]
    told = found(
        r"([\d.]+) would have done as well .* (\d+) of the (\d+) .* against (\d+)\.", WORDS
    )
    ratio, hand, worlds, null = float(told[0]), *map(int, told[1:])
    place = build_identify.report.RATIOS.index(ratio)
    right = [not row["missed, by ratio"][place] + row["false, by ratio"][place] for row in rows]
    assert (sum(right), len(rows)) == (hand, worlds)
    assert sum(row["ancestors right"] for row in rows) == null


def test_what_lesson_11d_says_of_the_vae_is_measured():
    def share(part, *runs, what="MMD on doubles"):
        return [row[what] / row["floor"] for row in PARTS[part] if row["run"] in runs]

    bent = share("vae", "right order", "reversed", "no graph")
    assert "end close together, at several times their floor" in WORDS
    assert len(bent) == 9 and min(bent) > 4 and max(bent) < 7 and max(bent) < 1.3 * min(bent)
    assert "whose graph provably *cannot* be known reaches its floor" in WORDS
    assert max(share("vae", "unknowable")) < 1.2
    assert (
        "all four are within 0.2 of 0, most of them below, where each should be about 0.7" in WORDS
    )
    edges = [row["true edges"] for row in PARTS["vae"] if row["run"] == "right order"]
    assert all(
        len(four) == 4 and max(map(abs, four)) <= 0.2 and sum(e < 0 for e in four) >= 3
        for four in edges
    )
    assert "All three bent runs miss even *one* intervention at a time" in WORDS
    assert min(share("vae", "right order", "reversed", "no graph", what="MMD on singles")) > 2
    assert "with room, learns its four edges and draws two at once near the floor" in WORDS
    assert len(share("vae-room", "right order, room")) == 3
    assert max(share("vae-room", "right order, room")) < 1.5
    learned = [row["true edges"] for row in PARTS["vae-room"] if row["run"] == "right order, room"]
    assert all(len(four) == 4 and min(four) > 0.4 for four in learned)
    assert "with the same start, nothing is gained; reversed, a little" in WORDS
    assert min(share("vae-room", "no graph, room")) > 4.5
    assert min(share("vae-room", "reversed, room")) > 3.5
    assert "a model without any edge is at its floor" in WORDS
    assert max(share("vae-room", "straight, no graph")) < 1.2


def test_what_lesson_11d_says_of_stage_two_is_measured():
    by = {row["model"]: row for row in PARTS["two-stage"] if row["world"] == "shapes3d"}
    before, free = by["before"], by["wrong: encoder free"]
    names = ("after", "without critic")
    falls = [1 - by[n]["Frechet distance"] / before["Frechet distance"] for n in names]
    told = found(r"distance from true ones falls by (\d+) %.*\*\*, bring (\d+) %\.", WORDS)
    assert told == tuple(f"{100 * fall:.0f}" for fall in falls)
    told = found(r"retrieval falls from ([\d.]+) to ([\d.]+), chance is ([\d.]+)\.", WORDS)
    assert told == (f"{before['retrieval']:.3f}", f"{free['retrieval']:.3f}", f"{1 / 12:.3f}")
    for row in PARTS["two-stage"]:
        frozen = row["model"] != "wrong: encoder free"
        assert row["retrieval the same bit for bit"] == frozen
        assert not frozen or row["retrieval"] == next(
            r["retrieval"] for r in PARTS["two-stage"] if r["world"] == row["world"]
        )
    assert by["wrong: weight of 1"]["sharpness, of true"] > 5 * by["after"]["sharpness, of true"]
    sharp = [
        row["sharpness, of true"]
        for name in ("after", "before", "without critic")
        for row in PARTS["two-stage"]
        if (row["world"], row["model"]) == ("sprites", name)
    ]
    told = found(r"([\d.]+) of that of true .* of ([\d.]+) \(without it ([\d.]+)\)", WORDS)
    assert told == tuple(f"{value:.2f}" for value in sharp)
