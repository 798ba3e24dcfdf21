"""Small files in the formats of the benchmarks, with pictures that follow from a number."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import torch
from scipy.io import savemat

CLASSES = (1, 3, 2, 5, 2, 2)  # a small grid of dSprites: colour, shape, scale, turn, x, y
MPI3D = (2, 1, 2, 1, 3, 2, 2)
DSPRITES_FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
NORB = {
    "training": ("smallnorb-5x46789x9x18x6x2x96x96-training", (4, 6, 7, 8, 9)),
    "testing": ("smallnorb-5x01235x9x18x6x2x96x96-testing", (0, 1, 2, 3, 5)),
}
WEB_PAGE = b"<!DOCTYPE html>\n<html><body>404: no such file</body></html>\n" * 40


def pictures(numbers: Sequence[int], shape: tuple[int, ...], white: int = 255) -> np.ndarray:
    """Pictures uint8 (B, *shape) that follow from their numbers alone."""
    made = [np.random.default_rng(n).integers(0, white + 1, shape) for n in numbers]
    return np.array(made, dtype=np.uint8).reshape(-1, *shape)


def encoded(numbers: np.ndarray) -> np.ndarray:
    """Pictures uint8 (B, 64, 64, 3) whose first three pixels hold their number, see `decoded`."""
    images = np.full((len(numbers), 64, 64, 3), 7, dtype=np.uint8)
    images[:, 0, 0] = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=1)
    return images


def decoded(images: np.ndarray) -> np.ndarray:
    """The numbers int64 (B,) of pictures made by `encoded`."""
    return images[:, 0, 0].astype(np.int64) @ [1, 256, 65536]


class Numbered(torch.utils.data.Dataset):
    """Pictures of a world one by one, each with its number, as a loader wants them."""

    def __init__(self, world, numbers: Sequence[int]) -> None:
        self.world, self.numbers = world, list(numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        return self.world.read([self.numbers[i]])[0], self.numbers[i]


# 3D Shapes ---------------------------------------------------------------------------------------


def shapes3d_labels() -> np.ndarray:
    sizes = (10, 10, 10, 8, 4, 15)
    tables = [np.arange(10) / 10] * 3
    tables += [np.linspace(0.75, 1.25, 8), np.arange(4.0), np.linspace(-30, 30, 15)]
    values = np.unravel_index(np.arange(480_000), sizes)
    return np.stack([table[v] for table, v in zip(tables, values, strict=True)], axis=1)


def write_shapes3d(
    path: Path,
    rows: Sequence[int] = (),
    pictures: Sequence[np.ndarray] = (),
    *,
    labels: np.ndarray | str | None = "published",
    images: tuple | None = None,
) -> Path:
    """3dshapes.h5 at its full size, where only some rows are written; the others take no room.

    labels: None leaves them out.  images: (shape, dtype) of another, empty data set.
    """
    with h5py.File(path, "w") as file:
        if labels is not None:
            file["labels"] = shapes3d_labels() if isinstance(labels, str) else labels
        if images is not None:
            file.create_dataset("images", *images)
            return path
        data = file.create_dataset(
            "images", (480_000, 64, 64, 3), "u1", chunks=(1, 64, 64, 3), compression="gzip",
            fillvalue=0,  # what was never written is meant to be black
        )  # fmt: skip
        for row, image in zip(rows, pictures, strict=True):
            data[int(row)] = image
    return path


# dSprites ----------------------------------------------------------------------------------------


def dsprites_arrays(sizes: Sequence[int] = CLASSES) -> dict[str, np.ndarray]:
    """imgs, latents_classes and latents_values; the last orientation is a full turn."""
    classes = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), axis=1)
    tables = [np.ones(1), np.arange(1.0, 1 + sizes[1]), np.linspace(0.5, 1, sizes[2])]
    tables += [np.linspace(0, 2 * np.pi, sizes[3])]
    tables += [np.linspace(0, 1, sizes[4]), np.linspace(0, 1, sizes[5])]
    values = np.stack([table[c] for table, c in zip(tables, classes.T, strict=True)], axis=1)
    alike = classes.copy()
    alike[:, 3] %= max(sizes[3] - 1, 1)
    imgs = pictures(np.ravel_multi_index(tuple(alike.T), sizes).tolist(), (64, 64), 1)
    return {"imgs": imgs, "latents_classes": classes, "latents_values": values}


def write_npz(path: Path, compressed: bool = True, **arrays: np.ndarray) -> Path:
    """An npz, with headers that are good for more than 4 GB too, as large files have them."""
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=True)
    return path


def lock(path: Path) -> Path:
    """Mark the members of a zip as encrypted; nothing else of it changes."""
    data = bytearray(path.read_bytes())
    for sign, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(sign) + flags] |= 1
    path.write_bytes(data)
    return path


def write_dsprites(folder: Path, compressed: bool = True, **changed) -> Path:
    """The npz of dSprites with its pickled metadata; a changed array of None is left out."""
    arrays = {**dsprites_arrays(), "metadata": np.array({"version": 1}, dtype=object), **changed}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    return write_npz(folder / f"{DSPRITES_FILE}.npz", compressed, **arrays)


def write_dsprites_hdf5(folder: Path, chunks: tuple[int, ...] | None, **changed) -> Path:
    path = folder / f"{DSPRITES_FILE}.hdf5"
    arrays = {**dsprites_arrays(), **changed}
    with h5py.File(path, "w") as file:
        packed = {"compression": "gzip", "chunks": chunks} if chunks else {}
        file.create_dataset("imgs", data=arrays["imgs"], **packed)
        file["latents/classes"] = arrays["latents_classes"]
        file["latents/values"] = arrays["latents_values"]
    return path


# Cars3D ------------------------------------------------------------------------------------------


def car_arrays(number: int) -> np.ndarray:
    """All pictures of one car as its file has them: uint8 (128, 128, 3, 24, 4), smooth ones."""
    image = np.empty((128, 128, 3, 24, 4), dtype=np.uint8)
    y, x = np.mgrid[:128, :128]
    for azimuth in range(24):
        for elevation in range(4):
            for c, part in enumerate((x + 9 * azimuth, y + 40 * elevation, x * y // 64)):
                image[:, :, c, azimuth, elevation] = part + 80 * number
    return image


def car_bytes(number: int, **changed) -> bytes:
    held = {"im": car_arrays(number), "mask": np.ones((128, 128, 24, 4), dtype=np.uint8), **changed}
    data = io.BytesIO()
    savemat(data, {k: v for k, v in held.items() if v is not None}, do_compression=True)
    return data.getvalue()


def write_cars(folder: Path, stems: Sequence[str] = ("car_009_mesh", "car_002_mesh")) -> Path:
    """A folder of .mat files; the list is not in the order of the names, and has a blank line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "list.txt").write_text("".join(f"{stem}\n" for stem in stems) + "\n")
    for number, stem in enumerate(stems):
        (folder / f"{stem}.mat").write_bytes(car_bytes(number))
    return folder


def write_tar(
    path: Path, files: dict[str, bytes], more: Callable[[tarfile.TarFile], object] | None = None
) -> Path:
    """A tar, packed where its name ends with gz."""
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        if more is not None:
            more(archive)
    return path


# Small NORB --------------------------------------------------------------------------------------


def norb_bytes(array: np.ndarray, order: str = "<", magic: int | None = None) -> bytes:
    """An array in the format of small NORB."""
    kinds = {"float32": 0x51, "int32": 0x54, "uint8": 0x55, "float64": 0x53}
    magic = magic or 0x1E3D4C00 + kinds[array.dtype.name]
    sizes = [*array.shape, 1, 1, 1][: max(3, array.ndim)]
    head = np.array([magic, array.ndim, *sizes], dtype=f"{order}i4").tobytes()
    return head + array.astype(array.dtype.newbyteorder(order)).tobytes()


def norb_arrays(split: str) -> dict[str, np.ndarray]:
    """dat, cat and info of a small grid: 2 elevations, 3 azimuths, 2 lightings, rows shuffled."""
    grid = np.meshgrid(range(5), NORB[split][1], range(2), (0, 2, 4), range(2), indexing="ij")
    labels = np.stack([g.ravel() for g in grid], axis=1).astype(np.int32)
    labels = labels[np.random.default_rng(len(split)).permutation(len(labels))]
    left = pictures(norb_numbers(labels), (96, 96))
    dat = np.stack([left, 255 - left], axis=1)
    return {"dat": dat, "cat": labels[:, 0].copy(), "info": labels[:, 1:].copy()}


def norb_numbers(labels: np.ndarray) -> list[int]:
    """A number for each row of labels (category, instance, elevation, azimuth, lighting)."""
    return (labels @ np.array([10**4, 10**3, 100, 10, 1])).tolist()


def write_norb(folder: Path, packed: bool = True, order: str = "<", **changed) -> Path:
    """The six files; changed: {"training_dat": other bytes, or None for no file}."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, (stem, _) in NORB.items():
        for part, array in norb_arrays(split).items():
            name = f"{stem}-{part}.mat" + (".gz" if packed else "")
            data = norb_bytes(array, order)
            data = changed.get(f"{split}_{part}", gzip.compress(data, 1) if packed else data)
            if data is not None:
                (folder / name).write_bytes(data)
    return folder
