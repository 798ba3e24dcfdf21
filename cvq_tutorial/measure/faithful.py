"""Does the drawn graph do what it says: do(node), and see which codes become others.

Intuition: an arrow from node i to node j claims that the code of j after the action hangs on the
code of i before it. So the code of i is set by hand, to one that it has in another picture, and the
distribution of every new code is compared with the one without that (a path patching of one node).

What a result means: `rank` is Spearman's correlation, over pairs of nodes, of the probability of
the edge, 0 where none is drawn, with the effect that was measured (total variation, 0 to 1);
`agree` the share of pairs of which both say that there is an effect, or both that there is none.
The same for a graph whose causes are shuffled stands beside each: most pairs have neither edge nor
effect, and on these any sparse graph agrees.
When it misleads: the code is set alone, and a picture in which one place changed is none that
training ever saw; an edge without an effect may be one of twins that say the same; and it asks what
the *network* reads, not what is true of the world.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvq_tutorial.common.arrays import as_graph, counts

EFFECT = 0.01  # total variation from which on a code counts as moved


def effects_of_do(
    model: Any, x: Tensor, actions: Any, nodes: Tensor, others: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What setting one node of each image by hand does to the codes after an action.

    x: codes (B, N, C).  actions: as of `CausalVQ.intervene`.  nodes: (B,), the node of each image
        that is set.  others: (B, C), the codes it is set to.
    Returns the effects (B, N): total variation between the distributions of a new code with and
    without, mean over the C of a node; the edges (B, N, N) and mask (B, N) without.
    Raises ValueError for a node that is not there.
    """
    codes = model.check_codes(x)
    asked, rows = model.check_actions(actions, len(codes)), torch.arange(len(codes))
    n = model.n_nodes
    if len(nodes) != len(codes) or not bool(((nodes >= 0) & (nodes < n)).all()):
        raise ValueError(
            f"nodes: expected one in 0..{n - 1} for each image, found {nodes.tolist()}"
        )
    held = model.to_nodes(codes).clone()  # (B, N, C) as the transition has them
    held[rows, nodes] = others.to(held)
    found = []
    for part in rows.split(model.BATCH):
        plain = model.distribution(codes[part], asked[part])
        done = model.distribution(model.from_nodes(held[part]), asked[part])
        moved = (plain.log_probs().exp() - done.log_probs().exp()).abs().sum(-1) / 2  # (b, N, C)
        found.append((moved.mean(-1).cpu(), plain.edges.cpu(), plain.mask.amax(-1).cpu()))
    effects, edges, mask = (torch.cat(parts) for parts in zip(*found, strict=True))
    return effects, edges, mask


def faithfulness(
    model: Any, x: Tensor, actions: Any, *, graph: Any = None, seed: int = 0
) -> dict[str, float | int]:
    """How far the graph says what do(node) does, see the module; `seed` draws nodes and codes.

    x: images (B, 3, H, W) or codes (B, N, C), 200 or so; in each one node is set, every node
        equally often.  actions: one for all (number or name), or (B,).
    graph: (N, N) probabilities, row = cause, or a `CausalGraph`, that is asked about all images;
        None for each image's own.
    Returns rank, agree, rank_shuffled, agree_shuffled, and pairs, how many were compared: from the
    node that was set to others that the action sets. The node itself, which is copied too, does not
    count. Without such pairs, or where one side never differs, the numbers are 0.
    """
    codes = model.encode(x) if x.ndim == 4 else model.check_codes(x)
    keys, n = ("rank", "agree", "rank_shuffled", "agree_shuffled"), model.n_nodes
    if n == 1:
        return dict.fromkeys(keys, 0.0) | {"pairs": 0}
    rng, places = np.random.default_rng(seed), model.to_nodes(codes)
    b = len(places)
    nodes = torch.from_numpy(np.resize(rng.permutation(n), b))
    there = places[:, nodes].transpose(0, 1)  # (B, B, C): the codes of b's node in every image
    differs = (there != there.diagonal().T[:, None]).any(-1).cpu()
    chosen = (torch.from_numpy(rng.random((b, b))) * differs).argmax(1)
    others = there[torch.arange(b), chosen]
    effects, edges, mask = effects_of_do(model, codes, actions, nodes, others)
    rows = torch.arange(b)
    drawn = edges if graph is None else torch.from_numpy(np.array(as_graph(graph, "graph")))
    if drawn.shape[-1] != n:
        raise ValueError(f"graph: expected {n} nodes, found {drawn.shape[-1]}")
    drawn = (drawn * counts(drawn)).expand(b, n, n)  # what is not drawn says: no effect
    wrong = (nodes[:, None] + torch.from_numpy(rng.integers(1, n, (b, n)))) % n
    asked = counts(mask) & differs.any(1)[:, None]  # a do that changes no code asks nothing
    asked[rows, nodes] = False
    seen = effects[asked].numpy()
    right = _compared(drawn[rows, nodes][asked].numpy(), seen)
    other = _compared(drawn[rows[:, None], wrong, torch.arange(n)][asked].numpy(), seen)
    told = dict(zip(keys, (*right, *other), strict=True))
    return told | {"pairs": int(asked.sum())}


def _compared(edges: NDArray, effects: NDArray) -> tuple[float, float]:
    """Spearman's correlation, and the share on which edges and effects agree."""
    if not len(edges):
        return 0.0, 0.0
    from scipy.stats import spearmanr  # slow to load

    varied = np.ptp(edges) > 0 and np.ptp(effects) > 0
    rank = float(spearmanr(edges, effects).statistic) if varied else 0.0
    return rank, float((counts(edges) == (effects >= EFFECT)).mean())
