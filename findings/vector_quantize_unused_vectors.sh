#!/usr/bin/env bash
# Vectors that a quantiser of vector-quantize-pytorch does not use go to the origin, all of them to the
# same point. Guess: a running mean to which nothing is added stays, so an unused vector keeps its place
# and can be used when data come near it. Seen with vector-quantize-pytorch 1.32.0 and torch 2.13.0,
# everything as it is by default (decay 0.8; what is dead is not replaced), data around one point: of 64
# vectors 63 lie within 0.001 of zero after 100 steps, and exactly at zero after 600. The running sum
# fades as the running count does, but the count is smoothed before it divides. Data from everywhere
# then share one vector at the first look, about 20 after 20 more steps; of a fresh codebook they use
# more than 50 at once. Counting the codes in use says how few they are, not that the others are one and
# the same. Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.13.0 vector-quantize-pytorch==1.32.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from copy import deepcopy
from importlib.metadata import version

import torch
from vector_quantize_pytorch import VectorQuantize

print("vector-quantize-pytorch", version("vector-quantize-pytorch"), "torch", torch.__version__)
torch.manual_seed(0)
quantizer = VectorQuantize(dim=8, codebook_size=64).train()
fresh = deepcopy(quantizer)
first = quantizer.codebook.norm(dim=-1)
print(f"at the start lengths of {first.min():.2f} to {first.max():.2f}")
one_place = torch.randn(4, 64, 8) * 0.01 + 1
seen = {}
for step in range(1, 601):
    quantizer(one_place)
    if step in (10, 100, 600):
        length = quantizer.codebook.norm(dim=-1)
        seen[step] = int((length < 1e-3).sum()), int((length == 0).sum())
        print(f"after {step:3} steps: {seen[step][0]} of 64 within 0.001 of zero, {seen[step][1]} exactly")
everywhere = 0.1 * torch.randn(4, 512, 8)
used = {}
for name, one in (("went on", quantizer), ("fresh", fresh)):
    counts = [len(one(everywhere)[1].unique()) for _ in range(21)]
    used[name] = counts[0], counts[-1]
    print(f"{name}: of 64 vectors data from everywhere use {counts[0]}, after 20 more steps {counts[-1]}")
told = float(first.min()) > 0.01 and seen[10] == (0, 0) and seen[100][0] == 63 and seen[600][1] == 63
told = told and used["went on"][0] <= 4 and used["went on"][1] <= 32
raise SystemExit(not (told and used["fresh"][0] > 50 and used["fresh"][1] > 60))
PYTHON
