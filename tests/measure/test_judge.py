"""The judge learns a small world, is not thrown by softness, and its cache cannot mislead."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.measure import judge as judges
from cvq_tutorial.measure.judge import Judge, accuracy, load_or_train_judge, soften, train_judge
from cvq_tutorial.worlds.factors import Factor, FactorSpace

COLORS = np.array([[230, 60, 40], [40, 200, 60], [60, 90, 230], [240, 220, 60]])


@dataclass(frozen=True)
class Squares:
    """A square of one of four colours at one of 25 places before one of five greys, 16x16."""

    name: str = "squares"
    has_images: bool = True
    darkest: int = 10
    image_shape: tuple[int, int, int] = (16, 16, 3)
    options: dict = field(default_factory=dict)
    factors: FactorSpace = field(
        default_factory=lambda: FactorSpace(
            (
                Factor("color", 4, kind="categorical"),
                Factor("row", 5),
                Factor("column", 5),
                Factor("grey", 5),
            )
        )
    )

    def render(self, values: np.ndarray) -> np.ndarray:
        images = np.zeros((len(values), *self.image_shape), dtype=np.uint8)
        for image, (color, row, column, grey) in zip(images, values, strict=True):
            image[:] = self.darkest + 45 * grey
            image[2 * row + 2 : 2 * row + 6, 2 * column + 2 : 2 * column + 6] = COLORS[color]
        return images


WORLD = Squares()


@pytest.fixture(scope="module")
def trained() -> Judge:
    return train_judge(WORLD, seed=0, steps=120, batch=64, progress=False)


def unseen(n: int = 200) -> tuple[np.ndarray, torch.Tensor]:
    values = sample_values(WORLD.factors, n, "test", seed=5)
    return values, to_float(WORLD.render(values))


# Reading -----------------------------------------------------------------------------------------


def test_the_judge_reads_images_it_has_never_seen(trained):
    shares = accuracy(trained, WORLD, "test", n=300, seed=1)
    assert list(shares) == ["color", "row", "column", "grey", "all"]
    assert min(shares.values()) >= 0.99
    assert shares["all"] == min(shares.values())


def test_an_untrained_judge_is_near_chance():
    shares = accuracy(Judge(WORLD.factors.sizes, WORLD.image_shape), WORLD, n=300)
    assert shares["all"] < 0.2


def test_the_judge_is_not_thrown_by_softness(trained):
    values, images = unseen()
    box = torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    noisy = images + 0.03 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    for soft in (box, noisy.clamp(0, 1)):
        assert (trained.read(soft).numpy() == values).mean() >= 0.98


def test_reading_is_deterministic_and_does_not_depend_on_the_batch(trained):
    _, images = unseen(30)
    whole = trained.read(images)
    assert whole.shape == (30, 4) and whole.dtype == torch.int64
    assert torch.equal(whole, trained.read(images, batch_size=7))
    assert torch.equal(whole[3:4], trained.read(images[3:4]))


def test_reading_uses_evaluation_mode_and_restores_the_other(trained):
    _, images = unseen(30)
    want = trained.read(images)
    before = {k: v.clone() for k, v in trained.state_dict().items()}
    trained.train()
    assert torch.equal(trained.read(images), want)
    assert trained.training
    trained.eval()
    assert all(torch.equal(v, before[k]) for k, v in trained.state_dict().items())


def test_reading_nothing_and_wrong_things(trained):
    assert trained.read(torch.zeros(0, 3, 16, 16)).shape == (0, 4)
    with pytest.raises(ValueError, match=r"\(B, 3, 16, 16\), found \(1, 16, 16, 3\)"):
        trained.read(torch.zeros(1, 16, 16, 3))
    with pytest.raises(TypeError, match=r"floats in .*, found torch\.uint8"):
        trained.read(torch.zeros(1, 3, 16, 16, dtype=torch.uint8))


@pytest.mark.parametrize("shape", [(8, 8, 3), (9, 20, 3), (64, 64, 3), (100, 64, 3)])
def test_scores_have_one_column_per_value(shape):
    height, width, _ = shape
    scores = Judge((3, 7), shape).eval()(torch.rand(2, 3, height, width))
    assert [tuple(s.shape) for s in scores] == [(2, 3), (2, 7)]


def test_a_judge_refuses():
    with pytest.raises(
        ValueError, match=r"\(H, W, 3\) with sides of at least 8, found \(4, 4, 3\)"
    ):
        Judge((2,), (4, 4, 3))
    with pytest.raises(ValueError, match="sizes must be positive"):
        Judge((), (16, 16, 3))
    with pytest.raises(ValueError, match="steps must be >= 1 and batch >= 2, found 0 and 1"):
        train_judge(WORLD, steps=0, batch=1)
    codes = dataclasses.replace(WORLD, name="codes", has_images=False)
    for make in (train_judge, load_or_train_judge):
        with pytest.raises(ValueError, match="reads images, found the world 'codes'"):
            make(codes)


# Training ----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_judge_and_leaves_the_global_state():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    one, two, other = (
        train_judge(WORLD, seed, steps=3, batch=8, progress=False).state_dict()
        for seed in (7, 7, 8)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not torch.equal(one["heads.weight"], other["heads.weight"])


class Counted(Squares):
    """Counts the images that it renders."""

    def render(self, values: np.ndarray) -> np.ndarray:
        rendered.append(len(values))
        return super().render(values)


rendered: list[int] = []


def test_training_is_one_line_where_nobody_watches(capfd):
    train_judge(WORLD, steps=2, batch=8, progress=True)
    assert capfd.readouterr() == ("judge: 2 steps\n", "")


def test_the_pool_of_images_is_bounded_in_number_and_in_bytes(monkeypatch):
    assert judges.pool_size((16, 16, 3)) == judges.pool_size((64, 64, 3)) == judges.POOL == 16384
    assert judges.pool_size((128, 128, 3)) == 4096
    assert judges.pool_size((512, 512, 3)) == 256
    monkeypatch.setattr(judges, "POOL_BYTES", 1500 * 16 * 16 * 3)
    rendered.clear()
    train_judge(Counted(), steps=300, batch=8, progress=False)
    assert sum(rendered) == 1500 and max(rendered) <= 1024
    rendered.clear()
    train_judge(Counted(), steps=2, batch=8, progress=False)
    assert sum(rendered) == 16  # no more than it draws


def test_only_a_smaller_pool_is_part_of_the_identity(monkeypatch):
    """Judges of small pictures that were kept before pools were bounded by bytes stay good."""
    usual = judges.identity(WORLD, 0, 250)
    assert "pool" not in usual
    monkeypatch.setattr(judges, "POOL_BYTES", 1500 * 16 * 16 * 3)
    assert '"pool": 1500' in judges.identity(WORLD, 0, 250) != usual


def test_soften_keeps_shape_and_range_and_follows_its_generator():
    _, images = unseen(64)
    one, two = (soften(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == images.shape and one.min() >= 0 and one.max() <= 1
    assert not torch.equal(one, soften(images, torch.Generator().manual_seed(4)))


def test_soften_leaves_some_images_sharp_and_none_unreadable():
    images = to_float(WORLD.render(sample_values(WORLD.factors, 400, "train", 0)))
    error = ((soften(images, torch.Generator().manual_seed(0)) - images) ** 2).mean(dim=(1, 2, 3))
    decibel = -10 * error.clamp_min(1e-10).log10()
    assert (decibel > 60).float().mean() > 0.02
    assert decibel.min() > 12


def test_blur_matrices_against_a_loop():
    sigma = torch.tensor([0.0, 0.7, 1.2])
    matrices = judges._blur_matrices(9, sigma)
    assert torch.allclose(matrices.sum(dim=2), torch.ones(3, 9))
    assert torch.allclose(matrices[0], torch.eye(9))
    weights = [np.exp(-((4 - place) ** 2) / (2 * 0.7**2)) for place in range(9)]
    assert np.allclose(matrices[1, 4].numpy(), np.array(weights) / sum(weights), atol=1e-6)


def test_shrink_matrices_keep_flat_lines_and_full_size():
    matrices = judges._shrink_matrices(16)
    for matrix, share in zip(matrices, judges.SHRINK, strict=True):
        assert torch.allclose(matrix @ torch.full((16,), 0.3), torch.full((16,), 0.3), atol=1e-6)
        assert torch.allclose(matrix, torch.eye(16)) == (share == 1.0)


# Cache -------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path))
    return tmp_path / "judges"


def quick(world: Squares = WORLD, **options) -> Judge:
    return load_or_train_judge(world, **{"steps": 2, "batch": 4, "progress": False, **options})


def refuse_to_train(*_args, **_options):
    raise AssertionError("trained again")


def test_the_second_call_loads_what_the_first_one_trained(cache, monkeypatch):
    first = quick()
    monkeypatch.setattr(judges, "train_judge", refuse_to_train)
    second = quick()
    assert not second.training
    state = second.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in first.state_dict().items())
    assert [p.suffix for p in cache.iterdir()] == [".safetensors"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_trained_anew_and_replaced(cache, monkeypatch, damage):
    want = quick().state_dict()
    (path,) = cache.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[-5] ^= 0x40
    path.write_bytes({"cut": data[:-100], "flipped": data, "empty": b""}[damage])
    again = quick().state_dict()
    assert all(torch.equal(v, again[k]) for k, v in want.items())
    monkeypatch.setattr(judges, "train_judge", refuse_to_train)
    quick()


def test_other_pixels_or_arguments_are_another_judge(cache):
    quick()
    quick(Squares(darkest=11))
    quick(seed=1)
    quick(steps=3)
    assert len(list(cache.iterdir())) == 4


def test_a_cache_that_cannot_be_written_does_not_stop_the_judge(tmp_path, monkeypatch):
    blocked = tmp_path / "a_file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("CVQ_CACHE", str(blocked))
    assert isinstance(quick(), Judge)
    assert blocked.read_text() == "not a folder"
