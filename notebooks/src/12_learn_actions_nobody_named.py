# %% [markdown]
# # 12 Learn actions nobody named
#
# *Pairs of pictures, before and after. Nobody says what was done. Which actions are there?*
#
# | | |
# | --- | --- |
# | you will do | guess the actions of a strange world, then let a mixture and the model guess; try each learnt action, name it, merge two; find a start that knows up from down in pictures; make the codes collapse, and make them copy the picture |
# | you will be able to | learn actions from pairs alone, score them fairly, and say what must hold for them to be the true ones |
# | you need | [lesson 06](06_retrieve_the_action.ipynb): the posterior over actions; probabilities and logarithms |
# | time | read 40 minutes, exercises 20 minutes; run under 90 seconds on one core |
# | it writes | nothing |
# | papermill | `-p seed 1` draws other pairs and trains from another start; numbers in the text are of the default |

# %% tags=["parameters"]
seed = 0  # draws the pairs, and what is trained here

# %%
import json
import tempfile

import numpy as np
import torch
from IPython.display import Image

from cvq_tutorial import (
    check,
    draw,
    explore,
    load_or_train,
    make_world,
    sample_transitions,
    to_float,
    train,
)
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.draw import sheets
from cvq_tutorial.measure import unnamed as measure
from cvq_tutorial.training import recipes, starts

torch.set_num_threads(1)  # the same numbers everywhere
stored = json.loads((PROJECT_ROOT / "figures" / "unnamed.json").read_text("utf-8"))
signs = make_world("codes", n_variables=8, n_codes=6, n_actions=5, n_targets=3)
seen = signs.sample(1200, "test", seed)  # the first 600 to look at, the others to be scored on
x, y = torch.from_numpy(seen.x), torch.from_numpy(seen.y)  # (1200, 8, 1)
SHOWN = 12


def strip(codes, other):
    return sheets.code_map(codes[:, 0], (1, 8), 6, 22, marked=(codes != other)[:, 0])


rows = []
for first in range(0, SHOWN, 3):
    some = range(first, first + 3)
    rows.append([sheets.Tile(f"pair {i + 1}, before", strip(x[i], y[i])) for i in some])
    rows.append([sheets.Tile("after", strip(y[i], x[i])) for i in some])
told = "Twelve pairs of rows of eight signs, before and after; signs that changed are framed: "
told += "; ".join(
    f"{i + 1}: {', '.join(str(n + 1) for n in np.flatnonzero((x[i] != y[i])[:, 0]))}"
    for i in range(SHOWN)
)
drawn = sheets.sheet(rows, [22] * len(rows), told)
Image(drawn.png, width=drawn.width, alt=drawn.summary)

# %% [markdown]
# A strange world: eight signs in a row, each one of six. Somebody did something, and then the signs were as
# in the lower row; those that changed are framed. It was done by one of **five** actions, and nobody tells
# you which, nor what they do.
#
# So far every pair in these lessons came with the name of its action. Most pairs in the world do not: films,
# logs, photographs of before and after. Can the names be *found*?
#
# ## You first
#
# **Predict.** Give pairs that you think were made by the same action the same letter. Which letter
# does not matter. Write your letters in place of the twelve A, and run the cell again.

# %%
guess = "AAAAAAAAAAAA"  # a letter for each of the pairs 1 to 12
yours = np.unique(list(guess.ljust(SHOWN, "A")[:SHOWN]), return_inverse=True)[1]
true = seen.actions[:SHOWN]
table = measure.together(true, yours, 5, 12)
right = sum(table[a, code] for code, a in enumerate(measure.match(table)) if a >= 0)
print(f"right, if your letters get the names that fit them best: {right} of {SHOWN}")
print("one letter for all has:", np.bincount(true).max())
if yours.any():  # you did guess
    print("the truth, in letters:", "".join("ABCDE"[a] for a in true))

# %% [markdown]
# How did you do it? Most people look at *which* signs changed: an action has its targets. But signs keep
# still sometimes, as the new sign happens to be the old one; and two actions may share targets.
#
# Note how a guess is scored. Your letters are only letters, so first they are matched with the true actions
# in the best of all ways, each letter with one action: **one to one**. (Twelve pairs are few; below the match
# is made on some pairs and counts on others.)
#
# ## What changed, by hand
#
# Turn your way of looking into a model. Action $a$ has a share $\pi_a$ of the pairs and changes sign $n$ with
# probability $p_{an}$. Which action a pair is of, nobody knows, so we go in circles (*expectation
# maximisation*):
#
# * **E**: given $\pi$ and $p$, each pair shares itself among the actions, in proportion to $\pi_a$ times
#   the probability of what changed in it: its *responsibilities* $r_a$.
# * **M**: given these, $\pi_a$ is the mean of $r_a$, and $p_{an}$ the share of change of sign $n$ among
#   the pairs, each counted $r_a$ times.

# %%
changed = (x != y).flatten(1).double()  # (1200, 8)


def em(p, rounds=60):
    share, p = torch.full((len(p),), 1 / len(p), dtype=p.dtype), p.clamp(1e-3, 1 - 1e-3)
    for _ in range(rounds):
        joint = changed @ p.log().T + (1 - changed) @ (1 - p).log().T + share.log()
        r = joint.softmax(1)  # E
        share = r.mean(0)  # M
        p = (r.T @ changed + 0.5 * changed.mean(0)) / (r.sum(0) + 0.5)[:, None]
        p = p.clamp(1e-3, 1 - 1e-3)
    return r


def score(found, m):
    """Matched on the first 600 pairs, scored on the others."""
    found = np.asarray(found)
    halves = [(seen.actions[half], found[half]) for half in (slice(600), slice(600, None))]
    return measure.scores(*halves, 5, m)


clusters = torch.from_numpy(measure.k_means(changed, 5, seed))  # to start from
centres = torch.stack([changed[clusters == a].mean(0) for a in range(5)])
by_hand = em(0.8 * centres + 0.1).argmax(1)
same = 0
for start in range(1, 6):
    package = starts.mixture(changed.float(), 5, np.random.default_rng([seed, start])).argmax(1)
    both = measure.together(by_hand, package, 5, 5)
    same += both[np.arange(5), measure.codes_of(both)].sum() > 0.98 * len(x)
print(f"starts of 5 from which the package says the same, but for names: {same}")
for name, found in {"k-means": clusters, "mixture": by_hand}.items():
    told = score(found, 5)
    print(f"{name} on which signs changed, one to one: {told['one_to_one']:.3f}, "
          f"chance {told['chance']:.3f}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    the_package_says_the_same_from_most_starts=same >= 3,
    most_pairs_are_right=told["one_to_one"] > 0.8,
    chance_is_far_below=told["chance"] < 0.3,
)

# %% [markdown]
# Good, and it cannot be perfect: it looks at *where* a sign changed and never at *what it became*. (Here
# the circle adds hardly anything to k-means, from which it began.) And a circle ends
# in the nearest optimum: from a bad start the same lines may end in a worse one. So the package starts several
# times and keeps the likeliest. Keep this in mind; **the start decides** will come back.
#
# ## The model in place of the mixture
#
# The causal transition of lesson 04 knows what signs become. It predicts $p(y \mid x, a)$ from the causes that
# it finds. So keep the circle, and let the transition be what it turns around. With $M$ action codes, more
# than needed:
#
# $$r_a(x, y) \propto \pi_a \; p(y \mid x, a), \qquad a = 1 \dots M$$
#
# * **E**: score every code in one pass, just as in retrieval (lesson 06), times how much it is used. Then
#   *draw* a label from $r$ for some of the pairs.
# * **M**: train the transition as always, as if these labels were names.
#
# What keeps it honest? If a code could say anything about $y$, it would say $y$. But there are only
# $M$ codes, and the prior $\pi$ makes a code that is seldom used expensive. The start comes from mixtures as
# above, and which start is better is decided by the likelihood of held-out *pairs*. Names are never looked at.
#
# **Predict.** Eight codes for five actions. What becomes of the other three?


# %%
def learnt(codes, steps):
    """A model of the strange world, from pairs alone; what it trained in is thrown away."""
    recipe = recipes.get(
        "lesson", "codes", actions="none", action_codes=codes, transition_steps=steps,
        transitions=4000, width=32, prune_tolerance=0,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        return train(signs, recipe, seed, folder, device="cpu", progress=False)


model = learnt(8, 300)
read = model.retrieve(x, y).actions
by_model = score(read, 8)
use = torch.bincount(read, minlength=8).tolist()
print("pairs read as each code:", use)
for name in ("one_to_one", "many_to_one", "nmi", "chance"):
    print(f"{name.replace('_', ' '):12} {by_model[name]:.3f}")
few = sum(n < 24 for n in use)
print("codes that are read in fewer than 2 % of the pairs:", few)

# %% tags=["nbval-check-output", "gate"]
added_up = model.retrieve(x[:9], y[:9]).log_posterior.exp().sum(1)
check.as_told(
    two_codes_or_more_run_dry=few >= 2,
    nearly_all_pairs_are_right=by_model["one_to_one"] >= 0.93,
    ahead_of_the_mixture=by_model["one_to_one"] > score(by_hand, 5)["one_to_one"],
    the_posterior_adds_up_to_one=bool((added_up - 1).abs().max() < 1e-4),
)

# %% [markdown]
# Here, codes that are not needed run dry: what they could explain, a code that is used more explains at a lower
# price. (No law: below an action will be shared by several codes.) *Many to one* lets each code have the action that it goes with most, so an action in pieces costs
# nothing there. *NMI*, normalised mutual information, says how much codes and actions tell of each other: 0 for
# nothing, 1 for everything. *Chance* is the same codes, shuffled, with the same match.
#
# ## What does each of them do?
#
# A cluster of pairs can be *read*. An action can be **done**, on a row that was in none of the pairs. Below each
# code that is used is done on one row (lesson 05), beside what the true action does that it was *matched* with.

# %%
pairs_of = measure.together(seen.actions, read, 5, 8)
meant = measure.match(pairs_of)  # the true action of each code, -1 for those that are left over
start = x[700:701]
gallery = [[], [], []]
for code in np.flatnonzero(meant >= 0):
    done = model.intervene(start, int(code)).codes[0]
    truth = torch.from_numpy(signs.apply(start.numpy(), meant[code : code + 1]))[0]
    gallery[0].append(sheets.Tile("a row", strip(start[0], done)))
    gallery[1].append(sheets.Tile(f"after action {code + 1}", strip(done, start[0])))
    gallery[2].append(sheets.Tile(f"truly, after {'ABCDE'[meant[code]]}", strip(truth, start[0])))
told = "Each learnt action that has a match, done on one row of signs, above what the true one does"
same = moved = 0
for code in np.flatnonzero(meant >= 0):  # and on 300 rows
    truth = torch.from_numpy(signs.apply(x[600:900].numpy(), np.full(300, meant[code])))
    same += int((model.intervene(x[600:900], int(code)).codes == truth).sum())
    moved += int((x[600:900] == truth).sum())
n_signs = 300 * 8 * int((meant >= 0).sum())
print(f"signs of 300 rows that are as after the true action: {same / n_signs:.3f}, "
      f"if nothing is done: {moved / n_signs:.3f}")  # fmt: skip
drawn = sheets.sheet(gallery, [16] * 3, told)
Image(drawn.png, width=drawn.width, alt=drawn.summary)

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    five_codes_have_a_match=int((meant >= 0).sum()) == 5,
    done_they_leave_less_than_half_of_what_is_wrong=n_signs - same < 0.5 * (n_signs - moved),
)

# %% [markdown]
# **Try this.** Below, names are yours to give. Try `action 1` on a few rows until you are sure which signs it
# sets, call it a0 to a4, and watch *named right*. Go on until you reach what the best names would. Then merge
# two actions that are different: what happens to the NMI, and what to the best names? And two that are hardly
# used?

# %% tags=["explorer"]
naming = explore.UnnamedExplorer(model, signs, seed)
naming

# %%
trial = explore.UnnamedExplorer(model, signs, seed)  # another one: yours stays as you left it
nameless = trial.right
for code in np.flatnonzero(meant >= 0):
    trial.code = int(code)
    trial.call(signs.action_names[meant[code]])
nmi, best, named = trial.nmi, trial.best, trial.right
one, other = np.flatnonzero(meant >= 0)[:2].tolist()
trial.code = one
trial.merge(other)
print(f"named right without names {nameless:.2f}, with those of the match {named:.2f}, "
      f"with the best {best:.2f}")  # fmt: skip
print(f"two that are different, merged: NMI {nmi:.2f}, then {trial.nmi:.2f}; "
      f"best {best:.2f}, then {trial.best:.2f}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    without_names_none_is_right=nameless == 0,
    the_match_is_as_good_as_the_best=best - named < 0.01,
    merging_different_ones_costs=trial.nmi < nmi and trial.best < best,
    no_error=trial.last_error is None,
)

# %% [markdown]
# ## One name each
#
# To give the names you needed a few rows, not thousands. How many *labelled* pairs does it take? Take one pair
# per action with its name; each code gets the name that the labelled pairs say. The rival is a classifier that
# learns from the same labelled pairs and nothing else.

# %%
posterior = model.retrieve(x, y).log_posterior.exp()
features = measure.code_changes(x, y, model.n_codes)
order = np.random.default_rng(seed).permutation(len(x))
by_names = {}
for each in (1, 5):
    some = [order[seen.actions[order] == a][:each] for a in range(5)]
    told = measure.few_names(posterior, features, seen.actions, np.concatenate(some), 5)
    by_names[each] = told["learnt_codes"], told["classifier"]
    print(f"{each} per action: learnt codes {told['learnt_codes']:.3f}, "
          f"classifier {told['classifier']:.3f}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    one_name_each_is_enough=by_names[1][0] > 0.93 and by_names[5][0] > 0.93,
    the_classifier_is_behind=all(codes > rival for codes, rival in by_names.values()),
)

# %% [markdown]
# ## Pictures, and which way is up
#
# Now `shapes3d`: pictures with six factors, and twelve actions that raise or lower one. The autoencoder never
# saw an action. And here **which codes changed** is a bad guide: raising the wall's hue changes the codes of
# the wall, lowering it changes *the same* codes. What they become depends on the hue that it had.
#
# So the start needs more. The pairs of one factor join its values to a path: red to orange, orange to yellow.
# Along that path some function of the codes rises slowly, and a step up raises it, wherever it starts. The
# *slowest* functions of the codes along all pairs can be computed (slow feature analysis), and their **sign of
# change** tells up from down.
#
# **Predict.** Twelve codes, before any training, from each of the two starts: how many pairs of a hundred are
# right, one to one? Chance is about eight.

# %%
painter, world, _ = (
    load_or_train()
)  # of this model the autoencoder only, which no action has taught
test = sample_transitions(world.factors, 2000, "test", seed)
codes_x, codes_y = (
    torch.cat([painter.encode(to_float(world.render(v))) for v in np.split(values, 20)])
    for values in (test.x, test.y)
)
by_start = {}
for kind in starts.STARTS:
    rng = np.random.default_rng(seed)
    label = starts.start_labels(codes_x, codes_y, painter.n_codes, 12, kind, rng)
    halves = [(test.actions[half], label[half]) for half in (slice(1000), slice(1000, None))]
    factor_of = world.factors.factor_of(np.arange(12))
    by_start[kind] = measure.scores(*halves, 12, 12, factor_of, world.factors.names)
    told = by_start[kind]
    print(f"from what is {kind:8} one to one {told['one_to_one']:.3f}, factor {told['factor']:.3f}, "
          f"chance {told['chance']:.3f}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
slow, what = by_start["slow"], by_start["changed"]
check.as_told(
    slow_is_far_ahead=slow["one_to_one"] > what["one_to_one"] + 0.1,
    what_changed_names_the_factor=what["factor"] > 0.6,
    and_not_the_action=what["one_to_one"] < 0.6,
)

# %% [markdown]
# From there the circle turns as before. It takes minutes, so here is what was measured (`figures/unnamed.md`, by
# `tools/build_unnamed.py`): the transition trained from pairs alone with 12 and with 24 codes, and k-means.

# %%
rows = stored["shapes3d 0"]
for row in rows["found"]:
    if row["codes"] != "named":
        print(f"{row['codes']:2} codes, {row['used']:2} used: one to one {row['one to one']:.3f}, "
              f"many to one {row['many to one']:.3f}, NMI {row['nmi']:.3f}, "
              f"chance {row['chance']:.3f}")  # fmt: skip
for row in rows["rivals"]:
    print(f"k-means on {row['k-means on']}: one to one {row['one to one']:.3f}, "
          f"NMI {row['nmi']:.3f}")  # fmt: skip
for row in rows["names"]:
    if row["codes"] == 12:
        print(f"{row['labels per action']:2} names per action: learnt codes "
              f"{row['learnt codes']:.3f}, classifier {row['classifier']:.3f}")  # fmt: skip
for row in rows["algebra"]:
    print(f"{row['codes']} codes, pairs of actions that undo each other, found: {row['inverses']}, "
          f"others: {row['others']}")  # fmt: skip

# %% [markdown]
# Where one to one is far below many to one, some action is in **pieces**: one code for some of its states,
# another for the rest. Nothing in the likelihood forbids it: two codes that are never of use in the same state
# explain exactly what one code would. So near its end the training joins the two codes that do the most similar
# things, and again, as long as held-out pairs are explained as well by codes that are taught anew: how many of
# the 24 were used in the end is printed above.
#
# The last lines are an *algebra*. If $b$ undoes $a$, a pair $(x, y)$ of $a$, turned round, is a pair of $b$. So
# read $(x, y)$, read $(y, x)$, and count: no name is needed to know that there are two ways to go, and which
# two. (In the strange world nothing can be undone: its actions forget what was there.)

# %% [markdown]
# ## Put the pieces together
#
# A model with 24 codes comes with the package, trained *without* that last step (`action_pieces="apart"`), so that
# you can do it by hand.
# Its actions have no names: nobody gave it any.
#
# **Try this.** Choose a code and look at the two rows of pictures below: on which of the eight does it do
# something, and what? Find two that do the same, each on some of the pictures. Merge them: the NMI *rises*. Then
# merge two that do different things.

# %% tags=["explorer"]
pieces, _, _ = load_or_train(
    actions="none", action_codes=24, transitions=12_000, transition_steps=1200,
    action_pieces="apart",
)  # fmt: skip
merging = explore.UnnamedExplorer(pieces, world, seed)
merging.code = int(np.bincount(merging.read).argmax())
merging

# %%
trial = explore.UnnamedExplorer(pieces, world, seed)  # another one: yours stays as you left it
nmi, best = trial.nmi, trial.best
by_code = measure.together(trial.true, trial.read, 12, 24).argmax(0)  # what each is mostly read in
for code in np.unique(trial.read).tolist():
    trial.code = code
    trial.merge(int(np.flatnonzero(by_code == by_code[code])[0]))
print(f"pieces of one action merged, by the truth: NMI {nmi:.2f}, then {trial.nmi:.2f}; "
      f"what the best names reach {best:.2f}, then {trial.best:.2f}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    the_nmi_rises=trial.nmi > nmi + 0.03,
    what_the_best_names_reach_too=trial.best > best + 0.1,
    no_error=trial.last_error is None,
)

# %% [markdown]
# The cell above merged by the truth, which is a ceiling: you, and a learner, have only what the codes do. A code
# that is a piece has states in which it was never needed, and there nothing holds it to anything.
#
# ## Break it on purpose: collapse
#
# Users of latent action models report two failures. The first: all pairs end in one code. With $M = 1$ it is
# there by construction, and it looks like training. With more codes it comes from the start. Codes that begin
# *alike* get alike responsibilities, so they stay alike.

# %%
alone = learnt(1, 40)
collapsed = score(alone.retrieve(x, y).actions, 1)
print(f"one code: NMI {collapsed['nmi']:.3f}, one to one {collapsed['one_to_one']:.3f}; "
      f"share of the usual action {collapsed['one_code']:.3f}")  # fmt: skip
alike = em(changed.mean(0).repeat(5, 1))
print(f"five codes that begin alike: responsibilities {alike.min():.3f} to {alike.max():.3f}")
one, eight = alone.retrieve(x, y), model.retrieve(x, y)
price = np.log(8)  # nats, the most that saying one of eight can cost
gain = eight.log_likelihood.max(1).values.mean() - one.log_likelihood.max(1).values.mean()
print(f"eight codes explain a pair better by {gain:.1f} nats, and cost {price:.1f} at most")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    one_code_says_nothing=collapsed["nmi"] == 0,
    it_scores_as_the_usual_action=abs(collapsed["one_to_one"] - collapsed["one_code"]) < 1e-9,
    alike_stays_alike=bool((alike - 0.2).abs().max() < 1e-6),
    eight_are_worth_their_price=float(gain) > price,
)

# %% [markdown]
# The last line is what a judge without names can see: nats per pair. A code costs at most $\ln M$ nats to say. If
# it does not save more than that, it is not worth saying. That is the *information price*, and it is also why a
# collapse shows in the likelihood.
#
# ## Break it on purpose: a compressed picture
#
# The second failure is the opposite. With very many codes, a code can say what $y$ *looks like* instead of
# what was *done*. Watch it: k-means on differences of pixels, with 4, 12 and 150 clusters of 400 pairs. The code of a
# pair is its cluster, and "doing" it adds the cluster's mean difference to a picture.
#
# Beside it stand the model with 24 codes that you merged, which was told no name, and the shipped model of lesson
# 05, which was told twelve. Both *do* actions on codes.
#
# **Predict.** The error on the pairs themselves will fall. And if the same codes are done on *another* picture?
#
# The next cell does all of them, folded; skip it at first.

# %% tags=["machinery"]
before, after = (to_float(world.render(values[:400])) for values in (test.x, test.y))
change = (after - before).flatten(1).numpy()
swap = np.random.default_rng(seed).permutation(400)  # another picture for each code
legal = world.factors.legal(test.x[swap], test.actions[:400])
acts = test.actions[:400][legal]
other_x = before[swap][legal]
other_y = to_float(world.render(world.factors.apply(test.x[swap][legal], acts)))


def ghost(m):
    """The mean difference of each pair's cluster, of m: (400, 3, 64, 64)."""
    code = measure.k_means(change, m, seed)
    centres = np.stack([change[code == c].mean(0) for c in range(m)])
    return torch.from_numpy(centres[code]).view_as(before)


def error(images, true):
    return float((images - true).square().mean()) * 1000


def done(model, codes, actions):
    parts = zip(codes.split(50), torch.as_tensor(actions).split(50), strict=True)
    return torch.cat([model.intervene(c, a).images for c, a in parts])


errors = {"copy of x": (error(before, after), error(other_x, other_y))}
for m in (4, 12, 150):
    added = ghost(m)
    errors[f"{m} clusters"] = error(before + added, after), error(other_x + added[legal], other_y)
own_x, own_y = codes_x[:400], codes_y[:400]  # both models have the same autoencoder
said = torch.cat(
    [pieces.retrieve(own_x[i : i + 50], own_y[i : i + 50]).actions for i in range(0, 400, 50)]
)
errors["24 codes, no names"] = (
    error(done(pieces, own_x, said), after),
    error(done(pieces, own_x[swap][legal], said[legal]), other_y),
)
errors["named actions"] = (
    error(done(painter, codes_x[:400], test.actions[:400]), after),
    error(done(painter, codes_x[:400][swap][legal], acts), other_y),
)
print("squared error x 1000   own pair   another picture")
for name, (own, another) in errors.items():
    print(f"{name:22} {own:8.2f}   {another:8.2f}")
draw.reconstructions(
    other_y[:8], (other_x + added[legal]).clamp(0, 1)[:8],
    rows=("truth", "150 clusters"), title="Codes of other pairs, done here",
)  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
own, another = ({name: e[side] for name, e in errors.items()} for side in (0, 1))
check.as_told(
    more_clusters_smaller_error=own["4 clusters"] > own["12 clusters"] > own["150 clusters"],
    on_another_picture_worse_than_a_copy=another["150 clusters"] > another["copy of x"],
    codes_without_names_are_good_on_both=another["24 codes, no names"] < 0.5 * another["copy of x"]
    and own["24 codes, no names"] < 0.5 * own["copy of x"],
    true_actions_are_good_on_their_own=own["named actions"] < 0.5 * own["copy of x"],
    and_on_another=another["named actions"] < 0.5 * another["copy of x"],
)

# %% [markdown]
# The ghosts are parts of *other* pictures: the code carries the object that it was learnt on. On its own pairs it
# looks excellent (150 clusters have learnt 400 pairs nearly by heart), and any test that only asks "can y be rebuilt
# from x and the code?" will praise it. The test that sees through it is the second column: **do the code of one
# pair on another picture**. The codes learnt without names pass it. Two things can make their second number
# larger than their first: on its own pair the code was chosen by looking at y, and elsewhere a piece may be done on
# a state in which it was never needed.
#
# ## What theory asks for
#
# Others learn actions from films. *LAPO* trains two networks: one looks at both frames and says a code, one
# predicts the second frame from the first and the code; the code goes through a quantiser, so that it stays
# small, and a few labels name it afterwards. *Genie* does this at the scale of a great many game films, with
# eight codes, few enough that a person can play with them. *LAPA* learns such codes from films of hands and
# robots, teaches a large model to predict them, and replaces them by a robot's real actions at the end. None of
# them is told what its codes are.
#
# When are they the true ones? A proof was given in 2025 (arXiv 2510.01337) for LAPO with a price on the entropy
# of the code, under conditions on the world. It is no proof about the method of this lesson, whose price is
# another. It names three properties that codes should have, and each of our failures breaks one:
#
# | wanted of the codes | broken by | what keeps it here |
# | --- | --- | --- |
# | **determined**: one true action, one code | pieces | a prior that prefers few codes |
# | **the same in every state**: a code says nothing about x | the compressed picture | few codes; a transition that copies what it does not set |
# | **informative**: two actions, two codes | collapse | the likelihood, and several starts |
#
# And the world must help. Actions must do something that *shows*, and different things in some state that
# occurs; the picture must show the state; and states must hang together, so that what a code means in one
# corner is tied to what it means in the next. Data alone do not tie them: if a code may mean anything in every
# state, as in a table with a line per state, then up in one half of the hues and down in the other explains
# every pair as well as the truth: a twin, as in [lesson 11](11_know_what_can_be_identified.ipynb). What ties
# is an **assumption** about the learner or the world: in the proof, that effects change smoothly from state to
# state; here, that one small network serves all states, and that it begins at slow functions, which walk the
# path from red to orange. It can be wrong, and no likelihood would say so.

# %% [markdown]
# ## Exercises
#
# **1. Warm-up \*** (3 minutes). Somebody knows exactly what two actions do in every state, and sees pairs without
# names. Is there a pair of which it can say which of the two was done? Answer True or False for each: (i) they do the same in every state; (ii) they do the same in all states but one, and that one
# occurs; (iii) they change the same codes, one up, one down; (iv) they are always both done between two
# pictures.

# %% tags=["stub"]
apart = None  # your answer, such as [True, True, True, True]

# %% tags=["solution"]
apart = [False, True, True, False]

# %% tags=["nbval-check-output"]
check.told_apart(apart)

# %% [markdown]
# **2. Core \*\*** (7 minutes). The E-step. Write `responsibilities(scores, share)`: scores are log-likelihoods in
# nats, (B, M), share is (M,), how much each code is used. Return (B, M). Log-likelihoods of pictures may be
# -1500: mind what `exp` makes of that. Expected: rows that add up to 1.


# %% tags=["stub"]
def responsibilities(scores, share):
    return None  # your lines


# %% tags=["solution"]
def responsibilities(scores, share):
    joint = scores + np.log(share)
    weights = np.exp(joint - joint.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


# %% tags=["nbval-check-output"]
check.responsibilities(responsibilities)

# %% [markdown]
# **3. Stretch \*\*\*** (6 minutes). Write the fair score, `one_to_one(true, found, n)`: true and found are integers
# (B,) below n. Each code gets one action and each action one code, in the way that makes most pairs right;
# return their share. Few enough codes to try every `way` of `itertools.permutations(range(n))`. Expected: 1 if found is true with its numbers shuffled.


# %% tags=["stub"]
def one_to_one(true, found, n):
    return None  # your lines


# %% tags=["solution"]
def one_to_one(true, found, n):
    from itertools import permutations

    table = np.zeros((n, n))
    np.add.at(table, (true, found), 1)
    ways = [sum(table[a, c] for a, c in enumerate(way)) for way in permutations(range(n))]
    return max(ways) / len(true)


# %% tags=["nbval-check-output"]
check.one_to_one(one_to_one)

# %% [markdown]
# ## Take away
#
# * A code for an action is what makes y predictable from x, and no more than that.
# * Score the codes, each scored as in retrieval; train as if they were names; go round.
# * The start decides: what changed, and which way the slow things move.
# * Report one to one, many to one and NMI with chance, a collapse, and k-means beside them.
# * Do a code on another picture. A compressed picture fails there, and looks excellent where y is only rebuilt.
#
# **What this does not show.** Worlds whose pairs hold one action each, done on purpose and evenly. In a film most
# frames differ by what nobody did: a camera, other people, noise. A code that must say one of $M$ things about
# that says the largest, and the largest need not be the action.
#
# From the shell: `cvq train shapes3d --actions none --set action_codes=12`; your own pictures, of which a table
# `pairs.csv` in the folder F lists pairs in columns `before` and `after`:
# `cvq train pictures --root F --table pairs.csv --actions none`.
#
# ## Questions
#
# <details><summary>A colleague has 64 action codes, rebuilds y almost perfectly, and says that actions were found.
# What do you ask for?</summary>
#
# The code of one pair, done on another picture; and one to one beside many to one, with chance. Rebuilding y
# says that the code carries y.
#
# </details>
#
# <details><summary>NMI is 0.89 and many to one 0.98, but one to one only 0.77. What happened?</summary>
#
# Actions in pieces. Each code is nearly pure, so many to one is high; but several codes share an action, and
# one to one allows only one of them.
#
# </details>
#
# <details><summary>Why may names be used to score the codes, but not to choose between two starts?</summary>
#
# Chosen by names, the start has been told them, and the score says how well we chose, not how well it works
# without names. The likelihood of held-out pairs is there without any.
#
# </details>
#
# ## References
#
# * Schmidt, Jiang: *Learning to Act without Actions* (LAPO), ICLR 2024,
#   [arXiv 2312.10812](https://arxiv.org/abs/2312.10812).
# * Bruce and others: *Genie: Generative Interactive Environments*, ICML 2024,
#   [arXiv 2402.15391](https://arxiv.org/abs/2402.15391).
# * Ye and others: *Latent Action Pretraining from Videos* (LAPA), ICLR 2025,
#   [arXiv 2410.11758](https://arxiv.org/abs/2410.11758).
# * Lachapelle: *On the Identifiability of Latent Action Policies*, 2025,
#   [arXiv 2510.01337](https://arxiv.org/abs/2510.01337).
# * Wiskott, Sejnowski: *Slow Feature Analysis*, Neural Computation 14, 2002. Celeux, Diebolt, 1985: the stochastic
#   EM algorithm.
#
# Back to [the start](00_start_here.ipynb).
