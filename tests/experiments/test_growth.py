"""Growth: what is measured is a step, slopes are slopes, and the formula is held to tensors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small_models import made

from cvq_tutorial.experiments import growth
from cvq_tutorial.method.causal_transition import CausalTransition, transition_loss
from cvq_tutorial.training.build import build
from cvq_tutorial.training.data import training_codes
from cvq_tutorial.training.recipes import get
from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.make import make_world

FIGURES = Path(__file__).resolve().parent.parent.parent / "figures"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "QUICK", {"nodes": (16, 64), "actions": (10, 200)})
        out = tmp_path_factory.mktemp("growth") / "growth.json"
        said: list[str] = []
        return growth.run(out, True, said.append), out, said


def test_every_size_is_measured_in_a_process_and_written(result):
    told, out, said = result
    assert json.loads(out.read_text()) == told
    page = out.with_suffix(".md").read_text()
    assert said == [page] and page.startswith("# Growth on paper") and page.endswith("\n")
    assert {axis: [r["size"] for r in found["rows"]] for axis, found in told["axes"].items()} == {
        "nodes": [16, 64], "actions": [10, 200],
    }  # fmt: skip
    for axis, found in told["axes"].items():
        for row in found["rows"]:
            assert row["ms"] > 0 and row["bytes"] > 1 and row["before"] > 50e6
            sizes = growth.BASE | {"nodes": 16, axis: row["size"]}
            assert row["formula"] == growth.bytes_of_a_step(**sizes)
            assert f"| {row['size']} |" in page
    small, large = (r["bytes"] for r in told["axes"]["nodes"]["rows"])
    assert large > small


def test_a_slope_is_the_power():
    assert growth.slope([2, 4, 8], [3 * 2.0**2, 3 * 4.0**2, 3 * 8.0**2]) == pytest.approx(2)
    assert growth.slope([10, 100], [5.0, 5.0]) == pytest.approx(0)


def test_a_step_that_fails_is_one_line():
    with pytest.raises(RuntimeError, match=r"'actions': 0\} failed: \w*Error"):
        growth.in_its_own(growth.BASE | {"actions": 0})


@pytest.mark.parametrize(
    "sizes", [(96, 2, 8, 5), (48, 8, 64, 5), (24, 2, 512, 5), (48, 2, 8, 300)], ids=str
)
def test_the_formula_is_near_what_torch_keeps(sizes):
    """Weights as many; what waits for the way back, no more than the formula has for all."""
    nodes, codebooks, codes, actions = sizes
    net = CausalTransition(
        nodes, codebooks, codes, actions, width=growth.WIDTH, reads=growth.READS
    ).train()
    kept: dict[int, int] = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    x = torch.zeros(8, nodes, codebooks, dtype=torch.int64)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        out = net(x, torch.zeros(8, dtype=torch.int64), generator=torch.Generator())
        transition_loss(out, x, mask_price=0.1, edge_price=0.1)
    formula = growth.bytes_of_a_step(nodes, codebooks, codes, actions) - growth.FIXED
    weights = 16 * sum(p.numel() for p in net.parameters()) + net.allowed.nbytes
    assert weights + sum(kept.values()) < 1.1 * formula
    assert formula < 2.5 * (weights + sum(kept.values()))


@pytest.mark.parametrize(("codes", "dtype"), [(256, torch.uint8), (257, torch.int16)])
def test_codes_of_the_training_are_kept_in_bytes_where_they_fit(codes, dtype):
    world = CodesWorld(n_variables=5, n_codes=codes, n_actions=2, max_parents=1)
    recipe = get("nano", transitions=50)
    net = CausalTransition(5, 1, codes, 2, width=16)
    model = type(made())(None, net, ["a", "b"])
    x, actions, y, _ = training_codes(world, model, recipe, 0)
    assert x.dtype == y.dtype == dtype
    found = world.sample(50, "train", 0)
    assert torch.equal(x.long(), torch.from_numpy(found.x))
    assert torch.equal(y.long(), torch.from_numpy(found.y))
    assert x.nbytes + y.nbytes + actions.nbytes == growth.bytes_of_transitions(50, 5, 1, codes)


def test_pictures_are_kept_in_bytes_too():
    world, recipe = make_world("shapes3d"), get("nano", transitions=9)
    model = build(world, recipe).eval()
    x, actions, y, _ = training_codes(world, model, recipe, 0)
    assert x.shape == (9, 64, 2) and x.dtype == torch.uint8
    assert x.nbytes + y.nbytes + actions.nbytes == growth.bytes_of_transitions(9, 64, 2, 16)
    assert torch.equal(x[5:], y[:4])
    # the recipe `paper`: a twentieth of 8 GB
    paper = get("paper")
    size = growth.bytes_of_transitions(paper.transitions, 64, paper.codebooks, paper.codes)
    assert size == 208_000_000


def test_the_page_is_what_was_measured_and_near_the_formula():
    told = json.loads((FIGURES / "growth.json").read_text())
    assert (FIGURES / "growth.md").read_text() == growth.markdown(told)
    for axis, sizes in growth.AXES.items():
        rows = told["axes"][axis]["rows"]
        assert tuple(row["size"] for row in rows) == sizes
        for row in rows:
            assert row["formula"] == growth.bytes_of_a_step(**growth.BASE | {axis: row["size"]})
            assert row["bytes"] == pytest.approx(row["formula"], rel=0.12)
    largest = told["axes"]["nodes"]["rows"][-1]
    assert largest["size"] == 1024 and largest["before"] + largest["bytes"] < 2e9
