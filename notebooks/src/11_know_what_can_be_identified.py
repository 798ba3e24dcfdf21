# %% [markdown]
# # 11 Know what can be identified
#
# *What can be identified, from which data, and what never?*
#
# | | |
# | --- | --- |
# | you will do | read causes off ranks; recover a hidden world; look for soft interventions, and for those that nothing gives away; take a context away and be handed another world |
# | you will be able to | say what a data set can tell, up to what, and which assumption is the one that fails |
# | you need | [lesson 04](04_learn_a_causal_graph.ipynb): graphs; matrices, ranks and covariances |
# | time | read 40 minutes, exercises 20 minutes; run under a minute on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1` draws other worlds; the numbers in the text are of the default |

# %% tags=["parameters"]
seed = 0  # draws the worlds, and what is trained

# %%
import json
from dataclasses import replace

import numpy as np
import torch

from cvq_tutorial import check, draw, explore
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.identify import (
    Unidentifiable,
    check_context,
    draw_world,
    match,
    partial_order,
    solve,
    solve_precisions,
    twins,
)
from cvq_tutorial.lessons.check.lesson_11 import three_data_sets

torch.set_num_threads(1)  # the same numbers everywhere
stored = json.loads((PROJECT_ROOT / "figures" / "identify.json").read_text("utf-8"))["parts"]


def drawn(number):
    return np.random.default_rng([seed, number])


sets = three_data_sets()  # for exercise 2
world = draw_world(drawn(0), latents=4, observed=6, density=1.0)
missing = 1 + int(np.flatnonzero(world.targets == 1)[0])  # the context that sets z1
pair = twins.missing_context(world, missing)
draw.two_worlds(pair, "Two worlds, one data set")

# %% [markdown]
# Two worlds. In both, hidden numbers z0 to z3 cause each other (**row = cause, column = effect**; blue
# pushes up, orange down), and six numbers are observed that mix them. The noises are Gaussian. Somebody took
# as many samples as you like, first of the world as it is, then under interventions on z0, z2 and z3, but
# none on z1. Both worlds give the *same* samples, in distribution, in every one of these experiments. The
# title says how far the covariances differ, and how far the weights do.
#
# So no method, of any size, can choose. The second world is a **twin** of the first: another world with the same
# data. How can it be? What is not drawn differs, too: the two also *mix* their hidden numbers into the six in
# different ways, and that makes up for the other weights.
#
# Within a class of worlds a thing is **identifiable** if no two worlds of the class that agree on the data disagree on
# it. Without a class nothing is: there is always some world that gives the same data. The class of this lesson: the
# hidden numbers cause each other linearly, with Gaussian noise; they are mixed linearly into at least as many observed
# ones, without loss and without noise on top; and each intervention has one target. This lesson asks what is
# identifiable before it asks how to learn.
#
# Some words. *Latents* are the hidden variables, the *mixing* is how they become what is observed. A
# *context* is an experiment: samples under one intervention; nobody says which latent is its *target*.
# Context 0 has none and is called observational. An intervention is **hard** (or perfect) if the target loses
# all its causes (a do(), where nothing random is left either, is a special case), **soft** if its mechanism changes and the
# causes stay. An *ancestor* is a cause, or a cause
# of one, and so on. Most things are identified **up to** something: names, signs and units of latents are
# never known.
#
# ## A source and a child, by hand
#
# Take two latents and observe them directly: z1 causes z0 with weight a, and all noises have size 1. Written as
# *noise = B z*, with one row of B per mechanism, the covariance of z is the inverse of $B^T B$, and so its own
# inverse, the *precision*, is $B^T B$. A hard intervention
# replaces one row by a multiple of a unit vector. The multiple, one over the size of the new noise, must differ
# from the old one: an intervention on the source that keeps its noise changes nothing.
#
# **Predict.** The precision of a context minus the one without intervention: what is its rank, if the
# target is the source z1? And if it is the child z0?

# %% tags=["nbval-check-output"]
a = 0.8
B = np.array([[1.0, -a], [0.0, 1.0]])  # rows: z0 = a z1 + noise, z1 = noise
child, source = B.copy(), B.copy()
child[0], source[1] = [2.0, 0.0], [0.0, 2.0]  # their new mechanisms: noise of another size
change = {name: C.T @ C - B.T @ B for name, C in (("child z0", child), ("source z1", source))}
for name, matrix in change.items():
    print(f"{name}: rank {np.linalg.matrix_rank(matrix)}")
keep = np.diag([1.0, 0.0])  # what is left when the direction of the source is taken out
rest = keep @ change["child z0"] @ keep
print("child, the source taken out: rank", np.linalg.matrix_rank(rest))
found = partial_order(np.array(list(change.values())))  # context 0: the child, 1: the source
print("package, causes first:", found.order)
print("ancestors, row = ancestor:", found.ancestors.astype(int).tolist())

# %% [markdown]
# With the old row b and the new one c, the change is $c c^T - b b^T$. For a source both rows point the same
# way: **rank 1**. A child loses its causes, so the two differ: **rank 2**. With the source's direction taken
# out, the child looks like a source. That is the whole routine: find rank 1, take it out, look again. Who had
# to be taken out is an ancestor. Ranks do not care how latents were mixed: if $z = H x$, where H is the *unmixing*, the
# precision of what is observed is $H^T B^T B H$, and every change has the rank that it had. So it works on what is
# observed. (With more observed than latents a covariance has no inverse, and its pseudo-inverse stands in.)
#
# ## All of it, from exact covariances
#
# Five latents, ten observed, one observational context and one per latent, in any order; nobody says which
# target is whose.
#
# **Predict.** How many digits of the unmixing will come back?

# %%
big = draw_world(drawn(1), latents=5, observed=10, density=0.75)
solution = solve_precisions(big.precisions())
truth = match.relabelled(big.ancestors, big.targets)  # in the numbering of the contexts
true_H = match.by_contexts(big.H, big.targets)
other_H = draw_world(drawn(2), latents=5, observed=10).H
error = match.row_error(solution.H, true_H)
rescaled = twins.changed(big, np.diag([2.0, -3.0, 1.0, 0.5, -1.0]))  # other units and signs
apart = np.abs(rescaled.covariances() - big.covariances()).max()
wrong = int((solution.order.ancestors != truth).sum())
control = match.row_error(other_H, true_H)
print(f"ancestors that are not right: {wrong} of {truth.size}")
print(f"error of the unmixing {error:.0e}; control, the unmixing of another world: {control:.1f}")
print(f"precisions predicted again, misfit {solution.misfit.max():.0e}")
print(f"in other units and signs the data differ by {apart:.0e}")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    ancestors_are_right=wrong == 0,
    the_unmixing_comes_back=error < 1e-10,
    not_by_chance=control > 1,
    nothing_is_left_unexplained=solution.misfit.max() < 1e-10,
    other_units_give_the_same_data=apart < 1e-10,
)

# %% [markdown]
# Everything comes back, **up to** names (contexts give them), signs and units. The last line shows why these
# cannot be asked for: another choice of them gives the same data. (The *error of the unmixing* is the length of the
# difference of all rows of H, each divided by its largest entry, signs matched; the control says what it is
# between strangers.) The solution also predicts each precision again and says by how much it misses.
# Keep an eye on this *misfit*: it is the only thing here that can say "these data are not of this kind".
#
# ## From samples
#
# **Try this.** Start at 500 samples and go right. Which is right first: an order of the causes, or all
# ancestors? (Latents are numbered by context here: "z0" is what context 1 sets.) Then put noise of 0.1 on what is observed and go to 250,000. What is cured by more data, and
# what is not?

# %% tags=["explorer"]
samples = explore.SamplesExplorer(seed)
samples.samples = 10_000
samples

# %%
trial = explore.SamplesExplorer(seed)  # another one: yours stays as you left it
trial.samples = 2500
few, few_right = trial.error, trial.share
trial.samples = 250_000
many, many_right = trial.error, trial.share
trial.noise = 0.1
for text, share, error in (
    ("2,500 samples", few_right, few),
    ("250,000 samples", many_right, many),
    ("250,000 samples, noise 0.1", trial.share, trial.error),
):
    print(f"{text:27} order right in {share:.0%} of the models, error of the unmixing {error:.3f}")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    the_error_falls_with_the_root_of_the_samples=5 < few / many < 20,
    and_the_order_is_right=many_right == 1 > few_right,
    noise_leaves_the_order=trial.share >= 0.9,
    and_spoils_the_numbers=trial.error > 0.3,
    no_error=trial.last_error is None,
)

# %% [markdown]
# The order comes first: an order is right as long as no arrow is turned round, all ancestors only when none is
# missing and none too many. The same for a hundred worlds, measured beforehand, beside the numbers that the authors of the routine report:

# %%
draw.by_samples(
    stored["linear"],
    {
        "share, all targets right": {
            "100 models": "targets right", "random order": "targets right, random order",
            "the authors' number": "targets right, authors",
        },
        "error of the unmixing": {
            "signs matched": "error of H", "signs as they fall": "error of H, signs not matched",
            "the authors' number": "error of H, authors",
        },
    },
    title="Linear latents, perfect interventions, from samples", errors=["error of the unmixing"],
)  # fmt: skip

# %% [markdown]
# On the left the share of models whose targets all stand in a right order; on the right the error of the
# unmixing, as it falls with the square root of the samples. The authors drew other worlds of the same kind
# and count signs as they fall, so on the right hold their green line against the orange one. Noise is another matter: it adds to
# every covariance what no latent made, and no amount of data takes that away. The order of the causes bears
# it, the numbers do not.
#
# ## Soft is not hard
#
# So far the target lost all its causes. Suppose it keeps them, with other weights, and we do not know that.
#
# **Predict.** The routine for hard interventions gets data of soft ones, exact, with other weights in each context.
# Will its misfit tell?

# %%
soft = draw_world(drawn(3), latents=5, observed=10, soft=True, repeats=2)  # each target twice
covariances = soft.covariances()
fooled = solve(covariances[:6])  # one context per target
wrong = match.row_error(fooled.H, match.by_contexts(soft.H, soft.targets[:5]))
second = max(check_context(fooled, extra).misfit for extra in covariances[6:])
hard = draw_world(drawn(3), latents=5, observed=10, repeats=2)
honest = solve(hard.covariances()[:6])
control = max(check_context(honest, extra).misfit for extra in hard.covariances()[6:])
order_wrong = int(
    (fooled.order.ancestors != match.relabelled(soft.ancestors, soft.targets[:5])).sum()
)
print(f"soft data: misfit {fooled.misfit.max():.0e}, and the unmixing is wrong by {wrong:.1f}")
print(f"soft data, ancestors that are not right: {order_wrong} of {soft.ancestors.size}")
print(f"a second context of each target, misfit: {second:.2f}")
print(f"control, hard data, second contexts: {control:.0e}")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    the_misfit_does_not_tell=fooled.misfit.max() < 1e-9 and wrong > 0.5,
    the_ancestors_are_right_all_the_same=order_wrong == 0,
    a_second_context_does=second > 0.01,
    and_only_where_it_is_soft=control < 1e-9,
)

# %% [markdown]
# It does not tell. Soft interventions on one world are hard ones on another: that is a twin, exact, and the
# routine finds the wrong one, and fits it perfectly. What survives here is the **order**: with other weights the new row
# of a child points another way than the old one, rank 2, and that of a source cannot: rank 1. So who is an ancestor
# of whom is right, as printed. What helps with the rest is a **second** context of the same target.
# Hard ones differ in strength only, soft ones in direction. Measured over 100 worlds: with one context per
# target none of 100 soft worlds was noticed, with two all 100, and no hard one falsely.
#
# ## Break it on purpose: nothing gives it away
#
# A soft intervention may leave all weights alone and change the *size of the noise* only. By the definition it is as
# soft as any other.
#
# **Predict.** What is the rank of the change of a child now? What will the routine say about ancestors, and will a second
# context, with noise of yet another size, tell?

# %% tags=["nbval-check-output"]
louder = hard.contexts.copy()
for number, target in enumerate(hard.targets, 1):
    louder[number] = louder[0]  # all as without intervention, but for
    louder[number, target] *= 2 if number <= 5 else 3  # the size of one noise
louder = replace(hard, contexts=louder)
deceived = solve(louder.covariances()[:6])
truth = match.relabelled(louder.ancestors, louder.targets[:5])
kept = int((deceived.order.ancestors & truth).sum())
silent = max(check_context(deceived, extra).misfit for extra in louder.covariances()[6:])
wrong = match.row_error(deceived.H, match.by_contexts(louder.H, louder.targets[:5]))
print(f"noise alone: {kept} of {truth.sum()} ancestors found, the unmixing is wrong by {wrong:.1f}")
print("misfit below 1e-10:", bool(deceived.misfit.max() < 1e-10))
print("misfit of second contexts below 1e-10:", bool(silent < 1e-10))

# %% [markdown]
# Old row and new one point the same way, so *every* latent looks like a source: no ancestor is found, the unmixing is that of
# another world, and neither misfit stirs. It is the twin without any edge. The data do not say whether an
# intervention touched the weights; you have to know it of your experiment. "The order survives soft
# interventions" holds for those that change what a child hears from its causes.
#
# ## Take a context away
#
# Back to the first figure, and to hard interventions. Each of four latents but one has its context.
#
# **Predict.** Whose context may be missing without loss? The figure shows that it is not z1's. What about z3, which has
# no causes?
#
# **Try this.** Remove one context after the other and vary how much is mixed in. For one context the second
# slider does nothing: why?

# %% tags=["explorer"]
without = explore.TwinExplorer(world)
without.context = missing
without

# %% tags=["nbval-check-output"]
trial, gaps, deaf = explore.TwinExplorer(world), [], []  # yours stays as you left it
for number in (1 + np.argsort(world.targets)).tolist():
    trial.context, apart = number, []
    for trial.strength in (1.0, 0.5):
        apart.append(trial.pair.apart)
        gaps.append(trial.pair.measured)
    target = f"z{world.targets[number - 1]}"
    deaf += [target] if apart[0] == apart[1] else []
    print(f"without the context of {target}: weights differ by {apart[0]:.1f}, "
          f"with another mix by {apart[1]:.1f}")  # fmt: skip
print(f"all data agree to {max(gaps):.0e}")
check.as_told(
    all_agree_to_10_digits=max(gaps) < 1e-10, only_the_source_has_a_single_twin=deaf == ["z3"]
)
fewer = [k for k in range(5) if k != missing]
try:
    solve(world.covariances()[fewer], 4)
except Unidentifiable as told:
    print("the package says:", told)

# %% [markdown]
# A latent without a context can have all that comes before it mixed in, as much as you like, and everything stays
# consistent. The one that comes first has no causes, nothing can be mixed in, and one is tempted to say that
# it is identified. It is not: the equations for z3 and its first effect are quadratic and have a **second
# solution**, another z2 and another z3, with the same covariances to the last digit (`twins.missing_source`).
# That one recipe makes no twin does not prove that there is none. The package refuses, names the assumption,
# and says what is left.
#
# ## When it can be seen
#
# What does the package say when an assumption fails where it shows?

# %% tags=["nbval-check-output"]
full = world.covariances()
spoilt = {
    "an equal context": full[[0, 1, 1, 2, 3]],
    "a context without effect": full[[0, 1, 2, 3, 0]],
    "NaN": np.where(np.arange(6) == 5, np.nan, full),
    "more latents than rank": (full, 6),
}
for name, data in spoilt.items():
    try:
        solve(*data) if isinstance(data, tuple) else solve(data, 4)
    except Unidentifiable as told:
        print(f"{name}: {told.fails}")

# %% [markdown]
# Each line names the assumption that fails. From the shell: `cvq identify linear`, `soft`, `cumulants` or
# `twins` draws worlds and prints the tables, and with `--data` it takes your own samples.
#
# ## Exercises
#
# **1. Warm-up \*** (4 minutes). z1 and z2 are sources, and both are causes of z0. Which rank has the change of the
# precision, context minus observational, if the context is (i) a hard intervention on z0; (ii) a hard one on z1, with
# noise of another size; (iii) a hard one on z1 that keeps its noise; (iv) a soft one on z0, with other
# weights; (v) a soft one on z0 that only makes its noise larger?

# %% tags=["stub"]
ranks = None  # your answer, such as [1, 1, 1, 1, 1]

# %% tags=["solution"]
ranks = [2, 1, 0, 2, 1]

# %% tags=["nbval-check-output"]
check.ranks_of_changes(ranks)

# %% [markdown]
# **2. Core \*\*** (7 minutes). Three data sets, each of 3 latents in 5 observed: `sets["A"]`, "B" and "C" are
# covariances (7, 5, 5). Number 0 is observational, 1 to 3 have one context per target, 4 to 6 a second one. One of the
# three is soft. Return the worst misfit of the second contexts of each set. Expected: two of the three are about
# 1e-10 or less.

# %% tags=["stub"]
worst_misfits = None  # your answer: a list, of A, B and C

# %% tags=["solution"]
worst_misfits = []
for data in sets.values():
    hard_fit = solve(data[:4], 3)
    worst_misfits.append(max(check_context(hard_fit, extra).misfit for extra in data[4:]))

# %% tags=["nbval-check-output"]
check.second_contexts(worst_misfits)

# %% [markdown]
# **3. Stretch \*\*\*** (8 minutes). Build the twin. Latents are numbered so that causes have the larger
# numbers; the context of latent m is missing, and m is not the one that comes first (m < d - 1). Write `twin_matrix(d, m)`: a (d, d) matrix M so that the
# latents M z are those of another world, with the same data and hard interventions in all contexts that are
# left. Keep the units: ones on the diagonal. Expected: the identity, but for one row.


# %% tags=["stub"]
def twin_matrix(d, m):
    return None  # your lines


# %% tags=["solution"]
def twin_matrix(d, m):
    M = np.eye(d)
    M[m, m + 1 :] = 1.0  # only what comes before it: these can be its causes
    return M


# %% tags=["nbval-check-output"]
check.twin_matrix(twin_matrix)

# %% [markdown]
# ## Take away
#
# * First ask for the twin. If there is one, no learner helps.
# * What an intervention changes is a matrix; who has rank 1 comes first. That order outlives soft interventions that change
#   weights, and not those that change noise alone.
# * A fit without misfit proves little: soft data fit perfectly.
# * More contexts buy what more samples cannot. Some things neither buys.
# * Say "up to": names, signs, units, and then what else.
#
# **What this does not show.** Worlds that are drawn by the rules of each method. On real pictures the rules
# are what fails, and with one context per target nothing may say so. The authors' numbers are theirs, on
# other draws of the same kind.
#
# ## Questions
#
# <details><summary>With one context per target soft data fit perfectly. Is the answer of the routine then
# of any use?</summary>
#
# Its order is, if you know that the interventions changed weights: the change of a source has rank 1 all the same, that
# of a child rank 2. If only a noise grew, not even that. Its weights and its mixing belong to the twin.
#
# </details>
#
# <details><summary>All covariances of all contexts are predicted to 14 digits. What has been shown?</summary>
#
# That the data are those of *some* world of the class. Whether it is yours depends on what else fits: take each assumption
# away in thought, and look for the twin.
#
# </details>
#
# <details><summary>A context is missing, and the recipe that you know makes no twin. Is all identified?</summary>
#
# Not by that. One recipe without a twin is no proof; for the latent that comes first there is another one.
#
# </details>
#
# ## References
#
# * Squires, Seigal, Bhate, Uhler: *Linear Causal Disentanglement via Interventions*, ICML 2023,
#   [arXiv 2211.16467](https://arxiv.org/abs/2211.16467).
# * Zhang, Greenewald, Squires, Srivastava, Shanmugam, Uhler: *Identifiability Guarantees for Causal
#   Disentanglement from Soft Interventions*, NeurIPS 2023, [arXiv 2307.06250](https://arxiv.org/abs/2307.06250).
#
# Next: [know what pairs can tell](11b_know_what_pairs_can_tell.ipynb), on the data of this package; then
# [know what bends and noise tell](11c_know_what_bends_and_noise_tell.ipynb), on what weaker interventions leave.
