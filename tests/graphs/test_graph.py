"""CausalGraph: against slow, obvious versions; orientation; what is refused, and how."""

from __future__ import annotations

import itertools
from dataclasses import FrozenInstanceError

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

from cvq_tutorial.graphs import (
    groups as graph_groups,
)
from cvq_tutorial.graphs import (
    paths as graph_paths,
)
from cvq_tutorial.graphs import (
    scores as graph_metrics,
)
from cvq_tutorial.graphs.difference import GraphDifference, stability
from cvq_tutorial.graphs.graph import CausalGraph, masks_of
from cvq_tutorial.method.autoencoder import QuantizedAutoencoder
from cvq_tutorial.method.causal_transition import CausalTransition
from cvq_tutorial.method.codebooks import Quantizer
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.method.published import make_model
from cvq_tutorial.run import gallery
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world

TWO = np.array([[0.0, 1.0], [0.0, 0.0]])  # node 0 is the only cause of node 1


def some(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, n))


def sparse(n: int, seed: int = 0, density: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((n, n)) < density) * rng.uniform(0.5, 1, (n, n))


@pytest.fixture(scope="module")
def codes_model() -> tuple[CausalVQ, torch.Tensor]:
    """An untrained model of the world `codes`, and codes for it."""
    world = make_world("codes", n_variables=6, n_actions=3)
    torch.manual_seed(0)
    model = checkpoints.build(world, recipes.get("nano", "codes")).eval()
    return model, torch.from_numpy(world.sample(9, "test", 0).x)


def image_model(layout: str) -> CausalVQ:
    """An untrained model of 16 x 16 images with 2 codebooks on 2 x 2 places."""
    torch.manual_seed(1)
    auto = QuantizedAutoencoder(Quantizer(8, 2, 5), (16, 16, 3), width=16, blocks=1)
    places = auto.grid[0] * auto.grid[1]
    nodes, books = (places, 2) if layout == "places" else (2 * places, 1)
    transition = CausalTransition(nodes, books, 5, 2, width=16)
    return make_model(auto, transition, ["hue+", "hue-"], layout=layout).eval()


# What it is --------------------------------------------------------------------------------------


def test_two_nodes_row_is_cause_and_column_is_effect():
    graph = CausalGraph(TWO)
    assert graph.parents(1) == {0} and graph.children(0) == {1}
    assert graph.parents(0) == set() == graph.children(1)
    assert graph.pairs() == [(0, 1, 1.0)]
    assert graph.ancestors(1) == {0} and graph.descendants(0) == {1}


def test_it_is_frozen_and_shares_no_memory():
    edges = TWO.copy()
    graph = CausalGraph(edges, set_by=np.array([0.0, 1.0]))
    edges[0, 1] = 0.3
    assert graph.edges[0, 1] == 1.0
    with pytest.raises(FrozenInstanceError):
        graph.limit = 0.1
    for array in (graph.edges, graph.set_by):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ({}, "v0", "v7"),
        ({"grid": (2, 4)}, "r0c0", "r1c3"),
        ({"grid": (2, 2), "codebooks": 2}, "b0r0c0", "b1r1c1"),
        ({"names": tuple("abcdefgh")}, "a", "h"),
    ],
)
def test_nodes_have_names(given, first, last):
    graph = CausalGraph(np.zeros((8, 8)), **given)
    assert (graph.names[0], graph.names[-1], len(graph.names)) == (first, last, 8)
    assert graph.index(last) == graph.index(7) == graph.index(np.int64(7)) == 7


def test_tensors_and_digraphs_and_graphs_are_taken():
    tensor = torch.tensor(TWO, dtype=torch.float32, requires_grad=True)
    digraph = nx.DiGraph([("x", "y")])
    for given in (tensor, digraph, TWO.tolist(), TWO.astype(bool), CausalGraph(TWO)):
        assert np.array_equal(CausalGraph(given).edges, TWO)


def test_it_says_in_one_line_what_it_is():
    graph = CausalGraph(TWO, action="hue+", n=32)
    assert repr(graph) == (
        "<CausalGraph: 2 nodes, 1 edges of at least 0.50, action hue+, mean of 32>"
    )


@pytest.mark.parametrize(
    ("edges", "given", "error", "message"),
    [
        (np.array([[0, np.nan], [0, 0]]), {}, ValueError, "edges must be finite, found NaN"),
        (np.array([[0, -0.1], [0, 0]]), {}, ValueError, r"in \[0, 1\], found -0.1 to 0"),
        (np.array([[0, 1.5], [0, 0]]), {}, ValueError, r"in \[0, 1\], found 0 to 1.5"),
        (np.zeros((2, 3)), {}, ValueError, r"shape \(N, N\), found \(2, 3\)"),
        (np.zeros((0, 0)), {}, ValueError, r"found \(0, 0\)"),
        (np.zeros(4), {}, ValueError, r"found \(4,\)"),
        (np.full((1, 1), "x"), {}, TypeError, "must be numbers"),
        (np.zeros((5000, 5000), bool), {}, ValueError, "at most 4096 nodes, found 5000"),
        (nx.Graph([(0, 1)]), {}, TypeError, "must be directed .*, found an undirected one"),
        (nx.MultiDiGraph([(0, 1)]), {}, TypeError, "found a multigraph"),
        (nx.DiGraph(), {}, ValueError, r"found \(0, 0\)"),
        (nx.DiGraph([(0, 1, {"weight": "x"})]), {}, TypeError, "0 -> 1 must be a number"),
        (TWO, {"names": ["a"]}, ValueError, "expected 2 node names, found 1"),
        (TWO, {"names": ["a", "a"]}, ValueError, "node names must differ, found 'a' twice"),
        (TWO, {"names": ["a", ""]}, ValueError, "a node name must be a text"),
        (TWO, {"names": ["a", "b\0"]}, ValueError, "without control characters"),
        (TWO, {"names": ["a", "\ud800"]}, ValueError, "without control characters"),
        (TWO, {"names": [1, 2]}, TypeError, "names must be a sequence of texts"),
        (TWO, {"names": "ab"}, TypeError, "names must be a sequence of texts"),
        (TWO, {"action": "a\r"}, ValueError, "action must be a text"),
        (TWO, {"n": 0}, ValueError, "n must be at least 1"),
        (TWO, {"n": 1.5}, TypeError, "n must be an integer, found 1.5"),
        (TWO, {"set_by": [0.5]}, ValueError, r"set_by must have shape \(2\), found \(1,\)"),
        (TWO, {"set_by": [0, 2]}, ValueError, "set_by must be probabilities"),
        (TWO, {"grid": (2, 2)}, ValueError, r"\(rows, columns\) of 2 nodes, found \(2, 2\)"),
        (TWO, {"codebooks": 2}, ValueError, "2 codebooks need a grid"),
        (TWO, {"codebooks": 3, "grid": (1, 1)}, ValueError, "a multiple of 3 nodes, found 2"),
        (TWO, {"limit": 0}, ValueError, r"threshold must lie in \(0, 1\], found 0"),
    ],
)
def test_what_is_no_graph_is_refused_with_one_line(edges, given, error, message):
    with pytest.raises(error, match=message) as caught:
        CausalGraph(edges, **given)
    assert "\n" not in str(caught.value)


def test_an_unknown_node_is_refused_with_the_nearest_name():
    graph = CausalGraph(TWO, ["floor", "wall"])
    with pytest.raises(ValueError, match="unknown node 'wal'; did you mean 'wall'"):
        graph.parents("wal")
    for node in (2, -1, 0.0, None):
        with pytest.raises(ValueError, match=r"node must be a name or lie in 0\.\.1, found"):
            graph.children(node)


def test_one_node_and_no_edges():
    one = CausalGraph(np.ones((1, 1)))
    assert one.cycles() == [(0,)] and one.parents(0) == {0} and one.ancestors(0) == set()
    none = CausalGraph(np.zeros((3, 3)))
    assert none.pairs() == [] == none.cycles() and none.top_k(2).pairs() == []


# From a model ------------------------------------------------------------------------------------


def test_of_a_model_is_the_mean_of_its_graphs(codes_model):
    model, x = codes_model
    graph = CausalGraph.of(model, x, "a1")
    assert np.allclose(graph.edges, model.graph(x, 1).double().mean(0), atol=1e-6)
    assert np.allclose(graph.set_by, model.intervene(x, 1).mask[..., 0].mean(0), atol=1e-6)
    assert (graph.action, graph.n, graph.grid, graph.names[0]) == ("a1", 9, None, "v0")


def test_no_action_sets_nothing_and_reads_nothing(codes_model):
    graph = CausalGraph.of(*codes_model, None)
    assert graph.action is None and not graph.edges.any() and not graph.set_by.any()


@pytest.mark.parametrize("layout", ["places", "codebook_places"])
def test_of_a_model_of_images(layout):
    model = image_model(layout)
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    graph = CausalGraph.of(model, images, "hue-")
    again = CausalGraph.of(model, model.encode(images), 1)
    assert np.array_equal(graph.edges, again.edges)
    assert np.allclose(graph.edges, model.graph(images, 1).double().mean(0), atol=1e-6)
    assert graph.grid == model.grid and graph.n_nodes == model.n_nodes
    mask = model.to_nodes(model.intervene(images, 1).mask)  # as the layout has its nodes
    assert np.allclose(graph.set_by, mask.amax(-1).mean(0), atol=1e-6)
    assert graph.codebooks == (1 if layout == "places" else 2)


def test_of_refuses_what_the_model_refuses(codes_model):
    model, x = codes_model
    with pytest.raises(ValueError, match="unknown action 'a7'"):
        CausalGraph.of(model, x, "a7")
    with pytest.raises(ValueError, match="expected at least one image, found an empty batch"):
        CausalGraph.of(model, x[:0], 0)
    with pytest.raises(ValueError, match="codes must have 6 nodes"):
        CausalGraph.of(model, x[:, :4], 0)


def test_masks_of_has_a_row_per_action(codes_model):
    masks = masks_of(*codes_model)
    assert masks.shape == (3, 6)
    assert np.array_equal(masks[2], CausalGraph.of(*codes_model, 2).set_by)


def test_a_watch_keeps_a_graph_per_row_and_does_not_change_the_training(tmp_path):
    world = make_world("codes", n_variables=4, n_actions=2, n_targets=1)
    recipe = recipes.get("nano", "codes", transition_steps=4, transitions=50)
    watch = gallery.Watch(torch.from_numpy(world.sample(5, "test", 0).x), "a1")
    options = {"device": "cpu", "progress": False}
    seen = train(world, recipe, 0, tmp_path / "a", on_log=watch, **options)
    alone = train(world, recipe, 0, tmp_path / "b", **options)
    steps = [step for step, _ in watch.snapshots]
    assert steps == sorted(set(steps)) and steps[-1] == 4
    assert all(graph.action == "a1" for _, graph in watch.snapshots)
    assert all(
        torch.equal(a, b) for a, b in zip(seen.parameters(), alone.parameters(), strict=True)
    )


# Fewer edges -------------------------------------------------------------------------------------


def test_threshold_drops_what_is_below_it_and_is_remembered():
    graph = CausalGraph([[0.2, 0.5], [0.8, 0.49]]).threshold(0.5)
    assert graph.edges.tolist() == [[0, 0.5], [0.8, 0]]
    low = CausalGraph([[0.2, 0.5], [0.8, 0.1]]).threshold(0.2)
    assert low.limit == 0.2 and low.parents(0) == {0, 1}
    with pytest.raises(ValueError, match="threshold must lie in"):
        graph.threshold(1.1)


def test_top_k_keeps_the_likeliest_in_a_fixed_order():
    graph = CausalGraph([[0.9, 0.7], [0.7, 0.3]])
    assert [pair[:2] for pair in graph.top_k(2).pairs()] == [(0, 0), (0, 1)]
    assert len(graph.top_k(100).pairs()) == 3, "an edge below the limit is not there"
    with pytest.raises(ValueError, match="k must be at least 1"):
        graph.top_k(0)


def test_used_drops_edges_into_nodes_that_are_not_set():
    graph = CausalGraph(np.ones((3, 3)), set_by=[0.4, 0.5, 0.9])
    assert graph.used().edges.tolist() == [[0, 1, 1]] * 3
    assert np.array_equal(CausalGraph(np.ones((2, 2))).used().edges, np.ones((2, 2)))


# Paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_reach_agrees_with_networkx(seed):
    edges = sparse(12, seed, 0.12)
    graph, other = CausalGraph(edges), nx.DiGraph(np.argwhere(edges > 0).tolist())
    other.add_nodes_from(range(12))
    for node in range(12):
        assert graph.ancestors(node) == nx.ancestors(other, node)
        assert graph.descendants(node) == nx.descendants(other, node)


@pytest.mark.parametrize("seed", range(8))
def test_all_cycles_are_found_where_there_are_few(seed):
    edges = sparse(7, seed, 0.25)
    want = set()
    for length in range(1, 8):
        for nodes in itertools.permutations(range(7), length):
            ring = zip(nodes, nodes[1:] + nodes[:1], strict=True)
            if nodes[0] == min(nodes) and all(edges[i, j] > 0 for i, j in ring):
                want.add(nodes)
    found = CausalGraph(edges).cycles(at_most=10_000)
    assert len(found) == len(set(found)) and set(found) == want
    assert [len(cycle) for cycle in found] == sorted(len(cycle) for cycle in found)


def test_cycles_of_a_full_graph_are_bounded_and_the_shortest_come_first():
    found = CausalGraph(np.ones((64, 64))).cycles(at_most=200)
    assert len(found) == 200
    assert found[:64] == [(n,) for n in range(64)] and {len(c) for c in found[64:]} == {2}


def test_a_long_cycle_is_found():
    ring = np.roll(np.eye(300), 1, axis=1)
    assert CausalGraph(ring).cycles() == [tuple(range(300))]


@pytest.mark.parametrize("seed", range(6))
def test_without_the_closing_edges_there_is_no_cycle(seed):
    present = sparse(15, seed, 0.15) > 0
    closing = graph_paths.closing(present)
    assert not (closing & ~present).any()
    rest = present & ~closing & ~np.eye(15, dtype=bool)
    assert nx.is_directed_acyclic_graph(nx.DiGraph(np.argwhere(rest).tolist()))
    for i, j in np.argwhere(closing):  # each of them is on a cycle
        assert i in CausalGraph(present * 1.0).descendants(int(j))
    depth = graph_paths.depth(rest)
    assert all(depth[i] < depth[j] for i, j in np.argwhere(rest))
    assert not graph_paths.closing(np.triu(np.ones((9, 9), bool))).any(), "nothing to close here"


# Others ------------------------------------------------------------------------------------------


def test_a_difference_is_signed_and_says_which_edges_come_and_go():
    one = CausalGraph([[0.9, 0.1], [0.6, 0.0]], action="a")
    two = CausalGraph([[0.2, 0.7], [0.8, 0.0]], action="b")
    difference = one.difference(two)
    assert isinstance(difference, GraphDifference)
    assert np.allclose(difference.edges, [[0.7, -0.6], [-0.2, 0]])
    assert np.argwhere(difference.only_first).tolist() == [[0, 0]]
    assert np.argwhere(difference.only_second).tolist() == [[0, 1]]
    assert np.argwhere(difference.both).tolist() == [[1, 0]]
    assert [pair[:2] for pair in difference.largest(9)] == [(0, 0), (0, 1), (1, 0)]
    assert np.array_equal(two.difference(one).edges, -difference.edges)


def test_a_graph_of_another_model_is_refused():
    with pytest.raises(ValueError, match="graphs of the same nodes, found 2 and 3"):
        CausalGraph(TWO).difference(CausalGraph(np.zeros((3, 3))))
    other = CausalGraph(TWO, ["v0", "x"])
    for compare in (
        lambda: CausalGraph(TWO).difference(other),
        lambda: stability([CausalGraph(TWO), other]),
        lambda: CausalGraph(TWO).scores(other),
    ):
        with pytest.raises(ValueError, match="same nodes, found node 1 named 'v1' and 'x'"):
            compare()


def test_stability_is_the_share_of_graphs_that_keep_an_edge():
    graphs = [CausalGraph(some(5, seed), action="a", set_by=some(5, seed)[0]) for seed in range(4)]
    shares = stability(graphs, 0.6)
    slow = [[sum(g.edges[i, j] >= 0.6 for g in graphs) / 4 for j in range(5)] for i in range(5)]
    assert np.array_equal(shares.edges, slow)
    assert (shares.n, shares.action) == (4, "a")
    assert np.allclose(shares.set_by, np.mean([g.set_by for g in graphs], axis=0))
    own = stability([graphs[0].threshold(0.9), graphs[1].threshold(0.1)])
    want = (graphs[0].edges >= 0.9).astype(float) + (graphs[1].edges >= 0.1)
    assert np.array_equal(own.edges, want / 2)
    assert stability([graphs[0], CausalGraph(some(5), action="b")]).action is None
    with pytest.raises(ValueError, match="at least two graphs, found 1"):
        stability(graphs[:1])


def test_scores_are_those_of_the_metrics():
    truth = some(6, 1) > 0.7
    graph = CausalGraph(some(6))
    targets = np.array([True, True, False, True, False, True])
    want = graph_metrics.graph_recovery(some(6)[None], truth[None], targets[None], 0.5)
    assert graph.scores(truth, targets) == want | {"judged": 4, "not_judged": 2}
    perfect = CausalGraph(truth * 1.0)
    assert perfect.scores(truth)["shd"] == 0 == perfect.scores(perfect)["shd"]
    assert perfect.scores(truth)["edge_f1"] == 1
    assert CausalGraph(TWO.T).scores(TWO, np.array([True, True]))["shd"] == 1, "turned round"
    with pytest.raises(ValueError, match=r"truth must have shape \(6, 6\), found \(2, 2\)"):
        graph.scores(TWO)


# Fewer nodes -------------------------------------------------------------------------------------


def test_a_coarse_edge_is_the_chance_of_a_cause_in_the_group():
    edges, set_by = some(6), np.array([0.1, 0.9, 0.0, 1.0, 0.5, 0.5])
    groups = ["a", "b", "a", "b", "b", "c"]
    coarse = CausalGraph(edges, set_by=set_by, action="x", n=3).coarse(groups)
    member = {name: [n for n, g in enumerate(groups) if g == name] for name in "abc"}
    for i, cause in enumerate("abc"):
        for j, effect in enumerate("abc"):
            total = 0.0
            for node in member[effect]:
                alone = 1.0
                for other in member[cause]:
                    alone *= 1 - edges[other, node]
                total += set_by[node] * (1 - alone)
            want = total / sum(set_by[node] for node in member[effect])
            assert coarse.edges[i, j] == pytest.approx(want)
    assert coarse.names == ("a", "b", "c") and (coarse.action, coarse.n) == ("x", 3)
    assert coarse.set_by.tolist() == [0.1, 1.0, 0.5]


def test_coarse_into_a_group_that_is_never_set_is_nothing():
    coarse = CausalGraph(np.ones((4, 4)), set_by=[1, 0, 0, 0]).coarse(["a", "a", "b", "b"])
    assert coarse.edges.tolist() == [[1, 0], [1, 0]]


def test_each_node_its_own_group_changes_nothing():
    graph = CausalGraph(some(5))
    assert np.allclose(graph.coarse(graph.names).edges, graph.edges)
    with pytest.raises(ValueError, match="expected 5 group names, found 2"):
        graph.coarse(["a", "b"])


@pytest.mark.parametrize(
    ("grid", "books", "want", "first", "last"),
    [
        ((8, 8), 1, (4, 4), "r0-1 c0-1", "r6-7 c6-7"),
        ((16, 16), 1, (4, 4), "r0-3 c0-3", "r12-15 c12-15"),
        ((8, 8), 4, (4, 4), "r0-1 c0-1", "r6-7 c6-7"),
        ((5, 3), 1, (5, 3), "r0 c0", "r4 c2"),
        ((1, 30), 1, (1, 15), "r0 c0-1", "r0 c28-29"),
    ],
)
def test_64_or_256_nodes_become_at_most_20_regions(grid, books, want, first, last):
    n_nodes = grid[0] * grid[1] * books
    coarse = CausalGraph(sparse(n_nodes), grid=grid, codebooks=books).by_region()
    assert coarse.grid == want and coarse.n_nodes == want[0] * want[1] <= 20
    assert (coarse.names[0], coarse.names[-1]) == (first, last)


def test_a_region_holds_the_right_nodes():
    edges = np.zeros((16, 16))
    edges[5, 14] = 1.0  # (1, 1) -> (3, 2)
    coarse = CausalGraph(edges, grid=(4, 4)).by_region(block=2)
    assert [pair[:2] for pair in CausalGraph(coarse.edges, limit=0.1).pairs()] == [(0, 3)]
    assert coarse.edges[0, 3] == 0.25, "one of the four nodes has that cause"
    with pytest.raises(ValueError, match="nodes without a grid have no regions"):
        CausalGraph(edges).by_region()
    with pytest.raises(ValueError, match="block must be at least 1"):
        CausalGraph(edges, grid=(4, 4)).by_region(block=0)


def test_by_action_groups_nodes_that_the_same_actions_set():
    masks = np.array([[1, 0, 0, 0, 1], [1, 1, 0, 0, 1], [0, 1, 0, 1, 1], [0, 0, 0, 1, 1.0]])
    names = ["hue+", "hue-", "shape+", "scale+"]
    groups = graph_groups.by_actions(masks, names)
    assert groups == [f"{told} (1)" for told in (
        "hue", "all but scale", "no action", "all but hue", "every action"
    )]  # fmt: skip
    coarse = CausalGraph(some(5)).by_action(masks, names, at_most=2)
    assert coarse.n_nodes == 2
    assert sum(int(name.rsplit("(")[1][:-1]) for name in coarse.names) == 5


def test_by_action_joins_the_smallest_group_to_its_nearest():
    masks = np.array([[1] * 5 + [0] * 4 + [1], [0] * 5 + [1] * 4 + [0], [0] * 9 + [1.0]])
    groups = graph_groups.by_actions(masks, ["a", "b", "c"], at_most=2)
    assert groups == ["a (6)"] * 5 + ["b (4)"] * 4 + ["a (6)"]
    with pytest.raises(ValueError, match="expected 3 action names, found 2"):
        graph_groups.by_actions(masks, ["a", "b"])


def test_256_nodes_by_what_sets_them_are_at_most_20():
    masks = np.random.default_rng(0).random((12, 256))
    names = [f"f{i}{sign}" for sign in "+-" for i in range(6)]
    coarse = CausalGraph(sparse(256, density=0.02)).by_action(masks, names)
    assert coarse.n_nodes == 20 and len(set(coarse.names)) == 20


def test_1024_nodes_are_handled():
    graph = CausalGraph(some(1024), grid=(32, 32), set_by=some(1024)[0])
    assert graph.top_k(50).pairs()[0][2] > 0.999
    assert graph.by_region().n_nodes == 16
    assert len(graph.ancestors(0)) == 1023
    assert len(graph.threshold(0.999).cycles()) >= 1


# Matrices of other tools -------------------------------------------------------------------------


def test_a_matrix_is_taken_only_with_its_orientation():
    assert CausalGraph.from_matrix(TWO, "row_is_cause", ["a", "b"]).parents("b") == {0}
    turned = CausalGraph.from_matrix(torch.tensor(TWO).T, orientation="row_is_effect")
    assert np.array_equal(turned.edges, TWO) and turned.names == ("v0", "v1")
    table = pd.DataFrame(TWO, index=["a", "b"], columns=["a", "b"])
    assert CausalGraph.from_matrix(table, "row_is_effect").parents("a") == {1}
    for orientation in (None, "rows", ""):
        with pytest.raises(
            ValueError, match=r"row_is_cause.*i -> j.*row_is_effect.*j -> i"
        ) as told:
            CausalGraph.from_matrix(TWO, orientation)
        assert "\n" not in str(told.value) and repr(orientation) in str(told.value)


def test_coefficients_become_edges_from_a_size_on():
    weights = np.array([[0, -2.0, 0.1], [0.05, 0, 0], [0, 0.5, 0]])
    graph = CausalGraph.from_matrix(weights, "row_is_cause", at_least=0.5)
    assert graph.edges.tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match=r"in \[0, 1\], found -2 to 0.5; for coefficients"):
        CausalGraph.from_matrix(weights, "row_is_cause")
    with pytest.raises(ValueError, match="at_least must be above 0, found 0"):
        CausalGraph.from_matrix(weights, "row_is_cause", at_least=0)


# Edges of what was said --------------------------------------------------------------------------


def test_top_k_drops_what_is_below_the_limit_even_where_there_is_room():
    graph = CausalGraph([[0.9, 0.49], [0.5, 0.0]]).top_k(4)
    assert graph.edges.tolist() == [[0.9, 0], [0.5, 0]]


def test_an_edge_at_the_threshold_counts_for_a_stability():
    graphs = [CausalGraph([[0.6, 0.5], [0.59, 0.0]]), CausalGraph([[0.0, 0.5], [0.6, 0.0]])]
    assert stability(graphs, 0.6).edges.tolist() == [[0.5, 0], [0.5, 0]]
    assert stability(graphs).edges.tolist() == [[0.5, 1], [1, 0]]


def test_scores_say_how_many_nodes_are_not_judged():
    learned = CausalGraph([[0, 1, 1], [1, 0, 0], [0, 0, 0]])  # v1 -> v0 is wrong, into a root
    truth = np.array([[0, 1, 1], [0, 0, 0], [0, 0, 0]], dtype=bool)
    told = learned.scores(truth)
    assert (told["judged"], told["not_judged"], told["shd"]) == (2, 1, 0)
    told = learned.scores(truth, np.ones(3, dtype=bool))
    assert (told["judged"], told["not_judged"], told["shd"]) == (3, 0, 1)
    with pytest.raises(ValueError, match="expected a truth with edges, or targets, found neither"):
        learned.scores(np.zeros((3, 3), dtype=bool))


def test_graphs_are_told_apart_by_which_they_are_and_can_be_keys():
    one, two = CausalGraph(np.eye(2)), CausalGraph(np.eye(2))
    assert one == one and one != two and {one: 1, two: 2}[one] == 1


def test_of_many_groups_of_actions_twenty_are_left():
    masks = (np.arange(32) >> np.arange(5)[:, None]) & 1  # (5, 32): each node is set by others
    assert len(set(graph_groups.by_actions(masks.astype(float), list("abcde")))) == 20
