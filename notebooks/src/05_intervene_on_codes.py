# %% [markdown]
# # 05 Intervene on codes
#
# *If an action is done on the codes, does exactly one factor of the image change?*
#
# | | |
# | --- | --- |
# | you will do | every action from one image; open the mask, the mechanism and the copy; cut a node off from its causes; let a judge decide; do five actions in a row; catch a model that praises itself |
# | you will be able to | tell an intervention that works from one that only looks so, and name the controls it needs |
# | you need | [lesson 04b](04b_read_the_graph_of_an_image.ipynb): nodes, causes, edges, set or copied |
# | time | read 40 minutes, exercises 20 minutes; run half a minute on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1 -p pairs 2400` draws other and more test transitions |

# %% tags=["parameters"]
seed = 0  # draws the test transitions
pairs = 1200  # how many of them
device = "auto"  # auto, cpu, cuda, mps

# %%
import numpy as np
import torch

from cvq_tutorial import (
    check,
    draw,
    explore,
    load_or_train,
    sample_transitions,
    sample_values,
    to_float,
)
from cvq_tutorial.lessons import load_or_train_a_judge
from cvq_tutorial.measure import edits_per_factor, random_actions
from cvq_tutorial.measure.leakage import leakage

model, world, _ = load_or_train(device=device)
judge = load_or_train_a_judge(world).to(model.device)
space, names = world.factors, world.factors.names


def images_of(values):
    return to_float(world.render(values)).to(model.device)


# %% [markdown]
# ## Every action from one image
#
# To *intervene* is to set something from outside and let everything else follow. Here an action is
# done on the **codes** of an image: the model says which codes the action sets, gives them new
# values, copies the others, and the decoder paints what is left. It is written do(action). Nobody
# tells the model what a wall is.
#
# The codes that are set are the *intervention target*. As the new values follow from other codes, this is
# a *soft* intervention; holding a code at a value, as the explorer of lesson 04b does, is a *hard* one.
#
# **Predict.** Twelve actions, one image. Which of them will be hardest to get right: a colour, the
# shape, or a turn of the camera?

# %%
start = np.array([[3, 5, 7, 4, 1, 7]])  # floor, wall, object hue, scale, shape, orientation
before = np.repeat(start, model.n_actions, axis=0)
after = space.apply(before, np.arange(model.n_actions))  # the truth, from the world
x, y = images_of(before), images_of(after)
done = model.intervene(x, torch.arange(model.n_actions))
draw.before_after(x, done.images, y, model.action_names)

# %% [markdown]
# One row per action, in two blocks: the image x, x after do(action), the true image after the
# action, and how far the last two differ. On the left the factors are raised, on the right lowered. A
# good row is dark in its last column. What is left of error sits on edges, not on whole surfaces:
# where a colour should have stayed, it stayed. The title gives the PSNR of all twelve (the squared
# error in decibels, more is better: lesson 02) and, as a control, that of copying x.
#
# Below it stands for each action, with a second control, the **ceiling**: the true image y itself,
# encoded and decoded. What the decoder cannot draw, no intervention can. Between the two controls the
# error of an intervention can be put on a scale,
#
# $$\text{recovered} = \frac{\text{error of a copy} - \text{error}}{\text{error of a copy} -
# \text{error of the ceiling}}$$
#
# which is 0 for a copy and 1 at the ceiling. Where the ceiling is hardly better than a copy (here: by
# less than 1 dB) it means nothing and is left out.


# %%
def errors(images):
    return (images - y).square().flatten(1).mean(1).cpu().numpy()


did, decoded, copied = (errors(images) for images in (done.images, model.reconstruct(y), x))
recovered = (copied - did) / (copied - decoded)  # (A,)
in_db = -10 * np.log10([did, decoded, copied])  # (3, A)
for name, share, db in zip(model.action_names, recovered, in_db.T, strict=True):
    told = f"{share:.3f}" if db[1] > db[2] + 1 else "-"
    print(
        f"{name:14} do {db[0]:.1f}   ceiling {db[1]:.1f}   copy {db[2]:.1f} dB   recovered {told}"
    )

# %% tags=["nbval-check-output", "gate"]
turn = np.arange(model.n_actions) % space.n_factors == names.index("orientation")
gain = in_db[0] - in_db[2]
check.as_told(
    of_the_others_nearly_all_is_recovered=bool((recovered[~turn] > 0.9).all()),
    colour_scale_and_shape_are_far_above_a_copy=bool((gain[~turn] > 4).all()),
    a_turn_of_the_camera_is_as_near_as_a_copy=bool((abs(gain[turn]) < 1).all()),
    shape_minus_is_the_hardest=model.action_names[in_db[0].argmin()] == "shape-",
)

# %% [markdown]
# In decibels `shape-` is the hardest: the cylinder becomes a cube, which even the decoder paints worst.
# For a turn of the camera these numbers say *nothing*: so little changes that the copy of x is as near
# to y as the ceiling is. An average over pixels does not see a small edit. We shall need somebody who
# reads the factors: the judge, below.

# %% [markdown]
# ## What is inside: mask, mechanism, copy
#
# For every code the model gives three things. The *effects mask* m is the probability that this
# action sets this code. The *copy* says that the code stays as it is. The *mechanism* says what the
# code becomes if it is set, and it reads the codes of its causes to say so. They are put together as
#
# $$p(\text{new code}) = (1 - m)\, \text{copy} + m\, \text{mechanism}$$
#
# The likeliest codes under p are the codes of the result. Its picture is painted from a little more:
# from the mean of the code vectors of each place, weighted by p (the first question below says why).
#
# **By hand**, and compared with the package:

# %% tags=["nbval-check-output"]
codes = model.encode(x)  # (A, N, C)
out = model.distribution(codes, torch.arange(model.n_actions))
m = torch.sigmoid(out.mask_logit)[..., None]  # (A, N, C, 1)
p = (1 - m) * out.log_copy.exp() + m * out.log_mechanism.exp()  # (A, N, C, K)
new = p.argmax(-1)

check.as_told(
    p_adds_up_to_one=bool(((p.sum(-1) - 1).abs() < 1e-4).all()),
    the_package_chooses_the_same_codes=bool((new == done.codes).float().mean() > 0.999),
)
print("codes chosen:", new.numel())
untouched = done.mask < 0.5
print("codes outside the mask that changed:", int((new != codes)[untouched].sum()))

# %% [markdown]
# The last line is the point of the copy. Where the mask says no, nothing is predicted and nothing can
# go wrong: the code stays. A model that predicts all 256 codes anew, as the published code does, must
# also get right each code that does not change; those are more than half.
#
# **Predict.** How many of the 256 codes does `wall_hue+` set? And `orientation+`, which turns the
# whole scene a little?

# %%
truly = model.encode(y) != codes
for action, name in enumerate(model.action_names[: space.n_factors]):
    sets = int((done.mask[action] >= 0.5).sum())
    print(f"{name:14} sets {sets:3} codes, truly changed {int(truly[action].sum()):3}")

# %%
changed = truly.any(-1).float()  # any of the four codes of a node
draw.effects_masks(done.mask.amax(-1), model.grid, model.action_names, changed)

# %% [markdown]
# Each panel is the 8 x 8 grid of nodes. In the rows "learned" it shows how likely the action is to set
# a code of that node; in the rows "true", whether the encoder gives y another code there than x.
# `floor_hue` lights up the floor and spares what stands on it, `wall_hue` the walls, `object_hue` the
# object. Under `orientation` many nodes are grey: the model is not sure which codes a small turn
# changes. Raising and lowering a factor have nearly the same mask. The list above says that the mask
# sets more codes than truly change, for `scale` and `shape` over half as many again: to set a code to
# the value that it has costs little, to miss one costs much.

# %% tags=["nbval-check-output", "gate"]
sets = (done.mask >= 0.5).flatten(1).sum(1)[: space.n_factors].tolist()
by_name = dict(zip(names, sets, strict=True))
check.as_told(
    the_wall_takes_more_codes_than_the_object=by_name["wall_hue"] > by_name["object_hue"],
    a_small_turn_takes_the_fewest=min(by_name, key=by_name.get) == "orientation",
)

# %% [markdown]
# ## A hard do(): cut a node off
#
# So far the action decided. We can also hold one node ourselves: give it a code and **cut all edges
# into it**. That is what *do* means in causality: the held node no longer listens to its causes, but
# whoever listens to it hears the new value. That is all only if the edges are the one way into a node.
# In many networks they are not: a node always sees its own old value, for instance. So we test it.
#
# **Predict.** Take the node that `object_hue+` sets most surely. We change the codes of all nodes, its
# own included, to nonsense. Does what its mechanism says move? And after the cut?

# %%
action = model.check_actions("object_hue+", 1)
one = codes[2:3]  # the same image x
node = int(model.distribution(one, action).mask.amax(-1).argmax())
cut = torch.zeros(model.n_nodes, model.n_nodes, dtype=torch.bool, device=model.device)
cut[:, node] = True  # [i, j]: i no longer reaches j
nonsense = torch.randint(
    model.n_codes, one.shape, generator=torch.Generator().manual_seed(seed)
).to(model.device)


def mechanism(of, **how):
    return model.distribution(of, action, **how).log_mechanism[0, node].exp()


moved = (mechanism(one) - mechanism(nonsense)).abs().max().item()
moved_cut = (mechanism(one, cut=cut) - mechanism(nonsense, cut=cut)).abs().max().item()
reads = model.graph(one, action)[0, :, node] > 0.5
print(f"node {node} has {int(reads.sum())} causes; it is one of them: {bool(reads[node])}")
print(
    f"with its edges, a probability of its mechanism moves by {moved:.2f}; cut off, by {moved_cut:.2f}"
)
all_cut = torch.ones_like(cut)  # every edge into every node
said = [model.distribution(of, action, cut=all_cut).log_mechanism for of in (one, nonsense)]
moved_any = (said[0] - said[1]).abs().max().item()
print(f"all {model.n_nodes} nodes cut off, the one that moves most moves by {moved_any:.2f}")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    it_has_causes=int(reads.sum()) >= 2,
    one_of_them_is_the_node_itself=bool(reads[node]),
    with_them_it_moves=moved > 0.5,
    cut_off_it_does_not=moved_cut == 0,
    nor_does_any_other_node=moved_any == 0,
)

# %% [markdown]
# With its edges the mechanism follows the nonsense; after the cut nothing comes through, here and at
# every other node. The cut is complete because a node reads even its own old code through an edge.
# (The mask may look at the node's own code; but a held node is held, whatever the mask says.)
#
# ## Explore: hold a node yourself
#
# **Try this.** Choose the action `object_hue+`, click a node on the object, and look where its causes
# (arrows in) sit. Then move `do(code)`: the node is held, its arrows in are gone, and the picture on
# the right shows what the others make of it. `undo` lets it go. Choose `true y` under `beside`: what the
# action should have made; and then other actions, with `another x`. Try a node in the middle of the
# wall, and the action `none`.
#
# The stored picture below shows node 36, in the middle of the object. Its nine causes are itself (green
# arc) and eight others (blue arrows, in). They and its effects (orange arrows, out) all lie on the object
# or right at its edge, none on the wall or the floor. On the right, outlined, the nodes that the action
# sets; what it leaves alone is paled.

# %% tags=["explorer"]
graph = explore.GraphExplorer(model, world, "object_hue+", start[0])
graph

# %%
trial = explore.GraphExplorer(model, world, "object_hue+", start[0])  # yours stays as you left it
held = trial.node
free = int((trial.frame.graph[:, held] >= 0.5).sum())
trial.do(held, (int(trial.frame.before[0, held, 0]) + 1) % model.n_codes)
cut_off = int((trial.frame.graph[:, held] >= 0.5).sum())
trial.undo()
back = int((trial.frame.graph[:, held] >= 0.5).sum())
print(f"node {held} has {free} causes; held, {cut_off}; after undo, {back}")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    held_it_has_none=free > 0 and cut_off == 0, undo=back == free, no_error=trial.last_error is None
)

# %% [markdown]
# ## Who says that it worked?
#
# Not the model. And not the eye alone. We ask an *independent judge*: a small classifier that reads
# all six factors off an image. It was trained on true images and has never seen a decoded one. Two
# questions:
#
# * **target reached:** does it read the new value of the factor that the action moved?
# * **others kept:** does it read *all five* others at their old values?
#
# Each answer needs its controls: the *copy*, which does nothing; the *ceiling*, the true y encoded and
# decoded; and the true y itself, which says how far to trust the judge.
#
# **Predict.** What are the two shares of a copy? And which of the two will be the harder one for
# do(action)?

# %%
test = sample_transitions(space, pairs, "test", seed)
tx, ty = images_of(test.x), images_of(test.y)
factor = test.actions % space.n_factors
rows = np.arange(pairs)
made = model.intervene(tx, torch.from_numpy(test.actions)).images


def verdict(images):
    """(share reached, share kept) by the judge, and the values (B, F) that it read."""
    read = judge.read(images).cpu().numpy()
    right = read == test.y
    reached = right[rows, factor].mean()
    right[rows, factor] = True  # the target is not one of the others
    return reached, right.all(1).mean(), read


verdicts = {
    "do(action)": verdict(made),
    "ceiling: y decoded": verdict(model.reconstruct(ty)),
    "copy: x": verdict(tx),
    "judge on true y": verdict(ty),
}
for name, (reached, kept, _) in verdicts.items():
    print(f"{name:20} target reached {reached:.3f}   others kept {kept:.3f}: in "
          f"{pairs * (1 - kept):.0f} of {pairs} edits something else moved")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
(reached, kept, _), (_, kept_by_ceiling, _) = verdicts["do(action)"], verdicts["ceiling: y decoded"]
check.as_told(
    the_target_is_reached=bool(reached > 0.95),
    all_five_others_are_kept=bool(kept > 0.93),
    copying_keeps_everything_and_reaches_nothing=verdicts["copy: x"][:2] == (0, 1),
    close_to_the_ceiling=bool(abs(kept - kept_by_ceiling) < 0.02),
)

# %% [markdown]
# Read the two columns together. Copying keeps everything and reaches nothing. A model that always
# reaches the target and moves something else along would do the opposite. Only both numbers high mean
# that one factor changed and the others did not. The intervention is close to its ceiling: in 3 of 1200
# edits something else moved, where decoding alone moved it in 1. So rare a mistake needs many edits to be
# counted. Had we drawn 240, with this seed there would have been 5, and with `-p seed 3` none.
# *Which* other factor moves when something leaks?

# %%
shares = [
    leakage(verdicts[name][2], test.y, factor) for name in ("do(action)", "ceiling: y decoded")
]
draw.leakage(shares[0], names, control=shares[1], n_edits=edits_per_factor(factor, len(names)))

# %% [markdown]
# On the left the interventions, on the right their ceiling, the true images decoded. Row = the factor that
# was set, column = a factor that the judge then reads wrongly, in % of the edits of that row. Off the frames
# a number is a leak; a framed one says that the set factor missed its value. A good picture is empty. What
# little leaks here is the *scale* of the object. It is one or two edits in a row: beside the name of a row
# stands how many it has, and of 200 edits one is 0.5 %, written <1.

# %% [markdown]
# ## Five in a row
#
# An intervention ends in codes, so the next one can start from them. Errors then add up: nobody looks
# at a true image in between. By hand this is a loop; the package has `compose`, which can also hand on
# the model's *belief*: not just the likeliest codes but how likely each code is.
#
# **Predict.** After five actions, is the picture still nearer to the truth than a copy of the first?

# %% tags=["nbval-check-output"]
path, actions = random_actions(world, 5, 60, seed)  # values (6, 60, F) on the way, actions (5, 60)
first, truth = images_of(path[0]), [images_of(values) for values in path[1:]]
now, by_hand = model.encode(first), []
for action in actions:
    step = model.intervene(now, torch.from_numpy(action))
    by_hand.append(step.images)
    now = step.codes
belief, codes_only = (model.compose(first, actions, carry=carry) for carry in ("belief", "codes"))
apart = [(a - b.images).abs().max() for a, b in zip(by_hand, codes_only, strict=True)]
print(f"by hand and package: after {len(apart)} steps pixels differ by at most {max(apart):.3f}")

# %%
ways = {
    "belief": [step.images for step in belief],
    "codes": by_hand,
    "ceiling": [model.reconstruct(true) for true in truth],
    "copy": [first] * 5,
}


def psnr(images, true):
    return -10 * np.log10((images - true).square().mean().item())


def all_right(images, values):
    return (judge.read(images).cpu().numpy() == values).all(1).mean()


curve = {w: [psnr(*p) for p in zip(ways[w], truth, strict=True)] for w in ways}
right = {w: [all_right(*p) for p in zip(ways[w], path[1:], strict=True)] for w in ways}
for way in ways:
    print(f"{way:8} after five: {curve[way][4]:.1f} dB, all factors right in {right[way][4]:.0%}")
draw.error_growth(curve, right)

# %% tags=["nbval-check-output", "gate"]
row, ceiling, copy = (np.array(curve[way]) for way in ("codes", "ceiling", "copy"))
check.as_told(
    far_above_a_copy_after_five_steps_too=bool((row > copy + 5).all()),
    it_falls_behind_its_ceiling=bool((ceiling - row)[4] > 0.2),
    with_belief_a_little_less=bool(0 < curve["belief"][4] - curve["codes"][4] < 0.5),
    all_factors_are_right_in_most=bool(right["belief"][4] > 0.7),
    of_a_copy_in_few=bool(right["copy"][4] < 0.2),
)

# %% [markdown]
# In each panel one to five actions, from left to right. On the left, the copy of the first image gets
# worse with each action, as it should; everything else is far above it. The middle panel leaves the
# copy out: the ceiling hardly moves, and the chain of interventions loses a few tenths of a decibel at
# each step, for nothing puts a wrong code right, and the next step may read it. With belief handed on it
# loses a little less (with three seeds each time, by one or two tenths after five actions). On
# the right, the share of images in which the judge reads *all six* factors right: nearly all, after
# five actions too. A copy is right only where the actions have undone each other.
# [Lesson 06](06_retrieve_the_action.ipynb) uses such chains to plan.

# %% [markdown]
# ## Break it on purpose: let the model judge itself
#
# The model can also *name* the action between two images (that is lesson 06). It is tempting to
# measure interventions with it: do `scale+`, ask the model which action that was, count how often it
# agrees with itself. Let us do that where the answer must be no: on images whose object **already has
# the largest scale**. There is no larger one. Nothing can be reached.
#
# **Predict.** How often does the model say that its own picture shows `scale+`?

# %%
some = sample_values(space, 100, "test", seed)
scale, top = space.factor_id("scale"), space.sizes[space.factor_id("scale")] - 1


def two_opinions(level):
    """do(scale+) at scale `level`, of 100: the model says scale+; the judge reads the old scale."""
    some[:, scale] = level
    step = model.intervene(images_of(some), "scale+")
    says = model.retrieve(step.codes_before, step.codes).actions.cpu().numpy()
    moved = (step.codes != step.codes_before).flatten(1).sum(1).float().mean().item()
    reads = judge.read(step.images).cpu().numpy()[:, scale]
    return (says == scale).sum(), (reads == level).sum(), moved


opinions = {"possible": two_opinions(top - 1), "impossible": two_opinions(top)}
for name, (says, same, moved) in opinions.items():
    print(f"{name:10}  the model says scale+ in {says} of 100; the judge reads the old scale in {same}; "
          f"codes that changed, of 256: {moved:.0f}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    where_it_is_possible_both_agree=opinions["possible"][0] >= 95 and opinions["possible"][1] <= 5,
    where_it_is_not_the_model_praises_itself=opinions["impossible"][0] >= 95,
    and_the_judge_sees_nothing=opinions["impossible"][1] >= 95,
    though_codes_changed=20 < opinions["impossible"][2] < 80,
)

# %% [markdown]
# Where the action is possible, both agree. Where it is not, the model praises itself for something that
# did not happen. It changed some codes in its own way and recognises its own handwriting. That is why a
# model must not judge its own interventions, however good the number looks. (It also cannot say
# "nothing happened": it must name one of twelve.)

# %% [markdown]
# ## Exercises
#
# **1. Warm-up \*** (4 minutes). A model does `floor_hue+` whatever it is asked for, and does it perfectly.
# It is asked for each of the twelve actions equally often. What are its "target reached" and "others
# kept", as shares in this order? Expected: two different numbers, both small.

# %% tags=["stub"]
scores_of_one_action = None  # your answer, such as [0.5, 0.5]

# %% tags=["solution"]
scores_of_one_action = [1 / 12, 2 / 12]

# %% tags=["nbval-check-output"]
check.scores_of_one_action(scores_of_one_action)

# %% [markdown]
# **2. Core \*\*, the heart of retrieval** (12 minutes). The same three things name an action. How likely is y
# under each action, and so how likely is each action? Write `posterior(m, copy, mechanism, y)` for one pair:
# `m` (A, N, C), `copy` (1, N, C, K) and `mechanism` (A, N, C, K) are probabilities under every action, `y`
# (N, C) the codes that came. Put them together as above, take of each distribution the entry of y, and use
#
# $$p(a \mid x, y) = \frac{\prod_{n, c} p(y_{nc} \mid x, a)}{\sum_{b} \prod_{n, c} p(y_{nc} \mid x, b)}$$
#
# with all actions equally likely beforehand. The result is (A,) and adds up to one. The check compares it
# with the package on random input. Mind that a product of 256 probabilities is 0 in floating point: add
# logarithms. Expected: four or five lines.


# %% tags=["stub"]
def posterior(m, copy, mechanism, y):
    return None  # your lines


# %% tags=["solution"]
def posterior(m, copy, mechanism, y):
    p = (1 - m[..., None]) * copy + m[..., None] * mechanism  # (A, N, C, K)
    of_y = p.gather(-1, y.expand(m.shape)[..., None])[..., 0]  # (A, N, C)
    return of_y.log().sum((1, 2)).softmax(0)


# %% tags=["nbval-check-output"]
check.posterior_of_a_pair(posterior)

# %% [markdown]
# **3. Stretch \*\*\*** (5 minutes). Write `leaks(read, expected, factor)`: the share of edits after
# which at least one factor *other than the target* is not what it should be. `read` and `expected`
# are integer arrays (B, F), `factor` (B,) is the target of each edit: after
# `wrong = read != expected`, what holds in a row of the edits that leak? Expected: what "others kept" leaves to 1.


# %% tags=["stub"]
def leaks(read, expected, factor):
    return None  # your lines


# %% tags=["solution"]
def leaks(read, expected, factor):
    wrong = read != expected
    wrong[np.arange(len(factor)), factor] = False
    return wrong.any(axis=1).mean()


# %% tags=["nbval-check-output"]
check.share_that_leaks(leaks)

# %% [markdown]
# ## Take away
#
# * do(action) sets the codes inside the mask and copies all others, exactly.
# * A hard do() cuts the edges into a node; it is complete only if a node has no hidden way to itself.
# * "Target reached" and "others kept" mean something only together, beside copy and ceiling.
# * Errors add up over actions in a row.
# * A model that judges itself can be sure of something that did not happen.
#
# **What this does not show.** One rendered world, one seed of the model. The judge reads factors that
# somebody labelled; without labels nobody can tell whether "one factor" changed.
# [Lesson 09](09_know_when_it_fails.ipynb) looks for failures on purpose.
#
# ## Questions
#
# <details><summary>Why is the new picture painted from mean vectors and not from the likeliest
# codes?</summary>
#
# Where two codes are nearly as likely, the wrong one costs more than the mean of both. The codes that
# `intervene` returns are the likeliest ones; only the picture is painted from the expected vectors.
#
# </details>
#
# <details><summary>The judge is right on every true image. Is it then right on decoded ones?</summary>
#
# Not necessarily: decoded images are softer than anything it has seen. That is why it was trained
# with some blur and noise, and why the ceiling is judged too: what it loses there is the decoder's or
# the judge's loss, not the intervention's.
#
# </details>
#
# <details><summary>What would "others kept" be for a model that moves an unrelated factor in one edit
# of five and is perfect otherwise?</summary>
#
# 0.8: all five others have to be right, so a single leak spoils the edit.
#
# </details>
#
# ## References
#
# * Gendron, Witbrock, Dobbie, IJCAI 2023, [arXiv 2302.00869](https://arxiv.org/abs/2302.00869):
#   interventions on quantised codes.
# * Pearl: *Causality*, 2nd edition, Cambridge University Press 2009, chapter 3: do() cuts the edges
#   into what is set.
#
# Next: [retrieve the action](06_retrieve_the_action.ipynb).
