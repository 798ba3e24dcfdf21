"""A folder of picture files as square images: decoded when asked for, shrunk, and a few kept.

Files come from anywhere, so nothing about them is taken on trust: a name that leaves the folder, a
web page saved as .jpg, half a file, a picture with see-through parts are refused in one line that
names the file. What can be shown truly is converted: grey and palette pictures become RGB, a photo
is turned upright as its EXIF entry says.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.kinds import formats, is_picture, kind_of

KEPT = 64 * 2**20  # bytes of shrunk pictures that a folder keeps in memory
MOST = 2**27  # pixels: 800 MB while it is decoded
FITS = ("crop", "pad", "stretch")
_THUMB = 8  # pixels: the space in which pictures are near or far
_GREY = ("L", "1")
_CONVERTED = ("RGB", *_GREY, "P", "YCbCr")  # modes in which every pixel has one true RGB colour
_WHOLE = 2**28  # bytes of a folder whose files are read whole for its fingerprint
_SAMPLE = 256  # files of a larger one
_HINTS = {
    "CMYK": "colours for print: save it as RGB",
    "HEIC": "save it as PNG or JPEG",
    "HEIF": "save it as PNG or JPEG",
}


def decode(path: Path, channels: int = 3) -> np.ndarray:
    """The picture of a file, uint8 (H, W, channels).

    Grey, palette and black-and-white pictures are converted; so is RGBA where every pixel is
    opaque. EXIF orientation is applied.

    path: the file, of any format in `kinds`; of several pictures the first counts.
    channels: 3, or 1 for a picture that is grey.
    Raises ValueError: one line naming the file: not there, no picture, damaged, larger than `MOST`
    pixels, partly see-through, or of a mode without a true RGB colour (CMYK, 16 bits); coloured
    where grey is wanted.
    """
    try:
        kind = kind_of(path)
    except OSError as error:
        raise ValueError(f"{path}: expected a picture, found {error.strerror or error}") from error
    if not is_picture(kind):
        hint = f"; {_HINTS[kind]}" if kind in _HINTS else ""
        raise ValueError(f"{path}: expected a picture, found {kind}{hint}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a limit of ours is told below
            # An open file and no name: Pillow maps a named one, and takes the lines of a TIFF that
            # lies on its side for its columns then.
            with open(path, "rb") as file, Image.open(file, formats=formats()) as picture:
                width, height = picture.size
                if width * height <= MOST:
                    picture.load()
                    ImageOps.exif_transpose(picture, in_place=True)
    except Image.DecompressionBombError:
        width, height = 0, MOST
    except Exception as error:  # a damaged file raises nearly anything
        told = " ".join(str(error).replace(str(path), "").split())
        raise ValueError(f"{path}: a damaged {kind}: {told}") from error
    if width * height > MOST or not width:
        size = f"{width} x {height}" if width else "even more"
        most = f"at most {MOST // 10**6} million pixels"
        raise ValueError(f"{path}: expected {most}, found {size}: make it smaller")
    return _pixels(path, picture, channels)


def _pixels(path: Path, picture: Image.Image, channels: int) -> np.ndarray:
    """uint8 (H, W, channels) of a picture in any mode. Raises ValueError as `decode`."""
    mode = picture.mode
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        if picture.getchannel("A").tobytes().count(b"\xff") < picture.width * picture.height:
            raise ValueError(
                f"{path}: expected RGB, found {mode} with see-through parts; what lies behind them "
                "is not known: flatten it first"
            )
    elif mode not in _CONVERTED:
        raise ValueError(f"{path}: expected RGB or grey of 8 bits, found {_deep(picture)}")
    if channels == 1 and mode in _GREY:
        return np.array(picture.convert("L"))[..., None]
    pixels = np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))
    if channels == 1 and (pixels != pixels[..., :1]).any():
        raise ValueError(
            f"{path}: expected a grey picture, as others here are, found a coloured one"
        )
    return pixels[..., :channels]


def _deep(picture: Image.Image) -> str:
    """What a picture is that has other than 8 bits, and how it becomes one that has."""
    if picture.mode in _HINTS:
        return f"mode {picture.mode}; {_HINTS[picture.mode]}"
    if picture.mode != "F" and not picture.mode.startswith("I"):
        return f"mode {picture.mode}"
    values = np.asarray(picture)
    low, high = values.min(), values.max()
    kind = "floats" if picture.mode == "F" else "grey of 16 bits"
    if picture.mode == "F" and low >= 0 and high <= 1:
        how = "(255 * values).round()"
    elif low >= 0 and 255 < high < 2**16:
        how = "(values / 257).round(), or values / values.max() * 255, the same for all pictures"
    else:
        how = "scaled to 0..255, the same for all pictures"
    return f"mode {picture.mode} ({kind}, values {low:g}..{high:g}): save it as uint8, {how}"


@lru_cache(maxsize=64)
def area_weights(found: int, wanted: int) -> np.ndarray:
    """float32 (wanted, found): how much of each old pixel of a line lies in each new one."""
    edges = np.linspace(0, found, wanted + 1)
    old = np.arange(found)
    low = np.maximum(edges[:-1, None], old)
    high = np.minimum(edges[1:, None], old + 1)
    return (np.maximum(high - low, 0) * (wanted / found)).astype(np.float32)


def square(image: np.ndarray, side: int, crop: int | None = None, fit: str = "crop") -> np.ndarray:
    """A square of an image at another size, each new pixel the mean of what it covers.

    image: uint8 (H, W, C).
    side: of the result, in pixels.
    crop: side of the central square, in pixels of `image`; None or more than there is takes the
        largest.
    fit: "crop" takes the central square; "pad" all of the image, black beside it; "stretch" all of
        it, each axis by itself. The last two leave `crop` out.
    Returns uint8 (side, side, C).
    Raises ValueError: another fit, or a crop with one that takes all.
    """
    if fit not in FITS:
        raise ValueError(close_match("fit", fit, FITS))
    if fit != "crop" and crop is not None:
        raise ValueError(f"crop: expected None with fit={fit!r}, which takes all, found {crop}")
    height, width = image.shape[:2]
    if fit == "pad":
        high, wide = (max(1, round(side * n / max(height, width))) for n in (height, width))
        result = np.zeros((side, side, image.shape[2]), dtype=np.uint8)
        top, left = (side - high) // 2, (side - wide) // 2
        result[top : top + high, left : left + wide] = resized(image[None], high, wide)[0]
        return result
    if fit == "crop":
        length = min(height, width, crop or height)
        top, left = (height - length) // 2, (width - length) // 2
        image = image[top : top + length, left : left + length]
    return resized(image[None], side, side)[0]


def resized(pictures: np.ndarray, high: int, wide: int) -> np.ndarray:
    """uint8 (B, high, wide[, C]) of (B, H, W[, C]), each new pixel the mean of what it covers."""
    n, height, width = pictures.shape[:3]
    if (height, width) == (high, wide):
        return pictures.copy()
    flat = pictures.reshape(n, height, -1)
    small = np.empty((n, high, wide, flat.shape[2] // width), dtype=np.uint8)
    for start in range(0, n, 32):  # 32 pictures of floats fit the processor's cache
        part = flat[start : start + 32].astype(np.float32)  # (b, H, W * C)
        lines = (area_weights(height, high) @ part).reshape(len(part), high, width, -1)
        means = area_weights(width, wide) @ lines  # (b, high, wide, C)
        small[start : start + 32] = np.rint(means).clip(0, 255)
    return small.reshape(n, high, wide, *pictures.shape[3:])


def fingerprint_of(folder: Path, files: Sequence[str]) -> str:
    """A hash of picture files: another one when a picture was replaced, the same after a move.

    It covers their names and sizes, and what is in them: in all where they have at most 256 MB
    together, else in 256 of them, evenly spread. Of many pictures one may be replaced by another of
    exactly its size unseen. Times do not count: a copy of a folder has others.

    folder: where they are.  files: their names, as a table lists them.
    Returns 16 hex digits. A file that is not there counts as one of no size.
    """
    sizes = []
    digest = hashlib.sha256()
    for name in files:
        try:
            sizes.append(os.stat(os.path.join(folder, name)).st_size)
        except OSError:
            sizes.append(-1)
        digest.update(f"{name}\0{sizes[-1]}\n".encode("utf-8", "surrogateescape"))
    for number in spread(len(files), _SAMPLE if sum(sizes) > _WHOLE else len(files)).tolist():
        if sizes[number] >= 0:
            with open(folder / files[number], "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def spread(n: int, most: int) -> np.ndarray:
    """At most so many of the numbers 0 .. n-1, evenly spread, both ends included: int64."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def safe_name(name: str) -> bool:
    """Whether a file name from a table stays inside the folder it is joined to."""
    path = PurePosixPath(name.replace("\\", "/"))
    return bool(name) and not path.is_absolute() and ".." not in path.parts and ":" not in name


@dataclass(eq=False)
class Pictures:
    """The pictures of a folder by number, all of one size.

    Workers of a loader get the names only: what is kept is neither sent nor shared.
    """

    folder: Path
    files: Sequence[str]  # names in it, safe ones
    side: int = 64  # of the square images, in pixels
    crop: int | None = None  # see `square`
    kept: int = KEPT  # bytes of images that stay in memory, those asked for last
    fit: str = "crop"  # see `square`
    channels: int = 3  # or 1, which keeps grey pictures grey and refuses others, see `are_grey`
    _kept: OrderedDict[int, np.ndarray] = field(default_factory=OrderedDict, init=False, repr=False)
    # 192 bytes each, so all are kept
    _thumbs: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"channels: expected 1 or 3, found {self.channels!r}")

    @property
    def room(self) -> int:
        """How many images are kept."""
        return max(1, self.kept // (self.channels * self.side**2))

    def __getstate__(self) -> dict:
        return {**vars(self), "_kept": OrderedDict(), "_thumbs": {}}

    def __len__(self) -> int:
        return len(self.files)

    def one(self, number: int) -> np.ndarray:
        """Image of a number, uint8 (side, side, channels), read-only.

        Raises ValueError as `decode`.
        """
        image = self._kept.pop(number, None)
        if image is None:
            image = decode(self.folder / self.files[number], self.channels)
            image = square(image, self.side, self.crop, self.fit)
            image.setflags(write=False)
        self._kept[number] = image  # the last one in is the last one to go
        while len(self._kept) > self.room:
            self._kept.popitem(last=False)
        return image

    def get(self, numbers: np.ndarray) -> np.ndarray:
        """Images uint8 (B, side, side, channels) of numbers (B,), in any order, repeats allowed.

        Raises ValueError as `decode`.
        """
        images = np.empty((len(numbers), self.side, self.side, self.channels), dtype=np.uint8)
        for i, number in enumerate(numbers.tolist()):
            images[i] = self.one(number)
        return images

    @property
    def fingerprint(self) -> str:
        """Hash of the files, see `fingerprint_of`."""
        return fingerprint_of(self.folder, self.files)

    def are_grey(self, look: int = 64) -> bool:
        """Whether the pictures are grey, as those of some files say that are spread evenly.

        Only the modes in their headers are read. False where one cannot be read.
        """
        try:
            for number in spread(len(self), look).tolist():
                with Image.open(self.folder / self.files[number], formats=formats()) as picture:
                    if picture.mode not in _GREY:
                        return False
        except Exception:  # a damaged file raises nearly anything; `decode` will tell
            return False
        return len(self) > 0

    def distance(self, one: np.ndarray, others: np.ndarray) -> np.ndarray:
        """How far pictures are from others: squared difference of their 8 x 8 thumbnails.

        one: numbers (n,).  others: numbers (n, k).
        Returns int64 (n, k).
        Raises ValueError: as `decode`; each picture is decoded the first time it is asked for.
        """
        numbers, place = np.unique(np.column_stack([one, others]), return_inverse=True)
        for number in numbers.tolist():
            if number not in self._thumbs:
                self._thumbs[number] = square(self.one(number), _THUMB)
        thumbs = np.stack([self._thumbs[i] for i in numbers.tolist()]).astype(np.int32)
        found = thumbs[place.reshape(len(one), -1)]  # (n, 1 + k, 8, 8, C)
        return ((found[:, :1] - found[:, 1:]) ** 2).sum(axis=(2, 3, 4), dtype=np.int64)
