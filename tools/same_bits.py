"""Train the same small runs with this checkout and with another revision, and compare their bits.

    python tools/same_bits.py 5a31287                  codes and shapes3d, recipe nano, seed 0
    python tools/same_bits.py 5a31287 codes sprites    other worlds

Both train and measure on one thread of one machine. Equal are the weights, name by name, and every
number of metrics.json but the seconds that it took.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from cvq_tutorial.common.folders import PROJECT_ROOT

OF_THE_DAY = {"seconds", "threads", "format", "sha256"}


def run(code: Path, world: str, seed: int, folder: Path) -> None:
    """Train and evaluate with the package in `code`. Raises RuntimeError with its last line."""
    environment = os.environ | {"PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    settings = [
        "--recipe",
        "nano",
        "--seed",
        str(seed),
        "--device",
        "cpu",
        "--run-dir",
        str(folder),
    ]
    for words in (["train", world, *settings], ["evaluate", str(folder), "--device", "cpu"]):
        command = [sys.executable, "-m", "cvq_tutorial", *words]
        done = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{code}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")


def numbers(told: Any, name: str = "") -> dict[str, Any]:
    """The leaves of a JSON object by their path, without those of the day."""
    if not isinstance(told, dict):
        return {name: told}
    found = {}
    for key, value in told.items():
        if key not in OF_THE_DAY:
            found |= numbers(value, f"{name}.{key}" if name else key)
    return found


def differences(one: Path, two: Path) -> list[str]:
    """What differs between two run folders, one line each."""
    found = []
    a, b = (load_file(folder / "model.safetensors") for folder in (one, two))
    for name in sorted(a.keys() | b.keys()):
        if name not in a or name not in b or not np.array_equal(a[name], b[name]):
            found.append(f"weights {name}")
    x, y = (
        numbers(json.loads((folder / "metrics.json").read_text("utf-8"))) for folder in (one, two)
    )
    for name in sorted(x.keys() & y.keys()):
        if x[name] != y[name]:
            found.append(f"{name}: {x[name]} and {y[name]}")
    found += [f"{name}: gone" for name in sorted(x.keys() - y.keys())]
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("revision", help="a commit of this repository")
    parser.add_argument("worlds", nargs="*", default=["codes", "shapes3d"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory(prefix="cvq-bits-") as name:
        other = Path(name) / "other"
        clone = ["git", "clone", "--quiet", "--no-checkout", str(PROJECT_ROOT), str(other)]
        subprocess.run(clone, check=True)
        checkout = ["git", "-C", str(other), "checkout", "--quiet", options.revision]
        if subprocess.run(checkout).returncode:
            return 1
        for world in options.worlds or ["codes", "shapes3d"]:
            folders = [Path(name) / f"{world}-{which}" for which in ("then", "now")]
            for code, folder in zip((other, PROJECT_ROOT), folders, strict=True):
                run(code, world, options.seed, folder)
            found = differences(*folders)
            failed |= bool(found)
            print(f"{world}: {'the same, bit for bit' if not found else '; '.join(found[:8])}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
