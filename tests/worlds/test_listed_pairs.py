"""Own pairs of pictures, before and after, in a table: with names of actions, some, or none."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cvq_tutorial.data.transitions import sample_transitions, sample_values, split_of
from cvq_tutorial.measure import evaluate, with_names
from cvq_tutorial.run.cli import main
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.data import check_data, encoded_transitions, training_codes
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.inspect.check import check_folder
from cvq_tutorial.worlds.make import make_world

SMALL = {
    "transitions": 60, "transition_steps": 20, "autoencoder_steps": 20, "prune_tolerance": 0,
    "judge_steps": 5,
}  # fmt: skip


def picture(folder: Path, name: str, column: int, row: int) -> None:
    image = np.full((64, 64, 3), 40, dtype=np.uint8)
    image[8 * row : 8 * row + 16, 8 * column : 8 * column + 16] = 220
    Image.fromarray(image).save(folder / name)


def pairs(folder: Path, n: int = 40, label=lambda i, a: ("right", "down")[a], more=()) -> Path:
    """N pairs in which a square moves right or down; each has pictures of its own."""
    rng = np.random.default_rng(0)
    lines = ["before,after,action"]
    for i in range(n):
        column, row, action = (int(v) for v in rng.integers(0, [5, 5, 2]))
        picture(folder, f"{i}a.png", column, row)
        picture(folder, f"{i}b.png", column + (action == 0), row + (action == 1))
        lines.append(f"{i}a.png,{i}b.png,{label(i, action)}")
    (folder / "pairs.csv").write_text("\n".join([*lines, *more]) + "\n")
    return folder


def written(folder: Path, text: str) -> Path:
    (folder / "pairs.csv").write_text(text)
    return folder


def nano(**changes):
    return recipes.get("nano", "pictures", **{**SMALL, **changes})


def test_pairs_come_as_they_are_listed_each_picture_in_one_split(tmp_path, capsys):
    world = make_world("pictures", root=pairs(tmp_path))
    assert "pairs: 40 of 80 pictures (28 train, 6 valid, 6 test), 40 with one of 2 actions" in (
        capsys.readouterr().out
    )
    space = world.factors
    assert space.action_names == ("down", "right") and space.n_actions == 2
    seen = set()
    for split in ("train", "valid", "test"):
        drawn = sample_transitions(space, 50, split, 0)
        before, after = world.render(drawn.x), world.render(drawn.y)
        for x, y, action in zip(before, after, drawn.actions.tolist(), strict=True):
            ways = [np.argwhere(image[..., 0] > 100).min(0) for image in (x, y)]
            assert (ways[1] - ways[0]).tolist() == [[8, 0], [0, 8]][action]
        numbers = {int(v) for rows in (drawn.x, drawn.y) for v in rows[:, 1]}
        assert not numbers & seen
        seen |= numbers
        rows = sample_values(space, 20, split, 1)
        assert set(split_of(space, rows)) == {("train", "valid", "test").index(split)}
        every = sample_transitions(space, int(space.pair_counts(split)[0]), split, 3).x[:, 1]
        assert len(set(every.tolist())) == space.pair_counts(split)[0]  # each pair once
    again = make_world("pictures", **world.options)
    assert again.fingerprint == world.fingerprint and capsys.readouterr().out == ""
    picture(tmp_path, "3a.png", 0, 5)
    with pytest.raises(ValueError, match="pictures were replaced"):
        make_world("pictures", **world.options)


def in_another_form(table: Path, ending: str) -> Path:
    """The table written anew, the action of its first pair blank; the old one is gone."""
    frame, path = pd.read_csv(table, dtype=str), table.with_suffix(ending)
    frame.loc[0, "action"] = None
    table.unlink()
    if ending == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path) if ending == ".parquet" else frame.to_excel(path, index=False)
    return path


@pytest.mark.parametrize(
    ("ending", "extra"),
    [(".jsonl", None), (".parquet", "parquet"), (".xlsx", "excel")],
)
def test_pairs_are_read_in_every_form_or_the_extra_is_named(tmp_path, ending, extra, capsys):
    table = pairs(tmp_path) / "pairs.csv"
    if extra and find_spec({"parquet": "pyarrow", "excel": "openpyxl"}[extra]) is None:
        table.rename(table.with_suffix(ending))  # what is in it is not looked at
        told = rf"pairs{ending}: to read this, install the extra '{extra}': pip install"
        with pytest.raises(ImportError, match=told) as caught:
            make_world("pictures", root=tmp_path)
        assert "\n" not in str(caught.value)
        return
    before = make_world("pictures", root=tmp_path)
    name = in_another_form(table, ending).name
    world = make_world("pictures", root=tmp_path, table=name)
    assert world.factors.source.name == name and world.factors.action_names == ("down", "right")
    assert (world.factors.acts[1:] == before.factors.acts[1:]).all() and world.factors.acts[0] == -1
    assert (world.factors.split == before.factors.split).all()
    rows = np.stack([np.tile([0, 1], 40), np.repeat(np.arange(40), 2)], axis=1)
    assert (world.render(rows) == before.render(rows)).all()
    report = check_folder(tmp_path)
    assert report.ok and str(report).endswith("--actions none")
    (tmp_path / name).write_bytes(b"PK\x03\x04" if extra else b"{")
    with pytest.raises(ValueError, match=rf"pairs{ending}: .*(damaged|JSON object per line)"):
        make_world("pictures", root=tmp_path)
    capsys.readouterr()


class Seen:
    """In the place of a model: its codes are 64 pixels."""

    n_codes = 256

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return (images[:, 0, ::8, ::8] * 255).flatten(1)[:, :, None]


def test_pairs_are_not_turned_round(tmp_path):
    world = make_world("pictures", root=pairs(tmp_path))
    x, actions, y, _ = training_codes(world, Seen(), nano(augment="none"), 0)
    drawn = sample_transitions(world.factors, 60, "train", 0)
    assert (drawn.x[:, 0] == 0).all() and (drawn.y[:, 0] == 1).all()
    for codes, values in ((x, drawn.x), (y, drawn.y)):
        assert (codes[..., 0].numpy() == world.render(values)[:, ::8, ::8, 0].reshape(60, -1)).all()
    assert (actions.numpy() == drawn.actions).all() and (x != y).any()
    held = encoded_transitions(world, Seen(), 60, "train", 0)
    assert torch.equal(held[0], x) and torch.equal(held[2], y)


def test_unnamed_and_named_training_and_what_some_labels_are_for(tmp_path, capsys):
    folder = tmp_path / "own"
    folder.mkdir()
    pairs(folder, label=lambda i, a: "" if i % 3 == 0 else ("right", "down")[a])
    world = make_world("pictures", root=folder, table="pairs.csv")
    with pytest.raises(ValueError, match=r"action of all 40 pairs, found that it names 26: .*none"):
        check_data(world, nano())
    model = train(world, nano(actions="none", action_codes=3), 0, tmp_path / "a", progress=False)
    loaded, again, _ = checkpoints.load_run(tmp_path / "a")
    assert loaded.n_actions == model.n_actions == 3 and again.fingerprint == world.fingerprint
    other, told = with_names(loaded, again, 12)
    assert other.action_names == ["down", "right"] and 0 <= told["one_to_one"] <= 1
    assert "factor" not in told  # none is known
    with pytest.raises(ValueError, match="lists pairs, of which no factors are known"):
        evaluate.evaluate(loaded, again, nano(), 0)
    pairs(folder)
    whole = make_world("pictures", root=folder)
    named = train(whole, nano(), 0, tmp_path / "b", progress=False)
    assert named.action_names == ["down", "right"]
    capsys.readouterr()


def test_without_any_name_only_unnamed_training_is_offered(tmp_path):
    lines = (pairs(tmp_path) / "pairs.csv").read_text().splitlines()
    written(tmp_path, "\n".join(line.rpartition(",")[0] for line in lines))
    world = make_world("pictures", root=tmp_path)
    assert world.factors.action_names == ()
    with pytest.raises(ValueError, match=r"has no column action: actions='none'"):
        check_data(world, nano())
    recipe = nano(actions="none", action_codes=2)
    check_data(world, recipe)
    with pytest.raises(ValueError, match="valid pairs whose action has a name, found none"):
        with_names(checkpoints.build(world, recipe), world, 6)
    with pytest.raises(ValueError, match=r"at most one per pair, 28, and .* found 29"):
        check_data(world, nano(actions="none", action_codes=29))
    with pytest.raises(ValueError, match="where another action leads is not known"):
        world.factors.apply(np.zeros((1, 1), dtype=int), np.array([-1]))


def test_splits_of_the_table_and_pictures_in_two_pairs(tmp_path):
    pairs(tmp_path, 12)
    words = ["train"] * 8 + ["valid"] * 2 + ["test"] * 2
    rows = [f"{i}a.png,{i}b.png,{word}" for i, word in enumerate(words)]
    world = make_world("pictures", root=written(tmp_path, "\n".join(["before,after,split", *rows])))
    assert [world.factors.pair_counts(s)[0] for s in ("train", "valid", "test")] == [8, 2, 2]
    rows[9] = "0a.png,9b.png,valid"
    with pytest.raises(ValueError, match=r"picture 0a.png is in train and in valid \(1 such\)"):
        make_world("pictures", root=written(tmp_path, "\n".join(["before,after,split", *rows])))
    chain = [f"{i}a.png,{i + 1}a.png" for i in range(11)]  # a film
    with pytest.raises(ValueError, match=r"in 1 groups, expected at least 3 .* column split"):
        make_world("pictures", root=written(tmp_path, "\n".join(["before,after", *chain])))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.replace("3b.png", "x.png"), {}, r"line 5: x.png is not in"),
        (lambda t: t.replace("3b.png", ""), {}, r"line 5: '' is no name"),
        (lambda t: t.replace("3b.png", "../3b.png"), {}, "no name inside a folder"),
        (lambda t: re.sub(r"(\d+)b\.png", r"\1a.png", t), {}, "equal in all 40 pairs"),
        (lambda t: t.splitlines()[0], {}, "a line per pair, before and after, found none"),
        (lambda t: t, {"factors": ["action"]}, "no option but table, split, .* found factors"),
        (lambda t: t, {"actions": "steps"}, "found actions"),
        (lambda t: t, {"split": "part"}, "no column 'part'"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, change, options, message):
    text = (pairs(tmp_path) / "pairs.csv").read_text()
    written(tmp_path, change(text))
    with pytest.raises(ValueError, match=message) as caught:
        make_world("pictures", root=tmp_path, **options)
    assert "\n" not in str(caught.value)


def test_pairs_without_a_picture_may_be_left_out(tmp_path, capsys):
    pairs(tmp_path, more=["41a.png,41b.png,right"])
    world = make_world("pictures", root=tmp_path, missing="drop")
    assert world.factors.n_pairs == 40 and "rows without a picture" in capsys.readouterr().out


def test_a_check_says_what_it_is_and_how_to_train_on_it(tmp_path):
    report = check_folder(pairs(tmp_path))
    assert report.ok and report.n_images == 80
    assert str(report).endswith(f"to train: cvq train pictures --root {tmp_path}")
    assert "note: pairs: 40 of 80 pictures (28 train, 6 valid, 6 test)" in str(report)
    pairs(tmp_path, label=lambda i, a: "")
    assert str(check_folder(tmp_path)).endswith("--actions none")
    written(tmp_path, "before,after\n0a.png,x.png\n")
    assert "x.png is not in" in check_folder(tmp_path).problems[0]


def test_the_command_line_takes_the_table(tmp_path, capsys):
    folder = tmp_path / "own"
    folder.mkdir()
    pairs(folder, label=lambda i, a: "")
    given = ["--root", str(folder), "--table", "pairs.csv", "--actions", "none", "--recipe", "nano"]
    for name, value in {**SMALL, "action_codes": 2}.items():
        given += ["--set", f"{name}={value}"]
    assert main(["train", "pictures", *given, "--run-dir", str(tmp_path / "run")]) == 0
    model, world, _ = checkpoints.load_run(tmp_path / "run")
    assert model.n_actions == 2 and world.factors.n_pairs == 40
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run")]) == 2
    out, told = capsys.readouterr()
    assert out == "" and told.startswith("cvq: ") and "lists pairs" in told
    assert told.count("\n") == 1  # refused before it says that it measures


def test_a_run_that_could_not_be_evaluated_is_not_started(tmp_path, capsys):
    folder, runs = tmp_path / "own", tmp_path / "runs"
    folder.mkdir()
    pairs(folder)
    given = ["--root", str(folder), "--recipe", "nano", "--runs", str(runs)]
    assert main(["reproduce", "pictures", *given]) == 2
    assert "lists pairs" in capsys.readouterr().err.splitlines()[-1]
    assert not list(runs.glob("*"))
