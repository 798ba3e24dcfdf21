#!/usr/bin/env bash
# A quantiser of vector-quantize-pytorch that starts by k-means takes its codebook from the first batch
# it sees, also in evaluation mode and without gradient. Guess: `eval()` leaves a codebook alone, as it
# leaves the running means of a batch norm alone. Seen with vector-quantize-pytorch 1.32.0 and torch
# 2.13.0: of 32 vectors all 32 differ after one look in evaluation mode, the quantiser then counts as
# started, and the training data never get to start it: whoever measures "before training" has the
# codebook fitted to the test pictures, and training goes on from there. A second look changes nothing.
# Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.13.0 vector-quantize-pytorch==1.32.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from vector_quantize_pytorch import VectorQuantize

print("vector-quantize-pytorch", version("vector-quantize-pytorch"), "torch", torch.__version__)
torch.manual_seed(0)
test, train = torch.randn(4, 64, 16) + 3, torch.randn(4, 64, 16)
quantizer = VectorQuantize(dim=16, codebook_size=32, kmeans_init=True).eval()


def vectors():
    return quantizer._codebook.embed[0].clone()


def moved(before):
    return int((vectors() != before).any(-1).sum())


before = vectors()
with torch.no_grad():
    quantizer(test)
    first, started = moved(before), bool(quantizer._codebook.initted)
    after = vectors()
    quantizer(train)
    second = moved(after)
far = (after.mean() - 3).abs().item()
print(f"evaluation mode, first look: {first} of 32 vectors changed, started: {started}")
print(f"mean of the vectors is {far:.2f} from the mean of the test batch; second look: {second} changed")
raise SystemExit(not (first == 32 and started and far < 0.3 and second == 0))
PYTHON
