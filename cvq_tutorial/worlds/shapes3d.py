"""Shapes3D, rendered here: a room, an object on its floor, six factors, 480,000 images.

The scene is that of DeepMind's 3D Shapes data set (Burgess and Kim, 2018): the colours of floor,
walls and object, the size and the kind of the object, and the azimuth of the camera. The pictures
are our own; nothing is downloaded.

Where the light falls depends on three factors only. So we trace 4 * 8 * 15 = 480 grey **buffers**
once: per pixel, how much of each *surface* (floor, wall, object) is seen and how bright it is
there, and how much white gloss lies on top. A picture is then a product of two small matrices,
`weights (64*64, 4) @ colours (4, 3)`, which is why thousands are made in a second and why colour
and geometry are independent causes of the pixels.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, reduce
from pathlib import Path
from typing import Literal

import numpy as np

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import cache_root
from cvq_tutorial.worlds.factors import Factor, FactorSpace

SIZE = 64  # pixels
SHAPES = ("cube", "cylinder", "sphere", "capsule")
SCALES = np.linspace(0.75, 1.25, 8)
AZIMUTHS = np.linspace(-30.0, 30.0, 15)  # degrees
_HUES = ("red", "orange", "lime", "green", "mint", "cyan", "blue", "indigo", "purple", "pink")

FACTORS = FactorSpace(
    (
        Factor("floor_hue", 10, "cyclic", _HUES),
        Factor("wall_hue", 10, "cyclic", _HUES),
        Factor("object_hue", 10, "cyclic", _HUES),
        Factor("scale", 8, values=tuple(f"{s:.2f}" for s in SCALES)),
        Factor("shape", 4, "categorical", SHAPES),
        Factor("orientation", 15, values=tuple(f"{a:.0f}" for a in AZIMUTHS)),
    )
)

Triple = Sequence[np.ndarray] | np.ndarray
Interval = tuple[np.ndarray, np.ndarray]

# The scene, in units of about one object; z is up and the object stands on the origin. The camera
# looks at the corner of two walls, so that a turn of the camera moves the corner line, both edges
# of the floor and the faces of the cube.
_ROOM = 3.6  # the two visible walls are x = _ROOM and y = _ROOM
_CAMERA = (5.2, 2.9)  # distance from the axis, height
_TARGET = 0.92  # height of the point that is looked at
_FOCAL = 1.16  # focal length / width of the picture
_CUBE = 0.80  # half of a side
_CYLINDER = (0.82, 1.75)  # radius, height
_SPHERE = 0.98  # radius
_CAPSULE = (0.62, 2.15)  # radius, height
_LIGHT = np.array([-0.60, -0.14, 0.79]) / np.linalg.norm([-0.60, -0.14, 0.79])
_AMBIENT, _DIFFUSE = 0.46, 0.56
_SHADOW_RAYS = 160  # of the sun, and as many of the sky
_REACH = 3.2  # a shadow of scale 1 ends within this distance
_RAYS = 4  # per pixel and side: 16 rays a pixel
# Saturation and value per surface: three tones, so that equal hues still show the object's edge.
_TONES = {"floor": (0.62, 0.94), "wall": (0.50, 1.0), "object": (0.88, 1.0)}


@dataclass(frozen=True)
class Shapes3D:
    """The world `shapes3d`: `render` makes the pictures of any factor values.

    Its factors are floor_hue 10, wall_hue 10, object_hue 10, scale 8, shape 4, orientation 15 (last
    fastest).

    Args:
        actions: "steps" or "set", see `factors`.

    Raises:
        ValueError: unknown actions.
    """

    actions: str = "steps"
    name: str = field(default="shapes3d", init=False)
    has_images: Literal[True] = field(default=True, init=False)
    factors: FactorSpace = field(init=False, repr=False)
    image_shape: tuple[int, int, int] = field(default=(SIZE, SIZE, 3), init=False)
    credit: str = field(
        default="Scene after 3D Shapes (Burgess and Kim, 2018); pictures rendered by cvq_tutorial.",
        init=False,
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", FACTORS.with_actions(self.actions))

    @cached_property
    def weights(self) -> np.ndarray:
        """The buffers, uint8 (480, 4096, 4): floor, wall, object, white.

        Read from the cache, or traced, when the first picture is asked for.
        """
        return _load_weights()

    @property
    def options(self) -> dict:
        """What `make_world("shapes3d", **options)` needs to make this world again."""
        return self.factors.actions_option

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what the pictures are made of, to name files that depend on them.

        Two machines may differ in the last bit of a float, so it is not for comparing machines.
        """
        return hashlib.sha256(self.weights.tobytes() + COLOURS.tobytes()).hexdigest()[:16]

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, 64, 64, 3) of factor values (B, 6), see `ImageWorld.render`."""
        values = self.factors.check(values)
        geometry = (values[:, 4] * len(SCALES) + values[:, 3]) * len(AZIMUTHS) + values[:, 5]
        images = np.empty((len(values), SIZE * SIZE, 3), dtype=np.uint8)
        for start in range(0, len(values), 32):  # 32 pictures of floats fit the processor's cache
            part = slice(start, start + 32)
            hues = values[part, :3]
            colours = np.ones((len(hues), 4, 3), dtype=np.float32)  # the last row is white
            for k in range(3):
                colours[:, k] = COLOURS[k, hues[:, k]]
            weights = self.weights[geometry[part]].astype(np.float32)  # (b, 4096, 4)
            # Adding 0.5 rounds. No clipping: the weights of a pixel add up to at most 255.
            np.add(np.matmul(weights, colours), 0.5, out=images[part], casting="unsafe")
        return images.reshape(-1, *self.image_shape)


def _hue_colours(saturation: float, value: float) -> np.ndarray:
    """Ten equally spaced hues of an HSV circle as RGB in [0, 1], float32 (10, 3)."""
    sixths = (np.arange(10)[:, None] * 0.6 + np.array([5.0, 3.0, 1.0])) % 6.0  # (10, 3)
    depth = np.clip(np.minimum(sixths, 4.0 - sixths), 0.0, 1.0)  # how much of a channel is missing
    return (value * (1.0 - saturation * depth)).astype(np.float32)


COLOURS = np.stack([_hue_colours(*_TONES[s]) for s in ("floor", "wall", "object")])  # (3, 10, 3)


# Tracing. A ray is o + t * d, with o and d triples of arrays that broadcast. A convex body meets it
# in one interval of t, given as (near, far), and empty where near > far.


def _meet_quadratic(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Interval:
    """Interval where a t^2 + 2 b t + c <= 0."""
    root = np.sqrt(np.maximum(b * b - a * c, 0))
    missed = b * b < a * c
    return np.where(missed, np.inf, (-b - root) / a), np.where(missed, -np.inf, (-b + root) / a)


def _meet_slab(o: np.ndarray, d: np.ndarray, low: float, high: float) -> Interval:
    first, second = (low - o) / d, (high - o) / d
    return np.minimum(first, second), np.maximum(first, second)


def _meet_sphere(o: Triple, d: Triple, radius: float, height: float) -> Interval:
    """Sphere on the axis of the room, its centre at a height."""
    x, y, z = o[0], o[1], o[2] - height
    a = d[0] ** 2 + d[1] ** 2 + d[2] ** 2
    return _meet_quadratic(a, x * d[0] + y * d[1] + z * d[2], x**2 + y**2 + z**2 - radius**2)


def _meet_tube(o: Triple, d: Triple, radius: float, low: float, high: float) -> Interval:
    """Upright cylinder between two heights, with its lids."""
    a = d[0] ** 2 + d[1] ** 2
    side = _meet_quadratic(a, o[0] * d[0] + o[1] * d[1], o[0] ** 2 + o[1] ** 2 - radius**2)
    lids = _meet_slab(o[2], d[2], low, high)
    return np.maximum(side[0], lids[0]), np.minimum(side[1], lids[1])


def _meet(shape: str, o: Triple, d: Triple) -> Interval:
    """Where rays are inside the body of scale 1: (near, far)."""
    if shape == "cube":
        low = (-_CUBE, -_CUBE, 0.0)
        sides = [_meet_slab(o[i], d[i], low[i], low[i] + 2 * _CUBE) for i in range(3)]
        return reduce(np.maximum, [n for n, _ in sides]), reduce(np.minimum, [f for _, f in sides])
    if shape == "cylinder":
        return _meet_tube(o, d, _CYLINDER[0], 0.0, _CYLINDER[1])
    if shape == "sphere":
        return _meet_sphere(o, d, _SPHERE, _SPHERE)
    radius, height = _CAPSULE
    parts = [
        _meet_sphere(o, d, radius, radius),
        _meet_sphere(o, d, radius, height - radius),
        _meet_tube(o, d, radius, radius, height - radius),
    ]
    near, far = np.array(np.inf), np.array(-np.inf)
    for n, f in parts:  # their union is convex, so one interval
        near = np.where(n <= f, np.minimum(near, n), near)
        far = np.where(n <= f, np.maximum(far, f), far)
    return near, far


def _normals(shape: str, p: np.ndarray) -> np.ndarray:
    """Outward unit normals (n, 3) at surface points p (n, 3) of the body of scale 1."""
    if shape == "cube":
        side = np.argmax(np.abs(p - [0, 0, _CUBE]), axis=1)
        normal = np.zeros_like(p)
        rows = np.arange(len(p))
        normal[rows, side] = np.sign(p[rows, side] - np.array([0, 0, _CUBE])[side])
        return normal
    if shape == "cylinder":
        lid = p[:, 2:] > _CYLINDER[1] - 1e-3
        return np.where(lid, [0.0, 0.0, 1.0], p * [1, 1, 0] / _CYLINDER[0])
    radius, height = (_SPHERE, 2 * _SPHERE) if shape == "sphere" else _CAPSULE
    centre = np.zeros_like(p)  # a capsule is a sphere pulled along a piece of the axis
    centre[:, 2] = np.clip(p[:, 2], radius, height - radius)
    return (p - centre) / radius


def _shadow(shape: str, side: int = 97) -> np.ndarray:
    """Light on the floor around the body of scale 1: float (side, side), [x, y], both in +-_REACH.

    The body and its shadow grow together, so one map serves all scales. A soft light (directions
    near _LIGHT) and the open sky (directions of the half-sphere): the second gives the dark line of
    contact. Averaging over neighbours removes the pattern that a fixed set of directions leaves.
    """
    i = np.arange(_SHADOW_RAYS) + 0.5
    radius, turn = np.sqrt(i / _SHADOW_RAYS), i * np.pi * (3 - np.sqrt(5))  # even points of a disc
    disc = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    sun = _LIGHT + 0.22 * np.concatenate([disc, np.zeros((_SHADOW_RAYS, 1))], axis=1)
    sky = np.concatenate([disc, np.sqrt(1 - radius**2)[:, None]], axis=1)  # cosine-weighted
    x = np.linspace(-_REACH, _REACH, side)[:, None]
    light = np.zeros((side, side))
    for directions, strength in ((sun, _DIFFUSE * _LIGHT[2]), (sky, _AMBIENT)):
        for d in directions + 1e-7:  # never exactly along an axis
            near, far = _meet(shape, (x, x.T, np.array(1e-4)), d)
            light += strength / len(directions) * ~((near <= far) & (far > 0))
    for _ in range(2):
        edged = np.pad(light, 1, mode="edge")
        shifted = [edged[i : i + side, j : j + side] for i in range(3) for j in range(3)]
        light = np.mean(shifted, axis=0)
    return np.maximum(light, 0.2)  # the floor under the body, which edge pixels see a little of


def _look_up(table: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear reading of the map that `_shadow` made; its border goes on outside."""
    top = len(table) - 1
    u = np.clip((x / _REACH + 1) / 2 * top, 0, top - 1e-3)
    v = np.clip((y / _REACH + 1) / 2 * top, 0, top - 1e-3)
    i, j = u.astype(int), v.astype(int)
    u, v = u - i, v - j
    low = table[i, j] * (1 - v) + table[i, j + 1] * v
    return low * (1 - u) + (table[i + 1, j] * (1 - v) + table[i + 1, j + 1] * v) * u


def _camera(azimuth: float, rays: int) -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and directions (3, R) of a view's rays: pixel by pixel, rows downwards."""
    turn = np.deg2rad(45.0 + azimuth)
    flat = np.array([np.cos(turn), np.sin(turn), 0.0])
    origin = -_CAMERA[0] * flat + [0.0, 0.0, _CAMERA[1]]
    forward = np.array([0.0, 0.0, _TARGET]) - origin
    forward /= np.linalg.norm(forward)
    right = np.array([flat[1], -flat[0], 0.0])
    up = np.cross(right, forward)
    pixel, part = np.divmod(np.arange(SIZE * rays), rays)
    offset = ((pixel + (part + 0.5) / rays) / SIZE - 0.5) / _FOCAL
    grid = forward - offset[:, None, None] * up + offset[None, :, None] * right
    grid = grid.reshape(SIZE, rays, SIZE, rays, 3)  # (row, part, column, part, 3)
    return origin, grid.transpose(4, 0, 2, 1, 3).reshape(3, -1)


def _trace(
    shape: str, scale: float, azimuth: float, light: np.ndarray, rays: int = _RAYS
) -> np.ndarray:
    """One buffer, uint8 (4096, 4): floor, wall, object, white, adding up to at most 255."""
    origin, d = _camera(azimuth, rays)
    with np.errstate(divide="ignore", invalid="ignore"):
        ahead = [(_ROOM - origin[0]) / d[0], (_ROOM - origin[1]) / d[1], -origin[2] / d[2]]
        ahead = [np.where(t > 0, t, np.inf) for t in ahead]
        surface = np.argmin(ahead, axis=0)  # wall x, wall y, floor
        point = origin[:, None] + np.min(ahead, axis=0) * d  # (3, R)
        near, far = _meet(shape, origin / scale, d)
    # Corners of a room are darker: less of the room shines into them.
    gaps = (_ROOM - point[0], _ROOM - point[1], point[2])
    dim_x, dim_y, dim_z = (1 - 0.22 * np.exp(-np.abs(gap) / 0.45) for gap in gaps)
    wall = _AMBIENT + _DIFFUSE * np.where(surface == 0, -_LIGHT[0], -_LIGHT[1])
    wall *= np.where(surface == 0, dim_y, dim_x) * dim_z * (0.92 + 0.05 * np.minimum(point[2], 3))
    floor = _look_up(light, point[0] / scale, point[1] / scale) * dim_x * dim_y
    weights = np.zeros((d.shape[1], 4))
    weights[:, 0] = np.where(surface == 2, floor, 0.0)
    weights[:, 1] = np.where(surface == 2, 0.0, wall)

    seen = np.flatnonzero(near <= far)
    ray = d[:, seen].T  # (n, 3)
    place = origin / scale + near[seen, None] * ray
    normal = _normals(shape, place)
    sky = np.clip((normal[:, 2] + 1) / 2 + 0.35 * np.minimum(place[:, 2], 1), 0, 1)
    lambert = np.maximum(normal @ _LIGHT, 0)
    half = _LIGHT - ray / np.linalg.norm(ray, axis=1, keepdims=True)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    gloss = 0.30 * np.maximum(np.sum(normal * half, axis=1), 0) ** 48
    weights[seen] = 0.0
    weights[seen, 2] = (_AMBIENT * (0.62 + 0.38 * sky) + _DIFFUSE * lambert) * (1 - gloss)
    weights[seen, 3] = gloss
    mean = weights.reshape(SIZE * SIZE, rays * rays, 4).mean(axis=1)  # anti-aliasing
    levels = np.rint(255 * mean / np.maximum(mean.sum(axis=1, keepdims=True), 1))
    levels[:, 3] -= np.maximum(levels.sum(axis=1) - 255, 0)  # four roundings can add up to 257
    return levels.astype(np.uint8)


def build_weights() -> np.ndarray:
    """Trace all buffers: uint8 (480, 4096, 4), number (shape * 8 + scale) * 15 + orientation."""
    lit = [(shape, _shadow(shape)) for shape in SHAPES]
    views = itertools.product(lit, SCALES, AZIMUTHS)
    return np.stack([_trace(shape, scale, turn, light) for (shape, light), scale, turn in views])


def cache_path() -> Path:
    """The cache file. Its name holds a hash of this module: a changed scene is traced afresh."""
    return cache_root() / f"shapes3d-{_source_hash()}.npz"


@lru_cache(maxsize=1)
def _source_hash() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def _read(path: Path) -> np.ndarray | None:
    """The cached buffers, or None where the file is absent, damaged or not as its hash says."""
    shape = (len(SHAPES) * len(SCALES) * len(AZIMUTHS), SIZE * SIZE, 4)
    try:
        with np.load(path, allow_pickle=False) as file:
            weights, digest = file["weights"], file["sha256"].tobytes()
    except Exception:  # a damaged archive raises nearly anything: zip, zlib, key, value errors
        return None
    if weights.shape != shape or weights.dtype != np.uint8:
        return None
    return weights if hashlib.sha256(weights.tobytes()).digest() == digest else None


@lru_cache(maxsize=1)
def _load_weights() -> np.ndarray:
    path = cache_path()
    weights = _read(path)
    if weights is None:
        weights = build_weights()
        digest = np.frombuffer(hashlib.sha256(weights.tobytes()).digest(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, weights=weights, sha256=digest)
        try:
            write_atomic(path, buffer.getvalue())
        except OSError as error:
            warnings.warn(f"shapes3d starts slowly each time: {error}", stacklevel=2)
    weights.setflags(write=False)
    return weights
