"""Graphs by search: the parents of every variable that an action sets, by a score or by PC or GES.

Three rivals that need no training of a network, on the transitions that the method is trained on.
Time says which way an edge points (x before y), so what is left is which x are parents of y_j:

* `parent_sets` scores every set of at most `most` parents by its marginal likelihood (BDeu), and
  says how probable each parent is over all sets. Exact, and so the one to beat where the sets can
  be counted: it sees a parity, too. It is slow where parents or variables are many.
* `neighbours("pc")` and `("ges")` ask causal-learn (an extra). PC tests pairs first, and GES adds
  one parent at a time: both lose parents that say nothing alone.

Source: BDeu after Heckerman, Geiger and Chickering (1995); PC and GES as causal-learn has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, softmax

from cvq_tutorial.baselines.independence import ALPHA, checked
from cvq_tutorial.common.checks import close_match, whole_number

MOST = 3  # parents of one variable
PRIOR = 10.0  # equivalent sample size of BDeu: how much data its even start is worth
MANY = 200_000  # sets of parents of one variable: minutes for each that an action sets


def parent_sets(
    x: NDArray, actions: NDArray, y: NDArray, n_codes: int, n_actions: int, most: int = MOST
) -> NDArray[np.float64]:
    """Probability (A, N, N) that i is a parent of j under action a, at [a, i, j].

    x, y: codes before and after, integers (B, N) in [0, n_codes).  actions: (B,).  most: parents
    that one variable can have.  Variables that an action never changes have none.

    Raises ValueError for data that do not fit, or where there are more than `MANY` sets of parents.
    """
    x, actions, y = checked(x, actions, y, n_codes)
    n = x.shape[1]
    whole_number("most", most, 1, n)
    if (many := sum(comb(n, size) for size in range(most + 1))) > MANY:
        raise ValueError(f"most: expected at most {MANY:,} sets of parents, found {many:,}")
    sets = [s for size in range(most + 1) for s in combinations(range(n), size)]
    member = np.zeros((len(sets), n))
    for row, chosen in enumerate(sets):
        member[row, list(chosen)] = 1
    found = np.zeros((n_actions, n, n))
    for a, j, before, after in _changed(x, actions, y, n_actions):
        likely = np.array([_bdeu(before[:, list(s)], after, n_codes) for s in sets])
        found[a, :, j] = softmax(likely) @ member
    return found


def _changed(
    x: NDArray, actions: NDArray, y: NDArray, n_actions: int
) -> Iterator[tuple[int, int, NDArray, NDArray]]:
    """Action, variable, all codes before (b, N) and its codes after (b,), where it changes."""
    for a in range(n_actions):
        rows = actions == a
        for j in np.flatnonzero((x[rows] != y[rows]).any(0)):
            yield a, int(j), x[rows], y[rows][:, j]


def _bdeu(parents: NDArray, effect: NDArray, n_codes: int) -> float:
    """Log marginal likelihood of codes (b,), given those of their parents (b, P)."""
    settings = n_codes ** parents.shape[1]
    which = parents @ n_codes ** np.arange(parents.shape[1])
    counts = np.bincount(which * n_codes + effect, minlength=settings * n_codes)
    counts = counts.reshape(settings, n_codes)
    counts = counts[counts.any(1)]
    each = PRIOR / settings / n_codes
    whole = gammaln(n_codes * each) - gammaln(n_codes * each + counts.sum(1))
    return float(whole.sum() + (gammaln(each + counts) - gammaln(each)).sum())


def neighbours(
    x: NDArray, actions: NDArray, y: NDArray, n_codes: int, n_actions: int, how: str
) -> NDArray[np.float64]:
    """Edges (A, N, N), 0 or 1, between x_i and y_j in the graph that causal-learn finds.

    how: "pc" (G-test, level `ALPHA`) or "ges" (BDeu). One graph over all x and one y_j at a time.
    Raises ImportError, with the command, where causal-learn is not installed; ValueError for data
    that do not fit.
    """
    if how not in ("pc", "ges"):
        raise ValueError(close_match("how", how, ("pc", "ges")))
    x, actions, y = checked(x, actions, y, n_codes)
    if find_spec("causallearn") is None:
        raise ImportError(f"{how} needs causal-learn: pip install 'cvq_tutorial[discovery]'")
    found = np.zeros((n_actions, x.shape[1], x.shape[1]))
    for a, j, before, after in _changed(x, actions, y, n_actions):
        if how == "ges" and x.shape[1] == 1:
            # then GES is one comparison; causal-learn's score of two columns is not finite
            alone, told = (_bdeu(before[:, :n], after, n_codes) for n in (0, 1))
            found[a, :, j] = told > alone
            continue
        data = np.column_stack([before, after])
        if how == "pc":
            from causallearn.search.ConstraintBased.PC import pc

            graph = pc(data, ALPHA, "gsq", show_progress=False).G.graph
        else:
            from causallearn.search.ScoreBased.GES import ges

            graph = ges(data, "local_score_BDeu", parameters={})["G"].graph
        found[a, :, j] = graph[-1, :-1] != 0
    return found
