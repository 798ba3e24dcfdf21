# %% [markdown]
# # Retrieve the action
#
# *Two images. One action lies between them. Which one was it?*
#
# | | |
# | --- | --- |
# | you will do | compute a posterior over actions, read confusion matrices of actions and of factors, put blinkers on the model, play against it, flatten a posterior on purpose, and plan several actions from one image to another |
# | you will be able to | turn a model of effects into a detector of causes, and say how good a guess is beside chance and majority |
# | you need | [lesson 05](05_intervene_on_codes.ipynb): mask, copy, mechanism |
# | time | read 20 minutes, exercises 25 minutes; run half a minute on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1 -p pairs 480` draws other and more pairs; numbers in the text are of the defaults |

# %% tags=["parameters"]
seed = 0  # draws the pairs
pairs = 240  # how many of them
device = "auto"  # auto, cpu, cuda, mps

# %%
import numpy as np
import torch

from cvq_tutorial import check, draw, explore, load_or_train, sample_transitions, to_float
from cvq_tutorial.measure import plan_success

model, world, _ = load_or_train(device=device)
space = world.factors
test = sample_transitions(space, pairs, "test", seed)
x, y = (to_float(world.render(v)).to(model.device) for v in (test.x, test.y))
actions = torch.from_numpy(test.actions)
names = model.action_names

# %% [markdown]
# ## Look first
#
# **Predict.** Below are six pairs: x above, y in the second row. Name the action of each before you
# read on. Some change half of the image, others a few edges.

# %%
draw.reconstructions(x[:6].cpu(), y[:6].cpu(), rows=("x", "y"), title="Six pairs")

# %% [markdown]
# The third row shows where the two differ, and the number above says how much. That is what you used,
# and it is what the model uses too: it looks at which codes changed, and how.

# %% tags=["nbval-check-output"]
print("the six actions were:", ", ".join(names[a] for a in test.actions[:6]))
print("chance of naming one right:", round(1 / len(names), 3))

# %% [markdown]
# ## From effects back to causes
#
# Lesson 05 went forward: given an action, which codes will come? The model answers with a
# probability for every possible y. Turned round with Bayes' rule, and every action equally likely
# beforehand:
#
# > p(action | x, y) is proportional to p(y | x, action)
#
# So we let the model predict *under each action* and ask which prediction would have been least
# surprised by what we see. The likelihood of a whole image is a product over its 256 codes; its
# logarithm is a **sum**.
#
# **By hand:**

# %% tags=["nbval-check-output"]
codes_x, codes_y = model.encode(x[:8]), model.encode(y[:8])
every = torch.arange(len(names), device=model.device).expand(8, -1)  # (8, A)
out = model.distribution(codes_x, every)  # one pass, all actions
log_p = out.log_probs()  # (8, A, N, C, K)
target = codes_y[:, None, :, :, None].expand(-1, len(names), -1, -1, 1)
per_code = log_p.gather(-1, target)[..., 0]  # (8, A, N, C), nats
posterior = per_code.sum((2, 3)).softmax(1)  # (8, A)

package = model.retrieve(x[:8], y[:8])
same = (posterior - package.log_posterior.exp()).abs().max().item() < 1e-3
print("posterior of 8 pairs over", posterior.shape[1], "actions; agrees with the package:", same)
print("named right, of 8:", int((posterior.argmax(1).cpu() == actions[:8]).sum()))

# %% [markdown]
# One pass of the network scores all twelve actions at once; nothing is decoded, no image is compared.
# How sure is it? Evidence is measured in *nats*: a difference of 5 nats between two actions makes one
# about 150 times as likely as the other.

# %%
best = per_code.sum((2, 3)).topk(2, dim=1)
for i in range(8):
    first, second = (names[a] for a in best.indices[i].tolist())
    lead = (best.values[i, 0] - best.values[i, 1]).item()
    print(
        f"true {names[test.actions[i]]:14} named {first:14} then {second:14} {lead:6.0f} nats apart"
    )

# %% [markdown]
# Each line is a pair: its true action, the two actions that explain it best, and how far the best is
# ahead. Even a lead of 50 nats is all but certain. The second choice is seldom the same factor in the
# other direction, although it would set the same codes (why? see the last question below).

# %% [markdown]
# ## How good is that?
#
# **Predict.** Twelve actions, so guessing is right once in twelve. How often would a model be right
# that always gets the *factor*, but never the direction?

# %%
found = model.retrieve(x, y).actions.cpu()
counts = torch.zeros(len(names), len(names), dtype=torch.int64)
counts.index_put_((actions, found), torch.ones_like(actions), accumulate=True)
draw.confusion(counts, names)

# %% [markdown]
# In the figure above, row = true action, column = named action, both in the same order: first the six
# that raise a factor, then the six that lower it. What is on the diagonal is right, and here that is
# everything, or all but a pair or two. The two other diagonals, half a table away, would be right
# factors in the wrong direction: a model that stands only there names every factor and no action. A
# colour mistaken for a shape would stand anywhere else.

# %% tags=["nbval-check-output"]
factor = test.actions % space.n_factors
right = (found == actions).numpy()
right_factor = (found.numpy() % space.n_factors) == factor
macro = np.mean([right[test.actions == a].mean() for a in np.unique(test.actions)])
majority = np.bincount(test.actions).max() / pairs
print("action, at least 0.97:", bool(right.mean() >= 0.97))
print("factor, at least 0.97:", bool(right_factor.mean() >= 0.97))
print("macro over actions, at least 0.96:", bool(macro >= 0.96))
print(
    "chance:",
    round(1 / 12, 3),
    "- always the most frequent action, below 0.15:",
    bool(majority < 0.15),
)

# %% [markdown]
# *Macro* accuracy is the mean of the accuracies of the twelve actions, so that a rare action counts as
# much as a frequent one. Here the pairs were drawn evenly and the two agree. Where some actions are
# rare, they need not. "Always the most frequent action" (the *majority*) is the control for that: with
# even pairs it is hardly better than chance.
#
# ## A confusion with something to read
#
# A table without mistakes teaches little. So let us put blinkers on the model: the sum goes over the
# eight places of the **top row** of the 8 x 8 map only, where there is nothing but wall. To see
# which factors are taken for which, the table is folded: raising and lowering are added up.
#
# **Predict.** Which factors can it still name? What will it say about the others?


# %%
def log_likelihoods(x, y):
    """Of every code under every action, (B, A, N, C), in nats."""
    parts = []
    for before, after in zip(model.encode(x).split(20), model.encode(y).split(20), strict=True):
        out = model.distribution(before, every[:1].expand(len(before), -1))
        parts.append(out.log_likelihood(after[:, None].expand(-1, len(names), -1, -1)))
    return torch.cat(parts).cpu()


top_row = log_likelihoods(x, y)[:, :, :8].sum((2, 3))  # (B, A): of 8 of the 64 places
blinkered = top_row.argmax(1)
of_factors = torch.zeros(space.n_factors, space.n_factors, dtype=torch.int64)
pairs_of = (actions % space.n_factors, blinkered % space.n_factors)
of_factors.index_put_(pairs_of, torch.ones_like(actions), accumulate=True)
draw.confusion(of_factors, space.names, "factor")

# %% tags=["nbval-check-output"]
folded = counts.unflatten(0, (2, -1)).unflatten(2, (2, -1)).sum((0, 2))  # of the model as it is
share = (of_factors.diagonal() / of_factors.sum(1)).tolist()
share = dict(zip(space.names, share, strict=True))
print("factors right as it is, at least 0.97:", bool(folded.diagonal().sum() >= 0.97 * pairs))
print("blinkered: wall and orientation, at least 0.9:",
      min(share["wall_hue"], share["orientation"]) >= 0.9)  # fmt: skip
rest = [share[name] for name in ("floor_hue", "object_hue", "scale", "shape")]
print("the other four together, below 0.5:", sum(rest) / 4 < 0.5, "- chance of a factor:",
      round(1 / space.n_factors, 3))  # fmt: skip

# %% [markdown]
# In the figure above, row = true factor, column = named one. The colour of the wall and the turn of the
# camera, which moves the corner between the walls, are named as well as before. For the other four
# nothing changes in the top row, so there is nothing to tell them apart: they are taken for each
# other, and hardly ever for one of the two that would have shown. **A confusion matrix tells what a
# model does not look at**, the mean accuracy does not.

# %% [markdown]
# ## Explore: you against the model
#
# Two images, twelve buttons. Guess, and see the posterior of the model with your guess and the truth
# marked in it. **Try this:** play ten rounds. Where do you lose? Watch out for `orientation`, which moves
# edges only, and for the direction of a hue: the first time you cannot know which way the ten hues go.

# %% tags=["explorer"]
game = explore.RetrievalGame(model, world, seed=seed)
game.choose("scale+")
game

# %% tags=["nbval-check-output"]
trial = explore.RetrievalGame(model, world, seed=seed)  # another one: yours goes on
trial.choose("scale+")
for _ in range(5):
    trial.next()
    trial.choose(trial.truth)  # a player who knows everything
print("rounds played:", trial.round + 1, "- won by who knows everything:", trial.score >= 5)
print("the model won at least 5 of 6:", trial.model_score >= 5)
print("posterior adds up to one:", bool(abs(trial.posterior.sum() - 1) < 1e-4))
print("error:", trial.last_error)

# %% [markdown]
# ## Break it on purpose: a mean instead of a sum
#
# The published code scores an action by the **mean** over all codes of the log-likelihood, not by the
# sum. The order of the actions stays the same, so the accuracy does. But the posterior is no longer
# one: each code counts 1/256 of what it says.
#
# **Predict.** The right action leads by 150 nats. What is left of this lead after dividing by 256, and
# how sure is the model then? Which edits suffer most, large ones or small ones?

# %% tags=["nbval-check-output"]
rows = torch.arange(8)
sure_sum = posterior[rows, actions[:8]].mean().item()
flat = per_code.mean((2, 3)).softmax(1)
sure_mean = flat[rows, actions[:8]].mean().item()
print("same order of actions:", bool((flat.argmax(1) == posterior.argmax(1)).all()))
print("probability of the right action, by the sum, above 0.9:", sure_sum > 0.9)
print("by the mean, below 0.7:", sure_mean < 0.7)
every_pair = model.retrieve(x, y).log_posterior.cpu()  # the sums; a mean divides them
flat = (every_pair / per_code[0, 0].numel()).softmax(1)
left = flat[torch.arange(pairs), actions].numpy()  # of each right action, by the mean
large = np.array([names[a].startswith(("floor", "wall")) for a in test.actions])
print("of edits of floor and wall by the mean, above 0.7:", bool(left[large].mean() > 0.7))
print(
    "of all other edits, of the object and of the camera, below 0.5:",
    bool(left[~large].mean() < 0.5),
)

# %% [markdown]
# A lead of 150 nats is one of 0.6 nats after the division: 1.8 times as likely, with ten others beside
# it. By the sum the model is nearly certain, by the mean it hesitates, although it was right just as
# often. An edit of the floor or the wall changes many codes and survives the division; the others
# are drowned by the codes that nothing happened to.
# A number that is called a probability and is not one does harm later: nobody can set a threshold on
# it, combine it with other evidence, or notice that it is unsure. The setting `retrieval=mean` repeats it in
# a whole run.
#
# The opposite mistake exists too. The sum treats all codes as independent given x and the action.
# They are not, so "nearly certain" is more certain than it should be.

# %% [markdown]
# ## Several actions: a plan
#
# What if *more than one* action lies between x and y? The model can imagine: do every action on x, go
# on from those outcomes that come nearest to y, and stop when y is reached. This is a *beam search*
# over codes; `model.plan(x, y)` does it and gives the shortest sequence that it finds.
#
# **Predict.** y is three actions away from x. Six factors, two directions: how many sequences of three
# actions are there to try?

# %% tags=["nbval-check-output"]
start = np.array([[3, 5, 4, 4, 1, 7]])  # floor, wall, object hue, scale, shape, orientation
goal = np.array([[3, 6, 4, 3, 2, 7]])  # wall hue up, scale down, shape up
image_x, image_y = (to_float(world.render(v)) for v in (start, goal))
plan = model.plan(image_x, image_y)
wanted = {"wall_hue+", "scale-", "shape+"}
print("sequences of three:", len(names) ** 3)
print("it reached y, with", len(plan), "actions:", plan.reached)
print("they are the three that are needed:", set(plan.names) == wanted)
print("states on which all actions were tried, fewer than 100:", plan.expanded < 100)

# %%
truth = [start[0]]
for action in plan.actions:
    truth.append(space.apply(truth[-1][None], np.array([action]))[0])
frames = model.decode(plan.codes).cpu()
draw.plan_strip(frames, plan.names, to_float(world.render(np.array(truth))), image_y)

# %% [markdown]
# In the figure above, from left to right: x, the steps of the plan, and at the right end the goal y. In
# the upper row are the true images of a world in which the planned actions are done, in the lower row
# what the model imagined, with the PSNR of each; it saw only x and y. The order of the steps is one of
# several that lead there: the factors here do not depend on each other, so any order is right.
#
# Does it hold for other pairs? A success is counted by the world, not by the model: the planned
# actions, done on the *true factors* of x, must lead exactly to those of y.

# %% tags=["progress", "nbval-ignore-output"]
measured = plan_success(model, world, distance=3, n=8, seed=seed)
print(f"success {measured['success']:.2f}, by random search with as many states "
      f"{measured['random']['success']:.2f}")  # fmt: skip

# %% tags=["nbval-check-output"]
print("at least 6 of 8 plans of three steps succeed:", measured["success"] >= 0.75)
print("random search does so less often:", measured["random"]["success"] < measured["success"])

# %% [markdown]
# **Try it.** Choose x and y with the sliders, or draw a random pair, and press `find a plan`. How far apart may
# they be? What does it do for two images that are alike?

# %% tags=["explorer"]
planner = explore.PlanExplorer(model, world, tuple(start[0].tolist()), tuple(goal[0].tolist()))
planner.find()
planner

# %% tags=["nbval-check-output"]
trial = explore.PlanExplorer(model, world, planner.x, planner.x)  # yours stays as it is
trial.find()
print("alike:", trial.plan, "- error:", trial.last_error)

# %% [markdown]
# ## Exercises
#
# **1. Warm-up \*** (2 minutes). What is the chance to name the *factor* by guessing an action, in a world
# of nine factors, each with two directions?

# %% tags=["stub"]
chance_of_the_factor = None  # your answer, a number

# %% tags=["solution"]
chance_of_the_factor = 2 / 18

# %% tags=["nbval-check-output"]
check.chance_of_the_factor(chance_of_the_factor)

# %% [markdown]
# **2. Core \*\*** (8 minutes). Write `posterior_of(per_code)`: log-likelihoods (A, N) in nats, one row
# per action, to probabilities (A,). Use torch. Mind that exp(-900) is zero on a computer.


# %% tags=["stub"]
def posterior_of(per_code):
    return None  # your line


# %% tags=["solution"]
def posterior_of(per_code):
    return per_code.sum(1).softmax(0)


# %% tags=["nbval-check-output"]
check.posterior_of_actions(posterior_of)

# %% [markdown]
# **3. Stretch \*\*\*** (12 minutes). Write `macro_accuracy(true, named)`: the mean over the actions that
# occur in `true` of the share that was named right. Both are integer arrays (B,). Then compare it with
# the plain accuracy, for `test.actions` and `blinkered.numpy()`: which actions are the weakest?
# Expected: the two numbers are close, as the pairs were drawn evenly, and the actions of four factors
# are named right in less than half of their pairs.


# %% tags=["stub"]
def macro_accuracy(true, named):
    return None  # your lines


# %% tags=["solution"]
def macro_accuracy(true, named):
    return np.mean([(named[true == a] == a).mean() for a in np.unique(true)])


# %% tags=["nbval-check-output"]
check.macro_over_actions(macro_accuracy)

# %% [markdown]
# ## Take away
#
# * A model that predicts effects names causes: the action under which y is least surprising.
# * Log-likelihoods of codes are summed; their mean keeps the order and ruins the probability.
# * Accuracy stands beside chance and majority, per action and macro.
# * With imagination one can search: a plan is the shortest sequence that explains y.
#
# **What this does not show.** Where an action was named, exactly one lay between the two images, and the
# model had to name one of the twelve. It was never asked "was it none, or something else?". Plans were
# counted on eight pairs, three actions apart, of a world whose factors can all be seen.
#
# ## Questions
#
# <details><summary>Why does retrieval need no training of its own?</summary>
#
# The forward model already gives p(y | x, action) for every y. Bayes' rule turns it round.
#
# </details>
#
# <details><summary>Some pairs of a world may show no difference at all. What should the posterior
# be?</summary>
#
# Flat over all actions that could have changed nothing: such as the colour of eyes behind hair. A
# model that is sure there has learned something about the pairs and not about the image: think of the
# blinkered model, which had to name something for every edit of the floor. Accuracy is therefore also
# given on visible edits only.
#
# </details>
#
# <details><summary>Why is the opposite direction so seldom the second choice? It sets the same
# codes.</summary>
#
# It explains *that* they changed, but it foresees other new values, and it is sure of them. Being sure
# and wrong costs most: a code that was given a probability of 1/1000 costs 7 nats.
#
# </details>
#
# ## References
#
# * Gendron, Witbrock, Dobbie, IJCAI 2023, [arXiv 2302.00869](https://arxiv.org/abs/2302.00869): action
#   retrieval as a task.
# * MacKay: *Information Theory, Inference, and Learning Algorithms*, Cambridge University Press 2003,
#   chapter 3: evidence in nats.
#
# Next: [train on imbalanced data](07_train_on_imbalanced_data.ipynb).
