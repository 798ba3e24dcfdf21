"""A folder of picture files as square images: decoded when asked for, shrunk, and a few kept.

Files come from anywhere, so nothing about them is taken on trust: a name that leaves the folder, a
web page saved as .jpg, half a file, a picture with see-through parts are refused in one line that
names the file. What can be shown truly is converted: grey and palette pictures become RGB, a photo
is turned upright as its EXIF entry says.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

KEPT = 64 * 2**20  # bytes of shrunk pictures that a folder keeps in memory
_THUMB = 8  # pixels: the space in which pictures are near or far
_CONVERTED = ("RGB", "L", "P", "1")  # modes in which every pixel has one true RGB colour
_SIGNS = {  # first bytes of a file: what it is
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"RIFF": "WebP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}


def kind_of(path: Path) -> str:
    """What the first bytes of a file say it is, in a word or two.

    "JPEG", "PNG" and so on for pictures; "an empty file", "a web page", "a zip", "text" or
    "unknown" for others.
    Raises OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(512)
    for sign, kind in _SIGNS.items():
        if head.startswith(sign) and (b"\0" in head or not sign.isalnum()):  # "BMW" is a text
            return kind
    if not head:
        return "an empty file"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "a zip"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return "a web page"
    return "unknown" if b"\0" in head else "text"


def is_picture(kind: str) -> bool:
    """Whether a word of `kind_of` means a picture."""
    return kind in _SIGNS.values()


def decode(path: Path) -> np.ndarray:
    """The picture of a file, uint8 (H, W, 3).

    Grey, palette and black-and-white pictures are converted; so is RGBA where every pixel is
    opaque. EXIF orientation is applied.

    Raises:
        ValueError: one line naming the file: not there, no picture, damaged, partly see-through, or
            of a mode without a true RGB colour (CMYK, 16 bits).
    """
    try:
        kind = kind_of(path)
    except OSError as error:
        raise ValueError(f"{path}: expected a picture, found {error.strerror or error}") from error
    if not is_picture(kind):
        raise ValueError(f"{path}: expected a picture, found {kind}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                picture = ImageOps.exif_transpose(file)
                picture.load()
    except Exception as error:  # a damaged file raises nearly anything
        told = " ".join(str(error).replace(str(path), "").split())
        raise ValueError(f"{path}: a damaged {kind}: {told}") from error
    mode = picture.mode
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        if np.array(picture)[..., 3].min() < 255:
            raise ValueError(
                f"{path}: expected RGB, found {mode} with see-through parts; what lies behind them "
                "is not known: flatten it first"
            )
    elif mode not in _CONVERTED:
        raise ValueError(f"{path}: expected RGB or grey of 8 bits, found mode {mode}")
    return np.array(picture.convert("RGB"))


@lru_cache(maxsize=64)
def area_weights(found: int, wanted: int) -> np.ndarray:
    """float32 (wanted, found): how much of each old pixel of a line lies in each new one."""
    edges = np.linspace(0, found, wanted + 1)
    old = np.arange(found)
    low = np.maximum(edges[:-1, None], old)
    high = np.minimum(edges[1:, None], old + 1)
    return (np.maximum(high - low, 0) * (wanted / found)).astype(np.float32)


def square(image: np.ndarray, side: int, crop: int | None = None) -> np.ndarray:
    """The central square of an image at another size, each new pixel the mean of what it covers.

    Args:
        image: uint8 (H, W, 3).
        side: of the result, in pixels.
        crop: side of the central square, in pixels of `image`; None or more than there is takes
            the largest.

    Returns:
        uint8 (side, side, 3).
    """
    height, width = image.shape[:2]
    length = min(height, width, crop or height)
    top, left = (height - length) // 2, (width - length) // 2
    part = image[top : top + length, left : left + length]
    if length == side:
        return part.copy()
    weights = area_weights(length, side)
    lines = weights @ part.reshape(length, -1).astype(np.float32)  # (side, length * 3)
    lines = lines.reshape(side, length, 3).transpose(1, 0, 2).reshape(length, -1)
    small = (weights @ lines).reshape(side, side, 3).transpose(1, 0, 2)
    return np.rint(small).clip(0, 255).astype(np.uint8)


def safe_name(name: str) -> bool:
    """Whether a file name from a table stays inside the folder it is joined to."""
    path = PurePosixPath(name.replace("\\", "/"))
    return bool(name) and not path.is_absolute() and ".." not in path.parts and ":" not in name


class Pictures:
    """The pictures of a folder by number, all of one size.

    Args:
        folder: where the files are.
        files: their names, safe ones.
        side: of the square images, in pixels.
        crop: as in `square`.
        kept: bytes of images that stay in memory, those asked for last.

    Workers of a loader get the names only: what is kept is neither sent nor shared.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[str],
        side: int = 64,
        crop: int | None = None,
        kept: int = KEPT,
    ) -> None:
        self.folder, self.files, self.side, self.crop = folder, files, side, crop
        self.room = max(1, kept // (3 * side * side))  # images
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._thumbs: dict[int, np.ndarray] = {}  # 192 bytes each, so all are kept

    def __getstate__(self) -> dict:
        return {**vars(self), "_kept": OrderedDict(), "_thumbs": {}}

    def __len__(self) -> int:
        return len(self.files)

    def one(self, number: int) -> np.ndarray:
        """Image of a number, uint8 (side, side, 3), read-only. Raises ValueError as `decode`."""
        image = self._kept.pop(number, None)
        if image is None:
            image = square(decode(self.folder / self.files[number]), self.side, self.crop)
            image.setflags(write=False)
        self._kept[number] = image  # the last one in is the last one to go
        while len(self._kept) > self.room:
            self._kept.popitem(last=False)
        return image

    def get(self, numbers: np.ndarray) -> np.ndarray:
        """Images uint8 (B, side, side, 3) of numbers (B,), in any order, repeats allowed.

        Raises ValueError as `decode`.
        """
        images = np.empty((len(numbers), self.side, self.side, 3), dtype=np.uint8)
        for i, number in enumerate(numbers.tolist()):
            images[i] = self.one(number)
        return images

    def distance(self, one: np.ndarray, others: np.ndarray) -> np.ndarray:
        """How far pictures are from others: squared difference of their 8 x 8 thumbnails.

        Args:
            one: numbers (n,).  others: numbers (n, k).

        Returns:
            int64 (n, k).

        Raises:
            ValueError: as `decode`; each picture is decoded the first time it is asked for.
        """
        for number in np.unique(np.append(others, one)).tolist():
            if number not in self._thumbs:
                self._thumbs[number] = square(self.one(number), _THUMB)
        first = np.stack([self._thumbs[i] for i in one.tolist()]).astype(np.int32)
        second = np.stack([self._thumbs[i] for i in others.ravel().tolist()]).astype(np.int32)
        second = second.reshape(*others.shape, *first.shape[1:])
        return ((first[:, None] - second) ** 2).sum(axis=(2, 3, 4), dtype=np.int64)
