"""`cvq identify`: its table, its picture, and one line for each assumption that fails."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from PIL import Image

from cvq_tutorial.identify import draw_noise_world, draw_world, scores
from cvq_tutorial.run.cli import main


def told(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(["identify", *arguments])
    return (code, *capsys.readouterr())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Samples of a linear world of 3 latents in 5 observed: a CSV per context, names on top."""
    folder = tmp_path_factory.mktemp("samples")
    world = draw_world(np.random.default_rng(0), 3, 5, 1.0)
    for k, data in enumerate(world.draw(4000, np.random.default_rng(1))):
        np.savetxt(folder / f"c{k}.csv", data, delimiter=",", header="a,b,c,d,e", comments="")
    noise = draw_noise_world(np.random.default_rng(0), 2, 3, density=1.0)
    for k, data in enumerate(noise.draw(4000, np.random.default_rng(1))):
        np.savetxt(folder / f"n{k}.csv", data, delimiter=",")
        np.savetxt(folder / f"t{k}.csv", data[:, :2], delimiter=",")
    np.savetxt(folder / "t3.csv", 2 * data[:, :2] ** 2, delimiter=",")
    return folder, world, noise


def given(folder, *names: str) -> list[str]:
    return [word for name in names for word in ("--data", str(folder / f"{name}.csv"))]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["linear", "--samples", "1000", "--samples", "500", "--models", "3"], "targets right"),
        (
            ["cumulants", "--samples", "1000", "--samples", "2500", "--models", "2"],
            "relative error",
        ),
        (["soft", "--samples", "1000"], "ratio by the null"),
        (["twins", "--models", "2"], "missing context"),
    ],
)
def test_a_table_and_a_picture(capsys, tmp_path, monkeypatch, arguments, wanted):
    quick = partial(scores.ancestors_from_samples, splits=1, epochs=10)
    monkeypatch.setattr(scores, "ancestors_from_samples", quick)
    out = tmp_path / "picture.png"
    code, shown, error = told(capsys, *arguments, "--out", str(out))
    assert (code, error) == (0, "") and wanted in shown
    assert Image.open(out).info["Description"]
    assert told(capsys, *arguments)[1] == shown.replace(f"written: {out}\n", "")


def test_own_samples_are_read_and_their_causes_named(capsys, tmp_path, files):
    folder, world, noise = files
    code, shown, error = told(
        capsys, "linear", *given(folder, "c0", "c1", "c2", "c3"), "--out", str(tmp_path / "a.svg")
    )
    assert (code, error) == (0, "") and (tmp_path / "a.svg").is_file()
    first = int(np.flatnonzero(world.targets == 2)[0])  # causes of all have the largest number
    lines = shown.splitlines()[1:]
    assert lines[first].split() == [f"z{first},", "target", "of", f"c{first + 1}.csv", "1", "none",
                                    lines[first].split()[-1]]  # fmt: skip
    assert sum("none" in line for line in lines) == 1
    code, shown, _ = told(capsys, "cumulants", *given(folder, "n0", "n1", "n2"))
    cause = int(np.flatnonzero(noise.targets == 1)[0])
    assert code == 0 and shown.splitlines()[1 + cause].split()[4:6] == ["1", "none"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["linear", "--samples", "20"], "20 samples are too few for any of the routines"),
        (["soft", "--samples", "200"], "200 samples are too few for a classifier's gradient"),
        (["twins", "--samples", "20"], "twins are exact: expected no --samples"),
        (["twins", "--data", "{}/c0.csv"], "twins are drawn: expected no --data"),
        (["linear", "--latents", "3"], "--latents needs --data"),
        (["linear", "--out", "a.gif"], "--out: expected a .png or .svg, found 'a.gif'"),
        (["linear", "c0", "--models", "3"], "--models cannot be combined with --data"),
        (["linear", "c0", "c1", "c2"], "2 contexts are fewer than 3 latents; still identifiable:"),
        (["linear", "c0", "c1", "c0", "c2"], "context 2 has no visible effect"),
        (["linear", "c0", "c1", "c1", "c2"], "contexts 1 and 2 are equal: one target, not two"),
        (["linear", "c0", "c1", "c2", "c3", "--latents", "5"], "rank 3 below 5 latents"),
        (["soft", "c0", "c1", "c2"], "2 contexts are fewer than 3 latents"),
        (["cumulants", "c0", "c1", "c2", "c3"], "symmetric or Gaussian noise, or too few samples"),
        (["cumulants", "n0", "n1", "n2", "--latents", "4"], "2 contexts are fewer than 4 latents"),
        (["cumulants", "t0", "t1", "t2", "t3", "--latents", "3"], "3 latents from 2 observed"),
        (["linear", "c0", "n1"], "expected as many columns in each file, found [3, 5]"),
        (["linear", "bad"], "bad.csv: row 2 is not of numbers"),
        (["linear", "short"], "short.csv: expected rows of numbers of one length, found [1, 2]"),
        (["linear", "nan", "nan"], "values are NaN or infinite"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_that_says_what_is_left(capsys, files, arguments, message):
    folder = files[0]
    (folder / "bad.csv").write_text("1,2\na,b\n")
    (folder / "short.csv").write_text("1,2\n1\n")
    (folder / "nan.csv").write_text("1,2\nnan,3\n4,5\n")
    words = []
    for word in arguments:
        is_file = (folder / f"{word}.csv").is_file()
        words += given(folder, word) if is_file else [word.format(folder)]
    code, shown, error = told(capsys, *words)
    assert code == 2 and shown == ""
    assert error.count("\n") == 1 and message in error, error
