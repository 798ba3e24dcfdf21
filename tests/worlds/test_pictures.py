"""Picture files of many kinds: read as they are, or named and refused in one line."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvq_tutorial.worlds import pictures
from cvq_tutorial.worlds.inspect.check import check_folder
from cvq_tutorial.worlds.kinds import is_picture, kind_of
from cvq_tutorial.worlds.pictures import Pictures, decode, fingerprint_of, square
from cvq_tutorial.worlds.sprites import Sprites, stand_in_sheets

RGB = np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)


def saved(folder: Path, name: str, pixels: np.ndarray = RGB, **how) -> Path:
    Image.fromarray(pixels).save(folder / name, **how)
    return folder / name


# Kinds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "how"),
    [
        ("a.ppm", "PPM", {}),
        ("a.png", "PNG", {}),
        ("a.bmp", "BMP", {}),
        ("a.tif", "TIFF", {}),
        ("a.tga", "TGA", {}),
        ("a.pcx", "PCX", {}),
        ("a.qoi", "QOI", {}),
        ("a.sgi", "SGI", {}),
        ("a.dds", "DDS", {}),
        ("a.gif", "GIF", None),
        ("a.jp2", "JPEG 2000", {"irreversible": False}),
        ("a.j2k", "JPEG 2000", {"irreversible": False}),
        ("a.webp", "WebP", {"lossless": True}),
        ("a.jpg", "JPEG", None),
        ("a.mpo", "JPEG", None),
        ("a.avif", "AVIF", None),
    ],
)
def test_what_pillow_reads_is_read(tmp_path, name, kind, how):
    try:
        path = saved(tmp_path, name, **(how or {}))
    except (KeyError, OSError, ValueError) as error:
        pytest.fail(f"Pillow of the lock writes {kind}: {error}")
    assert kind_of(path) == kind and is_picture(kind)
    found = decode(path)
    assert found.shape == RGB.shape and found.dtype == np.uint8
    if how is None:  # a few colours or frequencies were lost when it was written
        with Image.open(path) as picture:
            assert np.array_equal(found, np.array(picture.convert("RGB")))
    else:
        assert np.array_equal(found, RGB)


@pytest.mark.parametrize("text", [b"P6\n# by hand\n14 10\n255\n", b"P6 14 10 255\n"])
def test_a_portable_pixmap_with_a_comment_is_one(tmp_path, text):
    (tmp_path / "a.ppm").write_bytes(text + RGB.tobytes())
    assert kind_of(tmp_path / "a.ppm") == "PPM" and np.array_equal(decode(tmp_path / "a.ppm"), RGB)
    (tmp_path / "a.pgm").write_bytes(b"P2 2 1 255\n7 200\n")  # in digits, without any zero byte
    assert kind_of(tmp_path / "a.pgm") == "PGM"
    assert decode(tmp_path / "a.pgm", channels=1).tolist() == [[[7], [200]]]


HEIC = struct.pack(">I4s4sI", 24, b"ftyp", b"heic", 0) + b"mif1heic" + bytes(40)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (HEIC, "HEIC; save it as PNG or JPEG"),
        (HEIC.replace(b"ftypheic", b"ftypmif1"), "HEIC; save it as PNG or JPEG"),
        (struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + bytes(99), "a video"),
        (b"PK\x03\x04" + bytes(99), "a zip"),
        (gzip.compress(bytes(99), mtime=0), "a gzip file"),
        (b"<!DOCTYPE html><html><svg></svg>", "a web page"),
        (b"<?xml version='1.0'?><svg xmlns='x'/>", "an SVG drawing"),
        (b"%PDF-1.7", "a PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"\xff\x0a" + bytes(9), "JPEG XL"),
        (b"version https://git-lfs.github.com/spec/v1\noid", r"a pointer of Git LFS \(fetch"),
        (b"\x00\x05\x16\x07" + bytes(99), r"what a Mac keeps beside a file \(its name without the"),
        (bytes(128) + b"DICM" + bytes(9), "DICOM"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "a sound"),
        (b"BMW,Audi\n1,2\n", "text"),
        (b"GIF8 is a kind of file", "text"),
        (b"P1,P2,P3\n1,2,3\n", "text"),
        ("a,b\n".encode("utf-16"), "text"),
        (b"\x07\x00" * 99, "unknown"),
        (b"", "an empty file"),
    ],
)
def test_what_is_no_picture_is_named_by_its_first_bytes(tmp_path, data, kind):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"^{path}: expected a picture, found {kind}") as caught:
        decode(path)
    assert "\n" not in str(caught.value)


def test_no_other_program_is_started_for_a_picture(tmp_path):
    eps = io.BytesIO()
    Image.fromarray(RGB).save(eps, "EPS")
    for name in ("a.png", "a.tga"):
        (tmp_path / name).write_bytes(eps.getvalue())
        with pytest.raises(ValueError, match="expected a picture, found PostScript"):
            decode(tmp_path / name)
    folder = stand_in_sheets(tmp_path / "sheets")
    (folder / "hair" / "3.png").write_bytes(eps.getvalue())
    with pytest.raises(ValueError, match=r"3\.png: expected a PNG picture, found: cannot identify"):
        Sprites(folder)


# Modes and sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pixels", "told"),
    [
        (
            "a.png",
            np.array([[0, 40_000], [257, 3]], np.uint16),
            r"mode I;16 \(grey of 16 bits, values 0\.\.40000\): save it as uint8, \(values",
        ),
        (
            "a.tif",
            np.array([[0, 0.25], [0.5, 1]], np.float32),
            r"mode F \(floats, values 0\.\.1\): save it as uint8, \(255 \* values\)\.round\(\)$",
        ),
        (
            "a.tif",
            np.array([[-1, 1]], np.float32),
            r"mode F \(floats, values -1\.\.1\): save it as uint8, scaled to 0",
        ),
        ("a.jpg", None, "mode CMYK; colours for print: save it as RGB"),
    ],
)
def test_other_depths_are_refused_with_what_to_do(tmp_path, name, pixels, told):
    if pixels is None:
        Image.fromarray(RGB).convert("CMYK").save(tmp_path / name)
    else:
        saved(tmp_path, name, pixels)
    with pytest.raises(ValueError, match=f"expected RGB or grey of 8 bits, found {told}"):
        decode(tmp_path / name)


def large_png(path: Path, width: int, height: int) -> Path:
    """A black picture of any size in black and white, whose lines are packed one by one."""

    def piece(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    packer = zlib.compressobj(9)
    line = bytes(1 + -(-width // 8))
    data = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    sign = b"\x89PNG\r\n\x1a\n"
    path.write_bytes(sign + piece(b"IHDR", head) + piece(b"IDAT", data) + piece(b"IEND", b""))
    return path


def test_a_large_scan_is_read_and_a_larger_one_is_not_called_damaged(tmp_path, monkeypatch):
    path = large_png(tmp_path / "scan.png", 11_000, 8_545)  # 94 million pixels
    grey = decode(path, channels=1)
    assert grey.shape == (8_545, 11_000, 1) and not grey.any()
    del grey
    monkeypatch.setattr(pictures, "MOST", 10**6)
    with pytest.raises(
        ValueError,
        match=r"scan\.png: expected at most 1 million pixels, found 11000 x 8545: make it",
    ):
        decode(path)
    path = large_png(tmp_path / "poster.png", 20_000, 10_000)  # Pillow itself refuses
    with pytest.raises(
        ValueError, match=r"poster\.png: expected at most 1 million pixels, found even"
    ):
        decode(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_pictures_are_turned_upright(tmp_path, name, orientation):
    blocks = np.kron(
        np.array([[0, 80, 160], [240, 40, 120]], np.uint8), np.ones((16, 16), np.uint8)
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {"exif": exif, "quality": 95} if name == "a.jpg" else {"exif": exif}
    path = saved(tmp_path, name, blocks, **how)
    turned = {
        1: blocks, 2: blocks[:, ::-1], 3: blocks[::-1, ::-1], 4: blocks[::-1], 5: blocks.T,
        6: np.rot90(blocks, -1), 7: blocks[::-1, ::-1].T, 8: np.rot90(blocks),
    }  # fmt: skip
    found = decode(path, channels=1)[..., 0].astype(int)
    assert found.shape == turned[orientation].shape
    assert np.abs(found - turned[orientation]).max() <= 8


def test_grey_stays_grey_where_it_is_asked_for(tmp_path):
    for i in range(6):
        saved(tmp_path, f"{i}.png", RGB[..., i % 3] // (i + 1))
    files = [f"{i}.png" for i in range(6)]
    folder = Pictures(tmp_path, files, side=8, channels=1)
    assert folder.are_grey()
    numbers = np.arange(6)
    images = folder.get(numbers)
    assert images.shape == (6, 8, 8, 1)
    coloured = Pictures(tmp_path, files, side=8).get(numbers)
    assert np.array_equal(coloured, np.repeat(images, 3, axis=3))
    assert folder.room >= 3 * Pictures(tmp_path, files, side=8).room
    assert np.array_equal(
        folder.distance(numbers[:2], numbers[None, 2:4].repeat(2, 0)) * 3,
        Pictures(tmp_path, files, side=8).distance(numbers[:2], numbers[None, 2:4].repeat(2, 0)),
    )
    saved(tmp_path, "3.png", RGB)
    saved(tmp_path, "4.png", np.repeat(RGB[..., :1], 3, axis=2))  # grey, saved as RGB
    folder = Pictures(tmp_path, files, side=8, channels=1)
    assert not folder.are_grey()
    assert folder.one(4).shape == (8, 8, 1)
    with pytest.raises(ValueError, match=r"3\.png: expected a grey picture, as others here are"):
        folder.one(3)
    with pytest.raises(ValueError, match="channels: expected 1 or 3, found 4"):
        Pictures(tmp_path, files, channels=4)


def test_a_picture_of_any_size_is_cropped_padded_or_stretched(tmp_path):
    image = np.full((20, 40, 3), 200, np.uint8)
    image[:, :10], image[:, 30:] = 50, 250
    assert square(image, 10).min() == 200  # the middle only
    padded = square(image, 40, fit="pad")
    assert not padded[:10].any() and not padded[30:].any()
    assert np.array_equal(padded[10:30], image)
    assert not square(image.transpose(1, 0, 2), 40, fit="pad")[:, :10].any()
    stretched = square(image, 20, fit="stretch")
    assert stretched[:, :5].max() == 50 and stretched[:, 15:].min() == 250
    box = Image.fromarray(RGB).resize((7, 5), Image.Resampling.BOX)
    found = pictures.resized(RGB[None], 5, 7)[0]
    assert np.abs(np.asarray(box).astype(int) - found).max() <= 1
    with pytest.raises(ValueError, match="unknown fit 'cut'; known: crop, pad, stretch"):
        square(image, 20, fit="cut")
    with pytest.raises(
        ValueError, match="crop: expected None with fit='pad', which takes all, fou"
    ):
        square(image, 20, crop=8, fit="pad")
    saved(tmp_path, "a.png", image)
    one = Pictures(tmp_path, ["a.png"], side=20, fit="stretch").one(0)
    assert np.array_equal(one, stretched)


# Which pictures they are -------------------------------------------------------------------------


def test_replaced_pictures_have_another_fingerprint_and_moved_ones_the_same(tmp_path):
    files = [f"{i}.bmp" for i in range(5)]
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        for i, name in enumerate(files):
            saved(tmp_path / folder, name, RGB + np.uint8(i))
    first = fingerprint_of(tmp_path / "here", files)
    assert len(first) == 16 and int(first, 16) >= 0
    assert fingerprint_of(tmp_path / "there", files) == first
    assert Pictures(tmp_path / "there", files).fingerprint == first
    assert fingerprint_of(tmp_path / "here", files[::-1]) != first
    saved(tmp_path / "here", files[3], RGB + np.uint8(9))  # of the same size
    changed = fingerprint_of(tmp_path / "here", files)
    assert changed != first
    (tmp_path / "here" / files[3]).unlink()
    assert fingerprint_of(tmp_path / "here", files) not in (first, changed)


def test_many_pictures_are_told_apart_by_their_sizes_and_some_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_WHOLE", 1000)
    monkeypatch.setattr(pictures, "_SAMPLE", 3)
    files = [f"{i}.bin" for i in range(9)]
    for i, name in enumerate(files):
        (tmp_path / name).write_bytes(bytes([i]) * 200)
    first = fingerprint_of(tmp_path, files)
    for name, data, seen in (
        ("4.bin", b"x" * 200, True),  # one of the three that are read
        ("5.bin", b"x" * 201, True),
        ("6.bin", b"x" * 200, False),  # what the text of the function says
    ):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data)
        assert (fingerprint_of(tmp_path, files) != first) == seen
        (tmp_path / name).write_bytes(before)


# Sheets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_sheet_without_see_through_parts_hides_what_lies_below_and_is_refused(tmp_path, mode):
    folder = stand_in_sheets(tmp_path / "sheets")
    path = folder / "topwear" / "2.png"
    with Image.open(path) as sheet:
        opaque = sheet.convert("RGBA")
    opaque.putalpha(255)
    opaque.convert(mode).save(path)
    message = rf"2\.png: expected see-through parts, found none \(mode {mode}\): it would hide all"
    with pytest.raises(ValueError, match=message):
        Sprites(folder)
    assert any("expected see-through parts" in text for text in check_folder(folder).problems)
