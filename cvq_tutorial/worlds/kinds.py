"""What a file is, by its first bytes and not by its name."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from PIL import Image

HEAD = 512  # bytes that are looked at
PICTURES = {  # first bytes: a kind of picture that is read here
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"qoif": "QOI",
    b"\x00\x00\x01\x00": "ICO",
    b"8BPS": "PSD",
    b"DDS ": "DDS",
    b"\x01\xda": "SGI",
    b"\x59\xa6\x6a\x95": "Sun raster",
}
OTHERS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"PK\x03\x04": "a zip",
    b"PK\x05\x06": "an empty zip",
    b"\x1f\x8b": "a gzip file",
    **{b"BZh%d1AY&SY" % level: "a bzip2 file" for level in range(1, 10)},
    b"\xfd7zXZ\x00": "an xz file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x93NUMPY": "a single array (.npy)",
    b"MATLAB 5.0": "a MATLAB 5 file",
    b"MATLAB 7.3": "a MATLAB 7.3 file",
    **{b"\x80%c" % protocol: "a pickle" for protocol in range(2, 6)},
    b"%PDF": "a PDF",
    b"%!PS": "PostScript",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"v/1\x01": "OpenEXR",
    b"SIMPLE  =": "FITS",
    b"\x00\x05\x16\x07": "what a Mac keeps beside a file (its name without the ._)",
    b"\xd0\xcf\x11\xe0": "a file of an old Office program",
    b"version https://git-lfs": "a pointer of Git LFS (fetch the file itself: git lfs pull)",
}
_BRANDS = {  # of files that begin with a box "ftyp"
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC"),
    **dict.fromkeys((b"mif1", b"msf1"), "HEIF"),
}
_PNM = re.compile(rb"P([1-6])\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*\d+\s")
_PFM = re.compile(rb"P[fF]\s+\d+\s+\d+\s")
_PAGES = (b"<!doctype html", b"<html", b"<head")
# no first bytes say so: the kind of colour table, then the kind of picture
_TGA = re.compile(rb".[\x00\x01][\x01\x02\x03\x09\x0a\x0b]", re.DOTALL)
_IS_PICTURE = {*PICTURES.values(), "AVIF", "PBM", "PFM", "PGM", "PPM", "PCX", "TGA", "WebP"}
_FORMATS = (  # what Pillow calls these: none of them starts another program, as EPS and WMF do
    "AVIF", "BMP", "DDS", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "PSD", "QOI",
    "SGI", "SUN", "TGA", "TIFF", "WEBP",
)  # fmt: skip


def kind_of(path: Path) -> str:
    """What the first bytes of a file say it is, in a word or two.

    "JPEG", "PNG" and so on for pictures, see `is_picture`; "an empty file", "a web page", "a zip",
    "HEIC", "text" or "unknown" for others.

    Raises OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        return "an empty file"
    for sign, kind in {**PICTURES, **OTHERS}.items():
        if head.startswith(sign) and (b"\0" in head or not sign.isalnum()):  # "BMW" is a text
            return kind
    if head[:4] == b"RIFF" and b"\0" in head:
        return {b"WEBP": "WebP", b"AVI ": "a video", b"WAVE": "a sound"}.get(head[8:12], "unknown")
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    if found := _PNM.match(head):
        return {1: "PBM", 4: "PBM", 2: "PGM", 5: "PGM"}.get(int(found[1]), "PPM")
    if _PFM.match(head):
        return "PFM"
    if head[257:262] == b"ustar":
        return "a tar"
    if head[128:132] == b"DICM":
        return "DICOM"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start and not start.startswith(_PAGES):
        return "an SVG drawing"
    if start.startswith((*_PAGES, b"<?xml")):
        return "a web page"
    ending = path.suffix.lower()
    if ending in (".tga", ".icb", ".vda", ".vst") and _TGA.match(head):
        return "TGA"
    if ending == ".pcx" and head[0] == 10:
        return "PCX"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "text"  # UTF-16
    return "unknown" if b"\0" in head else "text"


def _of_brands(head: bytes) -> str:
    """A picture or film in boxes: the first brand that is known decides, the main one first."""
    size = min(int.from_bytes(head[:4], "big"), HEAD)
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, size - 3, 4))]
    known = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    specific = [kind for kind in known if kind != "HEIF"]
    return (specific or known or ["a video"])[0]


@lru_cache(maxsize=1)
def formats() -> tuple[str, ...]:
    """The formats that `Image.open` may try, those that the Pillow here has."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def is_picture(kind: str) -> bool:
    """Whether a word of `kind_of` means a picture that is read here."""
    return kind in _IS_PICTURE
