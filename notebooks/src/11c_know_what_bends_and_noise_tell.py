# %% [markdown]
# # 11c Know what bends and noise tell
#
# *What do weaker interventions leave, what do noises, labels and pictures add, and what proves nothing?*
#
# | | |
# | --- | --- |
# | you will do | shift instead of set, and bend mechanisms; read ranks from samples; count noises that no camera separates; look at a painter that learns after the causes; bet on a VAE |
# | you will be able to | say which information each kind of data holds, and that drawing well is none of it |
# | you need | [lesson 11](11_know_what_can_be_identified.ipynb): contexts, ranks, hard and soft, twins; [lesson 11b](11b_know_what_pairs_can_tell.ipynb): pairs |
# | time | read 40 minutes, exercises 15 minutes; run under 90 seconds on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1` draws other worlds; the numbers in the text are of the default |

# %% tags=["parameters"]
seed = 0  # draws the worlds, and what is trained

# %%
import io
import json

import numpy as np
import torch
from IPython.display import Image
from PIL import Image as pillow

from cvq_tutorial import check, draw, explore
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.identify import (
    Unidentifiable,
    ancestors_from_samples,
    ancestors_from_scores,
    discrepancy,
    draw_noise_world,
    draw_shift_world,
    match,
    report,
    solve_fourth,
    solve_third,
    twins,
)

torch.set_num_threads(1)  # the same numbers everywhere
stored = json.loads((PROJECT_ROOT / "figures" / "identify.json").read_text("utf-8"))["parts"]


def drawn(number):
    return np.random.default_rng([seed, number])


def painted(bottom, alt):
    """Six of the eight columns of the stored picture of painters, without its title."""
    with pillow.open(PROJECT_ROOT / "figures" / "two_stage.png") as whole:
        whole.crop((0, 44, 1125, bottom)).save(png := io.BytesIO(), "png")
    return Image(png.getvalue(), width=860, alt=alt)


painted(374, "Test pictures in two rows: true, and blurred, as painted from their codes")

# %% [markdown]
# Six pictures, and below each what a painter makes of its codes (*before* it is trained on, further down). The codes say what is where and what colour it has; how true
# it looks is the painter's business. Does one come with the other: will a model that knows causes draw better, and must one
# that draws what it never saw have understood them? This lesson asks it of several kinds of data, and ends with a bet.
#
# First the data of [lesson 11](11_know_what_can_be_identified.ipynb) again, unpaired contexts, with weaker
# interventions and with other noises.
#
# ## Shifted, and bent
#
# Let an intervention only *shift* its target: it adds a number to it, and weights and noise stay. With linear mechanisms no
# covariance changes then, only means do. Or let mechanisms *bend*: what a cause does goes through a ReLU or a tanh. In
# the place of a precision stands the *score*, the slope of the log-density: an intervention changes it in one direction
# if the target is a source, and in directions that turn with the causes if it is a child and the mechanism bends. The
# routine of lesson 11 reads the ranks.
#
# **Predict.** ReLU, tanh and straight lines: of eight ancestors, how many are found in each?

# %%
counted = {}
for kind in ("relu", "tanh", "linear"):
    bent = draw_shift_world(drawn(4), kind, 5, 10)
    u = bent.latents(2000, drawn(5), np.zeros(5))
    read = ancestors_from_scores(bent.score_differences(u))
    wanted = match.relabelled(bent.ancestors, bent.targets)
    right, false = (int((read.ancestors & kept).sum()) for kept in (wanted, ~wanted))
    counted[kind] = (right - int(wanted.sum()), false)  # missed, with a minus
    print(f"{kind}: {right} of {int(wanted.sum())} ancestors found, {false} false")
straight = twins.shift(draw_shift_world(drawn(4), "linear", 5, 10))
print(f"linear, the twin without any edge: data differ by {straight.measured:.0e}")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    bent_all_are_found=counted["relu"] == counted["tanh"] == (0, 0),
    linear_none=right == false == 0,
    its_twin_has_the_same_data=straight.measured < 1e-10,
)

# %% [markdown]
# ReLU and tanh: all. Linear: none, and it could not be otherwise, for the empty graph with another mixing
# has the very same means and covariances in every context (you will build it in exercise 2), and Gaussians have
# nothing else. **Bending is not a nuisance here, it is the information.**
#
# From samples the score has to be learned: a small classifier tells a context from the observational
# sample, and its input gradient is the difference of scores. Now ranks are never exact: how large must the second
# direction be, as a ratio to the first, to count as one? Do not guess: train the same classifiers where there is
# *nothing* to find, on two halves of the observational sample, and see what noise can do (the *null*).
#
# **Try this.** Move the ratio from left to right, and count false and missed ancestors.

# %% tags=["explorer"]
bent = draw_shift_world(drawn(30), "relu", 4, 8)
learned = ancestors_from_samples(bent.draw(4000, drawn(7)), seed=seed)
wanted = match.relabelled(bent.ancestors, bent.targets)
ratios = explore.RatioExplorer(learned, wanted)
ratios.ratio = 0.1
ratios

# %%
trial, counts = explore.RatioExplorer(learned, wanted), {}  # yours stays as you left it
for ratio in report.RATIOS:
    trial.ratio = ratio
    counts[ratio] = (trial.missed, trial.false)
missed, false = np.array(list(counts.values())).T
own = int((learned.ancestors != wanted).sum())
print("ratio: missed and false;", "; ".join(f"{k}: {m} and {f}" for k, (m, f) in counts.items()))
print(f"by the null, wrong in {own} of 12 pairs")
swept = [row for row in stored["soft"] if row["latents"] == "relu"]
print(f"{len(swept)} stored worlds, {sum(row['relations'] for row in swept)} ancestors: by the null "
      f"{sum(row['missed'] for row in swept)} missed, {sum(row['false'] for row in swept)} false; "
      f"at {report.RATIOS[0]} {sum(row['false, by ratio'][0] for row in swept)} false; at "
      f"{report.RATIOS[-1]} {sum(row['missed, by ratio'][-1] for row in swept)} missed")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    a_larger_ratio_never_finds_more_false_ones=(np.diff(false) <= 0).all(),
    nor_misses_fewer=(np.diff(missed) >= 0).all(),
    by_the_null_hardly_one_is_wrong=own <= 1,
    no_error=trial.last_error is None,
)

# %% [markdown]
# A small ratio takes noise for a direction, a large one takes a direction for noise. No ratio that is the same for all is
# right everywhere; the null finds one for each world. It is no magic: in ten worlds without any
# edge it still let two false relations through, both in one world (`figures/identify.md`, where tanh is, too).
#
# ## Noise that is not Gaussian
#
# With hard interventions covariances were enough, whatever the noises. If these are independent and **not Gaussian** there
# is more to see: *cumulants* of order three, which a lopsided noise has, and four, for heavy or light tails; the
# covariance is that of order two, and a Gaussian noise has nothing above it. Here the exact cumulants are given, as if from
# infinitely many samples. Each column of the mixing can then be read off by itself. (The routine for order 3
# first makes the noises round, with the covariance, and so it can find as many columns as there are observed
# numbers, and no more; that for order 4 does without.)
#
# **Predict.** Four latents, five observed. Exponential noise is lopsided, Laplace noise symmetric with heavy tails. Which of
# three noises will each of the two orders solve? And six latents from five observed: can any order?


# %%
def columns_off(found, world):
    """How far the columns of the mixing are from the true ones, up to sign and size."""
    true = world.F[:, world.targets]
    sizes = np.linalg.norm(true, axis=0) * np.linalg.norm(found, axis=0)
    return np.abs(np.abs((true * found).sum(0) / sizes) - 1).max()


errors = {}
for noise in ("exponential", "laplace", "gaussian"):
    skew = draw_noise_world(drawn(9), 4, 5, noise)
    for order in (3, 4):
        try:
            if order == 3:
                got = solve_third(skew.cumulants(2), skew.cumulants(3), rng=drawn(10))
            else:
                got = solve_fourth(skew.cumulants(4), 4, rng=drawn(10))
            errors[noise, order] = columns_off(got.F, skew)
            print(f"{noise}, order {order}: columns off by {errors[noise, order]:.0e}")
        except Unidentifiable:
            print(f"{noise}, order {order}: refused, there is no such cumulant")
many = draw_noise_world(drawn(11), latents=6, observed=5)
got = solve_fourth(many.cumulants(4), 6, rng=drawn(12))
errors["six"] = columns_off(got.F, many)
print(f"six columns from five observed, order 4: off by {errors['six']:.0e}")
tail = twins.cumulants(draw_noise_world(drawn(13), 4, 5, soft=True))
print(f"soft interventions: weights of a twin differ by {tail.apart:.1f}, its cumulants of orders 2 to 4 by "
      f"{tail.measured:.0e}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    symmetric_noise_has_no_third_cumulant=("laplace", 3) not in errors,
    gaussian_noise_has_neither=not any("gaussian" in key for key in errors),
    columns_come_back=max(errors.values()) < 1e-8 and len(errors) == 4,
    no_cumulant_tells_soft_ones=tail.measured < 1e-10 and tail.apart > 0.1,
)

# %% [markdown]
# Only lopsided noise has a third cumulant. Laplace noise needs order 4. Gaussian noise has neither: of its world
# the covariances say all that there is, which is enough for hard interventions and for no more latents than observed.
#
# And no order helps against one soft intervention per latent. Its twin mixes the *same noises* in the *same way* in
# every context: without intervention it has no edge at all, and what was an edge stands in its mixing; an intervention
# then brings causes in. Everything that can be observed is equal, so every cumulant is. What is left is the order in
# which what the interventions change can be sorted, as in lesson 11.
#
# ## Labels, and pictures that look true
#
# Another line of work has labels, and asks that pictures look true. What a label buys can be seen by hand: two concepts,
# unlabelled, Gaussian and of equal size may be *rotated* into each other.

# %% tags=["nbval-check-output"]
G = drawn(14).standard_normal((6, 2))
turn = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
same = np.abs(G @ G.T - (G @ turn) @ (G @ turn).T).max()
print(f"concepts turned by 34 degrees: covariances differ by {same:.2f}")
step = np.array([1.0, 0.0])  # do(first concept): a label, or a named action, is about this one
moved = np.abs(G @ step - G @ turn @ step).max()
print(f"what doing the first concept changes: differs by {moved:.2f}")

# %% [markdown]
# (That the covariances agree needs no data: a rotation times its own transpose is nothing.) A label says which direction is
# meant, as the name of an action does.
#
# Looks are another matter, and this package keeps the two apart. Stage one is its method. Stage two
# (`training.two_stage`, `cvq refine`) freezes everything but the decoder and trains that against a *critic*, a small
# network that learns to tell painted patches from true ones.
#
# **Predict.** Stage two makes pictures look truer. Will it name actions better, too? And as many more steps *without* a critic:
# will they do worse?

# %%
for row in stored["two-stage"]:
    same = "the same" if row["retrieval the same bit for bit"] else "another"
    print(f"{row['world']:8} {row['model']:20} PSNR {row['PSNR']:4.1f} dB, Frechet "
          f"{row['Frechet distance']:5.1f} (floor {row['its floor']:4.1f}), sharpness "
          f"{row['sharpness, of true']:.2f}, retrieval {same}: {row['retrieval']:.3f}")  # fmt: skip
painted(
    712,
    "Test pictures in rows: true, painted before and after stage two, and as long without a critic",
)

# %% [markdown]
# The picture shows six test pictures of `shapes3d`, of a run of seconds, and what each painter makes of the *same
# codes*. In the lines above it, *Frechet* is the distance of painted pictures from true ones in the features of a judge;
# its *floor* is that of two halves of the true ones. *Sharpness* is the mean slope of the pixels, as a share of that of
# true pictures: grain counts as slope, so more than 1 may just be grain. First what stays:
# retrieval is the same bit for bit, so nothing about causes has moved. Then the pictures: in `shapes3d` their
# distance from true ones falls by 12 %. But look at the rival: as many
# steps of squared error alone, **without a critic**, bring 14 %. What the critic does buy is sharpness where
# the painter is too soft: in `sprites`, 0.69 of that of true pictures instead of 0.58 (without it 0.57), one number of
# one run. At this length that is all, and without the rival it would have looked like more.
#
# Done wrong, it is worse than nothing. With the encoder free codes move under a transition that does not know
# them: retrieval falls from 0.518 to 0.072, chance is 0.083. With a critic's weight of 1 the painter
# draws grain, and retrieval, which never looks at what is painted, does not notice.
#
# ## Does it draw well because it knows?
#
# A VAE can carry a graph inside: contexts shift latents, the graph passes the shift on, a decoder
# draws. If it draws two interventions at once, which it never saw, must it not have understood the graph? Four runs: a
# chain of five, bent, with the right order of the causes, with the order **reversed**, with **no graph** at all; and
# another world, a straight chain under shifts, whose graph is *unknowable* (its twin is above). *MMD* is a distance
# between drawn and true samples, 0 if both have one distribution; its *floor* is what two true samples reach, a *copy*
# shows samples without intervention.
#
# **Bet** before you press `show`: which of them has the smallest MMD on unseen doubles?

# %% tags=["explorer"]
by_run = {}
for row in stored["vae"]:
    by_run.setdefault(row["run"], []).append(row)
keys = ("MMD on doubles", "floor", "copy")
middle = [
    {"run": name, **{key: float(np.median([row[key] for row in rows])) for key in keys}}
    for name, rows in by_run.items()
]  # of the three seeds
bet = explore.BetExplorer(middle)
bet.bet = "right order"
bet

# %%
trial = explore.BetExplorer(middle)  # another one: yours is still to be revealed
trial.bet = "right order"
trial.reveal()
for name, rows in by_run.items():
    doubles, floor, copied = (np.array([row[key] for row in rows]) for key in keys)
    told = ", ".join(f"{row['true edges, mean']:.2f}" for row in rows)
    print(f"{name:11} doubles {doubles.mean():.3f}, {(doubles / floor).mean():.1f} times the floor (a copy "
          f"{(copied / floor).mean():.0f} times); mean of its true edges {told}")  # fmt: skip
chain = discrepancy.chain_world(drawn(8), "relu")
_, tried = discrepancy.train(chain, seed, order=[4, 3, 2, 1, 0], epochs=15)
print(f"reversed, trained here for 15 epochs: {tried.model:.2f}, a copy {tried.copy:.2f}")

# %% tags=["nbval-check-output", "gate"]
shares = {
    name: max(row["MMD on doubles"] / row["floor"] for row in rows) for name, rows in by_run.items()
}
check.as_told(
    the_unknowable_is_near_its_floor=shares["unknowable"] < 1.3,
    the_bent_ones_are_not=min(shares[k] for k in ("right order", "reversed", "no graph")) > 3,
    the_reversed_one_trained_here_beats_a_copy=tried.model < 0.5 * tried.copy,
)

# %% [markdown]
# All twelve stored runs at a glance, three seeds each:

# %%
each = [
    {**row, "run": f"{row['run']}, seed {row['seed']}"} for rows in by_run.values() for row in rows
]
draw.doubles(each, "Two interventions at once, never seen: three seeds of each run")

# %% [markdown]
# The run whose graph provably *cannot* be known reaches its floor: shifts of a straight chain add up, and whoever has seen
# each alone can draw two at once without an edge. **Good extrapolation by itself is no evidence for a graph.** That is
# what this bet shows, and all that it shows.
#
# It does *not* show that a right graph is of no use. The run that was told the right order did not learn its edges: they
# are printed, in units of the model's own, and none of them is far from 0. So three of the four runs are models without
# a graph, and it is no wonder that they end close together, at several times their floor. To test a right graph one would
# have to give it, weights and all. Ask two things of any such comparison: how well does a rival *without* the
# graph do, and does the one *with* it have it?
#
# ## All in one table
#
# | what is seen | assumed | identified, up to names, signs and units | where it ends (a twin) |
# | --- | --- | --- | --- |
# | unpaired contexts, target unknown | linear, hard, one per latent; mixing linear, without loss | **everything** | a missing context; soft: the order, if weights change, else nothing; noise on what is observed: the order only |
# | the same | shifts, mechanisms that bend; mixing as above | who is an **ancestor** of whom | shifts, linear, Gaussian: nothing |
# | the same | linear, hard; noises independent, not Gaussian | **everything**, also more latents than observed | Gaussian: no more latents than observed; soft: the order only |
# | pictures with labels | each concept has its label | the labelled concepts | no label, Gaussian: rotated concepts |
# | **pairs** of one unit, action named (this package) | an action sets some codes and copies the rest; nothing hidden drives an old code and a new one | which codes an **action** changes, and what each needs to be predicted | codes that always agree; actions that draw the same (the tunnel); something hidden |
#
# The last row is that of [lesson 11b](11b_know_what_pairs_can_tell.ipynb). It is less than it sounds, and more. Less: an edge
# among codes that always agree is a choice, not a discovery, codes are named by training, not by the world, and what is
# hidden deceives. More: no linear mixing, no single target, and noise of any shape.

# %% [markdown]
# ## Exercises
#
# **1. Warm-up \*** (3 minutes). Somebody wants the columns of the mixing from cumulants above the second, with the two
# routines of this lesson. Which order is the smallest that will do, 3 or 4? Write 0 where neither does: (i) exponential
# noise, 4 latents, 5 observed; (ii) Laplace noise, the same; (iii) exponential, 7 latents, 5 observed; (iv) Gaussian, 4
# latents, 5 observed.

# %% tags=["stub"]
orders = None  # your answer, such as [3, 3, 3, 3]

# %% tags=["solution"]
orders = [3, 4, 4, 0]

# %% tags=["nbval-check-output"]
check.orders_that_work(orders)

# %% [markdown]
# **2. Core \*\*** (6 minutes). Build the twin of straight lines. Latents z obey z = W' z + noise, with `weights` W (d, d),
# row = cause, and W' its transpose; `mixing` (p, d) makes them what is observed. Write `mixing_without_edges(weights, mixing)`:
# the mixing of a world *without any edge* that turns the same noises and shifts into the same observations.


# %% tags=["stub"]
def mixing_without_edges(weights, mixing):
    return None  # your lines


# %% tags=["solution"]
def mixing_without_edges(weights, mixing):
    return mixing @ np.linalg.inv(np.eye(len(weights)) - weights.T)


# %% tags=["nbval-check-output"]
check.mixing_without_edges(mixing_without_edges)

# %% [markdown]
# **3. Stretch \*\*\*** (6 minutes). Write `second_direction(differences)`: differences of scores (n, p) of one context, a row
# for each sample. Return how large the second direction is as a ratio to the first, by their singular values. Expected: 0 if all
# rows point one way.


# %% tags=["stub"]
def second_direction(differences):
    return None  # your lines


# %% tags=["solution"]
def second_direction(differences):
    sizes = np.linalg.svd(differences, compute_uv=False)
    return sizes[1] / sizes[0]


# %% tags=["nbval-check-output"]
check.second_direction(second_direction)

# %% [markdown]
# ## Take away
#
# * Bent mechanisms and non-Gaussian noise each tell something that covariances do not. Each has its own twin.
# * Ranks from samples need a null: what would noise alone show?
# * Causes and looks are two questions. Ask of every gain what a plain rival gains.
# * Drawing well, also what was never seen, is no evidence for a graph.
#
# **What this does not show.** Worlds that are drawn by the rules of each method; exact cumulants, where samples give
# noisy ones. No run of the bet had a right graph with its weights.
#
# ## Questions
#
# <details><summary>An intervention shifts its target, and mechanisms are straight lines. What would have to change for the
# graph to be found?</summary>
#
# The kind of intervention (hard: one that takes the causes away), the mechanisms (bent), or the data (pairs). More samples
# change nothing: the twin without edges has the same means and covariances.
#
# </details>
#
# <details><summary>A model draws unseen double interventions well. What would you need to believe its
# graph?</summary>
#
# A rival that cannot know: another order, no graph. If these draw as well, the pictures are no evidence. Then
# something that tells the graphs apart: a context in which they predict different data.
#
# </details>
#
# <details><summary>After stage two, pictures look truer and retrieval is the same to the last bit. Good news for the
# causes?</summary>
#
# No news. The painter reads codes and is read by nobody, so retrieval could not change. It is the control that shows that nothing
# else was touched.
#
# </details>
#
# ## References
#
# * Zhang, Greenewald, Squires, Srivastava, Shanmugam, Uhler: *Identifiability Guarantees for Causal
#   Disentanglement from Soft Interventions*, NeurIPS 2023, [arXiv 2307.06250](https://arxiv.org/abs/2307.06250).
# * Var&#305;c&#305;, Acartürk, Shanmugam, Kumar, Tajer: *Score-based Causal Representation Learning with Interventions*, 2023,
#   [arXiv 2301.08230](https://arxiv.org/abs/2301.08230).
# * Leyes Carreno, Meroni, Seigal: *Linear causal disentanglement via higher-order cumulants*, La Matematica
#   2025, [arXiv 2407.04605](https://arxiv.org/abs/2407.04605).
# * Yang, Shao, Wang, Zhao: *High-fidelity synthesis with causal disentangled representation*, 2024. Stage two
#   here is after the idea of its title and abstract only.
#
# Next: [learn actions nobody named](12_learn_actions_nobody_named.ipynb).
