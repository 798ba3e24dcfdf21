#!/usr/bin/env bash
# torchmetrics measures pictures of type uint8 in arithmetic that goes round at 256, and says nothing.
# Guess: bytes are turned into real numbers first, as scikit-image does it, or refused, as torch's own
# mse_loss refuses them; peak signal-to-noise ratio, of the same package, does turn them. Seen with
# torchmetrics 1.9.0 and torch 2.13.0: of a picture and its mirror image of random bytes the mean
# squared error is about 100 where it is about 11,000, the mean absolute error about 128 where it is
# about 85. Differences below zero become large, squares are cut to one byte: a worse picture can have
# the smaller error. Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.13.0 torchmetrics==1.9.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
import torchmetrics
from torchmetrics import MeanAbsoluteError, MeanSquaredError
from torchmetrics.image import PeakSignalNoiseRatio

print("torchmetrics", torchmetrics.__version__, "torch", torch.__version__)
picture = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=torch.manual_seed(0))
near = torch.where(picture > 235, picture, picture + 20)  # off by 20 at most
pairs = {"mirrored": picture.flip(-1), "20 brighter": near}
seen = {}
for name, other in pairs.items():
    for metric in (MeanSquaredError(), MeanAbsoluteError(), PeakSignalNoiseRatio(data_range=255.0)):
        kind = type(metric).__name__
        of_bytes = float(metric(other, picture))
        real = float(metric(other.double(), picture.double()))
        seen[name, kind] = of_bytes, real
        print(f"{name:11} {kind:20} of bytes {of_bytes:9.2f}, of real numbers {real:9.2f}")
try:
    torch.nn.functional.mse_loss(picture, picture)
    refused = False
except (RuntimeError, NotImplementedError) as error:
    refused = True
    print("torch's mse_loss refuses bytes:", str(error).splitlines()[0])
square = {name: seen[name, "MeanSquaredError"] for name in pairs}
told = refused and square["mirrored"][0] < 150 and square["mirrored"][1] > 10_000
told = told and square["20 brighter"][0] > square["mirrored"][0]  # the near one looks worse
told = told and square["20 brighter"][1] < square["mirrored"][1] / 20
absolute = seen["mirrored", "MeanAbsoluteError"]
told = told and absolute[0] > 1.3 * absolute[1]
ratios = [pair for (_, kind), pair in seen.items() if kind == "PeakSignalNoiseRatio"]
told = told and all(abs(of_bytes - real) < 1e-3 for of_bytes, real in ratios)
raise SystemExit(not told)
PYTHON
