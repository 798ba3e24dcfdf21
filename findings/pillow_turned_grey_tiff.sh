#!/usr/bin/env bash
# A grey TIFF without compression whose tag says that it lies on its side (orientation 6, as scanners
# and microscopes write it) has other pixels when Pillow opens it by its name than from its bytes.
# Seen with Pillow 13.0.0: from the bytes, and with LZW, it is turned, 4 rows of 3; by its name it
# is 3 rows of 4, the numbers of the turned picture in rows of the wrong length. Nothing is said.
# Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target "$folder" \
  pillow==13.0.0 numpy==2.4.6
cd "$folder"
PYTHONPATH=$folder "${PYTHON:-python3}" - <<'PYTHON'
import io
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
print("Pillow", PIL.__version__, "written:", grey.tolist(), "orientation 6")
found = {}
for kind in (None, "tiff_lzw"):
    picture = Image.fromarray(grey)
    exif = picture.getexif()
    exif[274] = 6
    how = {} if kind is None else {"compression": kind}
    picture.save("turned.tif", exif=exif, **how)
    opened = {"name": "turned.tif", "bytes": io.BytesIO(Path("turned.tif").read_bytes())}
    for by, source in opened.items():
        found[kind, by] = np.asarray(Image.open(source))
        print(f"{kind or 'uncompressed'}, by its {by}:", found[kind, by].tolist())
turned = np.rot90(grey, -1)
right = {key: np.array_equal(pixels, turned) for key, pixels in found.items()}
raise SystemExit([key for key, good in right.items() if not good] != [(None, "name")])
PYTHON
