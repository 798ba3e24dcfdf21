"""Whatever somebody types: a value, or one line that says what is wrong; nothing else happens."""

from __future__ import annotations

import contextlib
import io
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import FEW

from cvq_tutorial.common.json_files import FileError
from cvq_tutorial.experiments import tables
from cvq_tutorial.experiments.grids import GRIDS
from cvq_tutorial.run import report, reproduce
from cvq_tutorial.run.cli import main
from cvq_tutorial.run.cli_runs import overrides_of
from cvq_tutorial.training import recipes
from cvq_tutorial.worlds.make import world_names

WORDS = st.text(max_size=8) | st.sampled_from(
    ["", "-1", "0", "3", "1e999", "nan", "'", "{", "None", "zipf:1.5", "uniform", "a=b", "\u00b1"]
)  # fmt: skip
SETTINGS = [name for name in recipes.RECIPES["nano"].to_json() if name != "name"]
TEXTS = ["value_weights", "factor_weights", "correlations", "held_out", "augment", "rule"]
GRAMMAR = st.lists(
    st.sampled_from(["shape", "object_hue", *"=:;>, 0", "zipf", "1e9", "-1"]),
    max_size=8,
).map("".join)  # fmt: skip


@FEW
@given(st.sampled_from(TEXTS), GRAMMAR | WORDS)
def test_whatever_the_texts_of_a_recipe_are(name, text):
    try:
        recipe = recipes.get("nano", "shapes3d", **{name: text})
    except (ValueError, TypeError) as error:
        assert "\n" not in str(error)
        return
    assert recipes.Recipe(**recipe.to_json()) == recipe


@FEW
@given(st.lists(st.tuples(st.sampled_from(SETTINGS) | WORDS, WORDS), max_size=3))
def test_whatever_settings_are_typed(pairs):
    try:
        found = overrides_of(tuple(f"{name}={value}" for name, value in pairs))
        plan = reproduce.plan("shapes3d", "nano", 0, found)
    except (ValueError, TypeError) as error:
        assert "\n" not in str(error) or any("\n" in name + value for name, value in pairs)
        return
    told = plan.recipe.to_json()
    assert all(told[name] == value for name, value in found.items())
    assert all(math.isfinite(v) for v in told.values() if isinstance(v, float))


@FEW
@given(WORDS)
def test_whatever_text_overrides_are(text):
    try:
        assert isinstance(reproduce.plan("codes", "nano", 0, text).overrides, dict)
    except (ValueError, TypeError) as error:
        assert "\n" not in str(error)


OPTIONS = ["--set", "--seed", "--recipe", "--device", "--grid", "--seeds", "--only", "--workers",
           "--action", "--format", "--out", "--n", "--threshold", "--top-k", "--used", "--view",
           "--look", "--figure", "--name", "--expected", "--run-dir", "--help",
           "--scheduler", "--gather", "--dashboard"]  # fmt: skip
COMMANDS = [
    ["train"],
    ["reproduce"],
    ["evaluate"],
    ["graph"],
    ["worlds", "check"],
    ["baseline"],
    [],
]


@FEW
@given(st.sampled_from(COMMANDS), st.lists(st.sampled_from(OPTIONS) | WORDS, max_size=5))
def test_whatever_a_command_line_is_it_ends_with_one_line(tmp_path_factory, command, more):
    # what is right would train for minutes, or be a path: these have tests of their own
    real = [*world_names(), *GRIDS]
    more = [word for word in more if word not in real and "/" not in word and "." not in word]
    empty = tmp_path_factory.getbasetemp() / "empty"
    empty.mkdir(exist_ok=True)
    if command[:1] in (["train"], ["reproduce"], ["baseline"]):
        more = ["no-such-world", "--runs", str(empty / "runs"), *more]
    out, err, here = io.StringIO(), io.StringIO(), Path.cwd()
    os.chdir(empty)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([*command, *more])
    finally:
        os.chdir(here)
    told = err.getvalue()
    assert code in (0, 1, 2) and "Traceback" not in told + out.getvalue()
    assert told == "" or (told.startswith("cvq: error: ") and told.count("\n") == 1)
    assert code == 0 or told
    assert list(empty.iterdir()) == []


FLOATS = st.floats(allow_subnormal=False)  # there are none where training came before
NUMBERS = FLOATS | st.integers() | st.booleans() | st.none() | st.text(max_size=3)
PARTS = st.dictionaries(
    st.sampled_from(["n", "psnr", "f1", "chance", "used", "visible", "edge_f1"]),
    NUMBERS
    | st.dictionaries(st.sampled_from(["n", "action", "psnr"]), NUMBERS)
    | st.lists(NUMBERS),
    max_size=4,
)
METRICS = st.dictionaries(st.sampled_from([*report.METRICS["properties"]]), PARTS | NUMBERS)


@FEW
@given(METRICS, st.booleans())
def test_whatever_metrics_are_they_are_a_table_or_refused(metrics, whole):
    metrics = metrics | {"world": "w", "recipe": "r", "seed": 0} if whole else metrics
    for told in (report.table, report.times):
        try:
            assert told(metrics)
        except FileError as error:
            assert "\n" not in str(error)


@FEW
@given(st.binary(max_size=30) | METRICS.map(lambda m: repr(m).replace("'", '"').encode()))
def test_whatever_results_hold_they_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "expected.json"
    path.write_bytes(content)
    try:
        assert isinstance(tables.read_expected(path), dict)
    except FileError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("content", ['{"main": {"rows": {"a": {"seeds": [0], "numbers": 3}}}}'])
def test_the_place_in_damaged_results_is_told(tmp_path, content):
    (tmp_path / "expected.json").write_text(content)
    with pytest.raises(FileError, match=r"main\.rows\.a\.numbers: expected a dictionary, found 3"):
        tables.read_expected(tmp_path / "expected.json")
