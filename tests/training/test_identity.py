"""What a run is, and where two runs part."""

from __future__ import annotations

import json

import pytest

from cvq_tutorial.training.identity import (
    first_difference,
    what_a_file_says,
    what_the_autoencoder_is,
    what_this_run_is,
)
from cvq_tutorial.training.recipes import YOUNGER, get
from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.make import make_world

WORLD = CodesWorld(n_variables=4, n_codes=3, n_actions=5, n_targets=2, seed=1)
RECIPE = get("nano", "codes")
RUN = what_this_run_is(WORLD, RECIPE, 3)


def test_it_is_what_json_reads_back():
    assert json.loads(json.dumps(RUN)) == RUN
    assert set(RUN) == {"world", "recipe", "seed", "network"}


@pytest.mark.parametrize(
    "change, told",
    [
        ({"seed": 4}, "expected seed 3, found 4"),
        ({"network": {"kind": "vae"}}, "expected network None, found {'kind': 'vae'}"),
        ({"recipe": RUN["recipe"] | {"codes": 8}}, "expected codes 16, found 8"),
        ({"recipe": RUN["recipe"] | {"depth": 8}}, "expected depth None, found 8"),
        ({"world": RUN["world"] | {"name": "x", "options": {}}}, "expected world name 'codes', "
         "found 'x'"),
        ({"world": RUN["world"] | {"options": RUN["world"]["options"] | {"n_codes": 2}}},
         "expected world options n_codes 3, found 2"),
        ({"world": 3}, "expected world {"),
    ],
)  # fmt: skip
def test_the_first_difference_is_told(change, told):
    assert first_difference(RUN, RUN | change).startswith(told)
    assert first_difference(RUN | change, RUN)


def test_numbers_compare_by_value_and_places_do_not_count():
    one, two = ({"world": {"options": {"root": r, "size": s}}} for r, s in (("/a", 1), ("/b", 1.0)))
    assert first_difference(one, two) == "" == first_difference(RUN, dict(RUN))
    prices = [what_this_run_is(WORLD, get("nano", edge_price=p), 0) for p in (1, 1.0)]
    assert json.dumps(prices[0]) == json.dumps(prices[1])


def test_an_older_file_says_the_same_run():
    old = {k: v for k, v in RUN["recipe"].items() if k not in YOUNGER} | {"retrieval_weight": 0}
    assert first_difference(RUN, what_a_file_says(RUN | {"recipe": old})) == ""
    with pytest.raises(ValueError, match=r"retrieval_weight: no longer a setting.* found 0.5"):
        what_a_file_says(RUN | {"recipe": old | {"retrieval_weight": 0.5}})


def test_the_first_phase_hangs_on_its_own_settings_and_the_data():
    world = make_world("shapes3d")

    def first(**changes: object) -> dict:
        return what_the_autoencoder_is(world, get("nano", "shapes3d", **changes), 0)

    same = {"width": 64, "edge_price": 3, "unset": "repredict", "judge_steps": 5, "layout":
            "codebook_places", "transitions": 7}  # fmt: skip
    assert not first_difference(first(), first(**same))
    for key, value in {"codes": 8, "autoencoder_lr": 1, "held_out": "shape=1", "slices": "overlap",
                       "augment": "shift"}.items():  # fmt: skip
        assert f"expected {key} " in first_difference(first(), first(**{key: value}))
    uneven = {"resample": 0.5}  # pictures are then drawn once, as many as there are transitions
    told = first_difference(first(**uneven), first(**uneven, transitions=7))
    assert told == "expected transitions 2000, found 7"
