"""The `cvq` command: help, exit codes, one line per error. Whole runs are in test_reproduce."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvq_tutorial import __version__
from cvq_tutorial.experiments.grids import GRIDS
from cvq_tutorial.run import cli
from cvq_tutorial.run.cli import main
from cvq_tutorial.run.cli_runs import overrides_of

COMMANDS = ["worlds", "train", "evaluate", "reproduce", "graph", "do", "name"]
COMMANDS += ["identify", "refine", "bench"]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def failure(capsys, *arguments: str) -> tuple[int, str]:
    """Exit code and the error, which must be the one line on stderr, with nothing on stdout."""
    code, out, err = run(capsys, *arguments)
    assert out == ""
    err = err.removeprefix("\n") if code == 130 else err  # click ends the line that has the ^C
    assert err.startswith("cvq: error: ") and err.endswith("\n") and err.count("\n") == 1, err
    return code, err.removeprefix("cvq: error: ").strip()


def test_help_is_complete_and_quick(capsys):
    # without importing torch: a fresh interpreter tells
    code = (
        "import sys; from cvq_tutorial.run.cli import main; main(['--help']);"
        "print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0 and shown.stdout.endswith("False\n"), shown.stderr
    for command in COMMANDS:
        assert f"\n  {command} " in shown.stdout
    assert "Examples:" in shown.stdout
    assert run(capsys)[1] == run(capsys, "--help")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_options(capsys, command):
    code, out, err = run(capsys, command, "--help")
    assert (code, err) == (0, "")
    assert f"Usage: cvq {command}" in out
    options = [p for p in cli.cli.commands[command].params if p.param_type_name == "option"]
    for option in options:
        assert option.opts[0] in out
        assert option.help or option.show_default, f"{option.name} is not explained"


def test_every_grid_is_named_where_a_grid_is_asked_for(capsys):
    told = " ".join(run(capsys, "reproduce", "--help")[1].split())
    assert all(name in told for name in GRIDS)


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"cvq, version {__version__}\n", "")


def test_worlds_lists_all_with_their_factors(capsys):
    code, out, _ = run(capsys, "worlds")
    assert code == 0
    assert "orientation 15" in out and "codes: 12 variables of 6 codes" in out and "sprites" in out


def test_a_world_without_its_data_is_listed_as_such(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CVQ_DATA", str(tmp_path))
    code, out, _ = run(capsys, "worlds")
    assert code == 0
    assert "sprites: its data are not here" in out and "shapes3d" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train"], "Missing argument 'WORLD'"),
        (["train", "shapes3d", "--sed", "1"], "No such option '--sed'"),
        (["train", "shapes3d", "--seed", "x"], "'x' is not a valid integer"),
        (["reproduce", "--seed", "-1"], "-1 is not in the range"),
        (["evaluate", "no-such-folder"], "'no-such-folder' does not exist"),
        (["graph", ".", "--action", "0", "--format", "bmp"], "'bmp' is not one of"),
        (["graph", ".", "--action", "0", "--format", "png"], "--format png needs --out FILE"),
        (["graph", ".", "--action", "0", "--format", "npz"], "--format npz needs --out FILE"),
        (["graph", ".", "--action", "0", "--out", "g.pdf"], "no format has the ending 'pdf', exp"),
        (["graph", ".", "--action", "0", "--top-k", "0"], "0 is not in the range"),
        (["graph", ".", "--action", "0", "--threshold", "0"], "0.0 is not in the range"),
        (["graph", ".", "--action", "0", "--threshold", "2"], "2.0 is not in the range"),
        (["reproduce", "codes", "--grid", "main"], "WORLD cannot be combined with --grid"),
        (["reproduce", "--grid", "main", "--seed", "1"], "--seed cannot be combined with --grid"),
        (["reproduce", "--grid", "main", "--set", "width=8"], "--set cannot be combined"),
        (["reproduce", "--expected", "README.md"], "--expected needs --grid"),
        (["reproduce", "codes", "--seeds", "0"], "--seeds needs --grid"),
        (["reproduce", "codes", "--workers", "2"], "--workers needs --grid"),
        (["reproduce", "codes", "--scheduler", "tcp://x:1"], "--scheduler needs --grid"),
        (["reproduce", "--grid", "main", "--workers", "0"], "0 is not in the range"),
        (["reproduce", "--grid", "main", "--gather"], "gather: expected a scheduler"),
        (["reproduce", "--grid", "main", "--dashboard"], "expected 2 workers or more, or a sched"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(capsys, arguments, message):
    code, error = failure(capsys, *arguments)
    assert code == 2
    assert message in error


@pytest.mark.parametrize("command", ["train", "reproduce"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shape3d"], "unknown world 'shape3d'; did you mean 'shapes3d'?"),
        (["codes", "--recipe", "lessen"], "unknown recipe 'lessen'; did you mean 'lesson'?"),
        (["codes", "--set", "codebook=2"], "did you mean 'codebooks'?"),
        (["codes", "--set", "world=sprites"], "unknown recipe setting 'world'"),
        (["codes", "--set", "codes=many"], "expected int, found 'many'"),
        (["codes", "--set", "codes"], "--set wants name=value, found 'codes'"),
        (["codes", "--set", "codes=1", "--set", "codes=2"], "'codes' twice"),
        (["codes", "--actions", "none", "--set", "actions=3"], "one value, found 'none' and 3"),
    ],
)
def test_bad_names_and_settings_stop_before_anything_is_made(
    capsys, tmp_path, command, arguments, message
):
    code, error = failure(capsys, command, *arguments, "--runs", str(tmp_path / "runs"))
    assert code == 2
    assert message in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", [["reproduce"], ["baseline", "--name", "vae-classifier"]])
def test_actions_without_names_are_refused_where_names_are_needed(capsys, tmp_path, command):
    first, *rest = command
    given = [first, "shapes3d", *rest, "--runs", str(tmp_path), "--actions", "none"]
    code, told = failure(capsys, *given)
    assert code == 2 and "expected `cvq train` and `cvq evaluate`" in told
    assert not list(tmp_path.iterdir())


def test_actions_nobody_names_are_learnt_and_measured(capsys, tmp_path):
    short = ["action_codes=3", "transitions=300", "transition_steps=20", "width=16"]
    short += ["prune_tolerance=0", "test_transitions=100"]
    pairs = [word for pair in short for word in ("--set", pair)]
    given = ["train", "codes", "--recipe", "nano", "--actions", "none", *pairs]
    small = ["--option", "n_variables=5", "--option", "n_codes=4", "--option", "n_actions=3"]
    assert run(capsys, *given, *small, "--run-dir", str(tmp_path))[0] == 0
    code, told, _ = run(capsys, "evaluate", str(tmp_path))
    assert code == 0 and "unnamed actions one to one" in told and "of 3 codes used" in told
    out = str(tmp_path / "graph.csv")
    assert run(capsys, "graph", str(tmp_path), "--action", "action 2", "--out", out)[0] == 0
    given[-len(pairs) :] = [p.replace("=3", "=0") if "codes" in p else p for p in pairs]
    code, told = failure(capsys, *given, "--runs", str(tmp_path))
    assert code == 2 and "action_codes: must be at least 1, found 0" in told


def test_a_folder_that_cannot_be_written_fails_before_any_work(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    for command in ("train", "reproduce"):
        code, error = failure(capsys, command, "codes", "--runs", str(tmp_path / "file"))
        assert code == 1
        assert "cannot write" in error


def test_a_folder_without_a_run_is_told(capsys, tmp_path):
    for arguments in (["evaluate"], ["graph", "--action", "0"]):
        code, error = failure(capsys, arguments[0], str(tmp_path), *arguments[1:])
        assert code in (1, 2)
        assert str(tmp_path) in error


def test_ctrl_c_and_failures_have_their_exit_codes(capsys, monkeypatch):
    for error, code, message in [
        (KeyboardInterrupt(), 130, "the same command goes on"),
        (OSError("disk\nfull"), 1, "disk full"),
        (RuntimeError("stopped at step 7"), 1, "stopped at step 7"),
        (ValueError("expected 3, found 4"), 2, "expected 3, found 4"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero"),
    ]:

        def fail(error=error):
            raise error

        monkeypatch.setattr("cvq_tutorial.worlds.make.world_names", fail)
        got, text = failure(capsys, "worlds")
        assert got == code
        assert message in text


def test_the_traceback_is_there_for_those_who_ask(capsys, monkeypatch):
    monkeypatch.setenv("CVQ_TRACEBACK", "1")
    code, _, err = run(capsys, "train", "none")
    assert code == 2
    assert "Traceback" in err and err.strip().splitlines()[-1].startswith("cvq: error: ")


def test_a_reader_that_stops_reading_is_no_error():
    code = f"{sys.executable} -m cvq_tutorial worlds | head -c 1"
    shown = subprocess.run(["bash", "-o", "pipefail", "-c", code], capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")


def test_a_code_page_without_a_character_prints_its_number():
    code = (
        "import click, sys; from cvq_tutorial.run import cli;"
        "cli.cli.add_command(click.Command('say', callback=lambda: click.echo('a \u2192 b')));"
        "sys.exit(cli.main(['say']))"
    )
    narrow = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, env=narrow)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, b"a \\u2192 b\n", b"")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("ema", "ema"),
        ("'7'", "7"),
        ("None", None),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_set_reads_literals_and_leaves_the_rest_as_text(text, value):
    assert overrides_of((f"name={text}",)) == {"name": value}


def test_set_with_a_bad_name_is_refused():
    for pair in ("=3", "a b=3", "3"):
        with pytest.raises(ValueError, match="--set wants name=value"):
            overrides_of((pair,))


def test_bench_hands_its_file_on(capsys, tmp_path, monkeypatch):
    asked: list[tuple] = []
    monkeypatch.setattr("cvq_tutorial.experiments.bench.run", lambda *a: asked.append(a))
    monkeypatch.setattr("cvq_tutorial.experiments.growth.run", lambda *a: asked.append(a[:2]))
    assert run(capsys, "bench", "--out", str(tmp_path / "b.json"), "--device", "cpu")[0] == 0
    assert run(capsys, "bench", "--growth", "--quick")[0] == 0
    assert run(capsys, "bench", "--growth", "--out", str(tmp_path / "g.json"))[0] == 0
    assert asked == [
        (tmp_path / "b.json", False, "cpu"),
        (Path("figures/growth.json"), True),
        (tmp_path / "g.json", False),
    ]


def test_a_code_page_that_lacks_the_letters_of_a_name_stops_nothing(tmp_path):
    folder = tmp_path / "\u732b"  # a cat
    folder.mkdir()
    (folder / "\u0431.csv").write_text("file,\u0447\u0451\u0440\u043d\n1.png,1\n", "utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": os.getcwd()}
    with open(tmp_path / "told.txt", "wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "cvq_tutorial", "worlds", "check", str(folder)],
            stdout=out, stderr=subprocess.PIPE, env=environment, timeout=300,
        )  # fmt: skip
    told = (tmp_path / "told.txt").read_text("cp1252")
    assert done.returncode in (0, 1), done.stderr  # it found a problem: there is no picture
    assert r"\u732b" in told and b"codec" not in done.stderr
