# %% [markdown]
# # Make a world with causes
#
# *What is a factor, a transition, an action?*
#
# | | |
# | --- | --- |
# | you will do | move the factors of a rendered world, count its images and actions, draw pairs of images, find edits that change nothing, skew the data on purpose, and let one factor cause another |
# | you will be able to | say exactly what data the method learns from, and what in them would mislead it |
# | you need | [lesson 00](00_start_here.ipynb) |
# | time | read 15 minutes, exercises 20 minutes; run a few seconds |
# | it writes | nothing that stays |
# | papermill | `-p seed 1` draws other images; `-p world dsprites` looks at another world |

# %% tags=["parameters"]
seed = 0  # draws images and pairs
world = "shapes3d"  # shapes3d, dsprites

# %%
import tempfile

import numpy as np

from cvq_tutorial import check, draw, explore
from cvq_tutorial.draw_sampling import sample_balance
from cvq_tutorial.draw_traversals import traversals
from cvq_tutorial.sampling import Sampling
from cvq_tutorial.transitions import (
    changed_pixels,
    invisible_share,
    sample_transitions,
    sample_values,
    split_of,
)
from cvq_tutorial.worlds import make_world
from cvq_tutorial.worlds.sprites import Sprites, stand_in_sheets

place = make_world(world)
space = place.factors

# %% [markdown]
# ## A world and its factors
#
# A *world* draws an image from a few integers. Each integer is the *value* of a *factor*: a property of
# the scene that can be changed without touching the others.

# %%
middle = np.array([[size // 2 for size in space.sizes]])
rows = []
for factor, size in enumerate(space.sizes):
    row = np.repeat(middle, 6, axis=0)
    row[:, factor] = np.linspace(0, size - 1, 6).round()
    rows.append(place.render(row))
traversals(np.stack(rows), space.names, "One factor at a time, from its first value to its last")

# %% [markdown]
# Each row moves one factor from its first value (left) to its last (right), the others stay in the
# middle. Look at the rows of hues: one surface changes its colour and nothing else. In the last row the
# camera turns, and nearly every edge moves a little.
#
# **Predict.** How many different images are there?

# %% tags=["nbval-check-output"]
print("factors:", ", ".join(f"{n} {s}" for n, s in zip(space.names, space.sizes, strict=True)))
print("images:", space.size)
print("actions:", space.n_actions)

# %% [markdown]
# The product of all sizes. So many that no table of them is kept anywhere: an image is drawn when it is
# needed. Each has a number, and number and values are two names for the same thing, as with the digits of
# a clock: the last factor changes fastest.
#
# **By hand:** from the values to the number and back.


# %% tags=["nbval-check-output"]
def number_of(values, sizes):
    """Number of an image from its factor values: the last factor changes fastest."""
    number = 0
    for value, size in zip(values, sizes, strict=True):
        number = number * size + value
    return number


def values_of(number, sizes):
    """And back."""
    values = []
    for size in reversed(sizes):
        number, value = divmod(number, size)
        values.append(value)
    return values[::-1]


some = sample_values(space, 200, "train", seed)
by_hand = [number_of(v, space.sizes) for v in some.tolist()]
print("the package agrees:", by_hand == space.index(some).tolist())
print(
    "and back:",
    all(values_of(n, space.sizes) == v for n, v in zip(by_hand, some.tolist(), strict=True)),
)

# %% [markdown]
# ## Actions and transitions
#
# An *action* moves one factor by one step. With F factors there are 2F of them: action a < F raises factor
# a, action a >= F lowers factor a - F. A *transition* is a triple (x, action, y): two images that differ in
# one factor by one step, and the action between them. **That is all the method ever gets to see**: two
# images and a number. It never sees a factor.
#
# **Predict.** The shape has few values and the camera many. If transitions were drawn evenly among all
# pairs there are, which factor would be edited most often?

# %% tags=["nbval-check-output"]
pairs = sample_transitions(space, 600, "train", seed)
moved = pairs.y - pairs.x
print("factors that differ in each pair:", np.unique((moved != 0).sum(1)).tolist())
print("by so many steps:", np.unique(np.abs(moved).sum(1)).tolist())
edited = np.bincount(pairs.actions % space.n_factors, minlength=space.n_factors)
print("pairs per factor:", dict(zip(space.names, edited.tolist(), strict=True)))

# %% [markdown]
# Evenly among all pairs, a factor with 15 values would be edited far more often than one with 4, and
# accuracy would mostly be about the camera. So the factor is drawn first, each equally often; then the
# rest. Further down the data are skewed on purpose.

# %%
one_each = [int(np.flatnonzero(pairs.actions == a)[0]) for a in range(space.n_factors)]
x, y = place.render(pairs.x[one_each]), place.render(pairs.y[one_each])
draw.reconstructions(x, y, rows=("x", "y"), title="One transition per factor")

# %% [markdown]
# One transition for each factor in order: x above, y below, and where they differ. The number over each
# column measures how alike the two are (a large number is a small change): hues change many pixels by
# much, the camera changes many by little.
#
# ## No image is on both sides
#
# Images, not pairs, are divided into train, valid and test, by a fixed *hash* of their number: 70, 15 and
# 15 of a hundred. A pair is used only if both of its images lie in the same part. So no test image was
# ever trained on, on no machine.

# %% tags=["nbval-check-output"]
sample = space.values(np.arange(0, space.size, max(1, space.size // 20_000)))
parts = np.bincount(split_of(space, sample), minlength=3)
print("train, valid, test in %:", (100 * parts / parts.sum()).round().astype(int).tolist())
train, test = (
    set(space.index(sample_values(space, 3000, s, seed)).tolist()) for s in ("train", "test")
)
print("images in both:", len(train & test))

# %% [markdown]
# What this does *not* test are combinations: every value of each factor occurs in training, and nearly
# every pair of values. [Lesson 09](09_know_when_it_fails.ipynb) keeps a combination out.
#
# ## Edits that change nothing
#
# **Predict.** In a world of little figures the colour of the eyes is a factor. What happens to it when the
# figure turns its back?
#
# Below are three edits of the eyes that can be seen, then three that cannot. The sheets of the real Sprites are
# not part of this package; a generated stand-in has the same layout.

# %% tags=["nbval-check-output"]
with tempfile.TemporaryDirectory() as folder:
    figures = Sprites(stand_in_sheets(folder))
share = invisible_share(figures, 1800, seed)
print("edits that change no pixel, in %:", {n: round(100 * s) for n, s in share.items() if s})
print("in shapes3d:", sum(invisible_share(make_world("shapes3d"), 1200, seed).values()))

# %%
eyes = figures.factors.names.index("eyes")
steps = sample_transitions(figures.factors, 1800, "train", seed)
pixels = changed_pixels(figures, steps)
is_eyes = steps.actions % figures.factors.n_factors == eyes
hidden = np.flatnonzero(is_eyes & (pixels == 0))[:3]
seen = np.flatnonzero(is_eyes & (pixels > 0))[:3]
chosen = np.concatenate([seen, hidden])
draw.reconstructions(
    figures.render(steps.x[chosen]), figures.render(steps.y[chosen]), rows=("x", "y"),
    title="Edits of the eyes",
)  # fmt: skip

# %% [markdown]
# In the three columns on the right the eyes are not drawn: x and y are the same image, and the last row is
# black. No method can name such an action from its images, better than by guessing. These pairs are kept,
# counted, and reported apart ("visible edits"); hiding them would flatter some methods and not others.

# %% [markdown]
# ## Skewed on purpose
#
# A benchmark draws all values equally often. Data that people bring do not. A `Sampling` says how a sample
# departs from balance: here some values are rare (Zipf's law: the second is half as frequent as the first,
# the third a third), and the hue of the object often fixes the shape.

# %%
first, last = space.names[0], space.names[-1]
skewed = Sampling(values={last: "zipf:1"}, correlations=[(space.names[2], space.names[4], 0.8)])
drawn = sample_transitions(space, 3000, "train", seed, sampling=skewed)
sample_balance(space, drawn, skewed)

# %% [markdown]
# Each panel of bars is one factor: how often each value occurs, beside the line of an even share. The last
# factor is skewed, the others are not. The small map shows two factors together: a diagonal where they
# depend on each other, an even field where they do not. A model may learn the wrong one of two factors that
# always go together, and its accuracy on such data will not say so.

# %% tags=["nbval-check-output"]
counts = np.bincount(drawn.x[:, -1], minlength=space.sizes[-1])
print("most frequent value of", last, "- is it the first:", int(counts.argmax()) == 0)
print("at least five times the last one:", bool(counts[0] >= 5 * counts[-1]))
even = np.bincount(pairs.x[:, -1], minlength=space.sizes[-1])
print("in the balanced sample, at most twice:", bool(even.max() <= 2.5 * max(1, np.median(even))))

# %% [markdown]
# ## Causes inside a world
#
# So far the factors were independent: an action changed one and only one. In the world
# `causal_shapes3d` some factors *cause* others: when the wall's hue goes up a step, so does the floor's,
# and the object grows; scale and hue of the object turn the camera.

# %%
causal = make_world("causal_shapes3d")
draw.graph_arrows(causal.factor_graph.astype(float), names=list(causal.factors.names))

# %% tags=["nbval-check-output"]
start = np.array([[3, 5, 7, 4, 1, 7]])
for name in ("floor_hue+", "wall_hue+", "shape+"):
    after = causal.factors.apply(start, np.array([causal.factors.action_id(name)]))
    changed = [
        n for n, a, b in zip(causal.factors.names, start[0], after[0], strict=True) if a != b
    ]
    print(f"{name:11} changes {', '.join(changed)}")

# %% [markdown]
# Arrows point from cause to effect. An action on an effect (the floor) changes only the effect; an action
# on a cause (the wall) moves everything downstream. That asymmetry is what makes it *causal*, and only
# actions show it: in still images, hue of wall and floor may look independent or tied, and nothing says
# which causes which.

# %% [markdown]
# ## Explore
#
# **Try this.** Move one slider at a time and look at the whole image. Which factor changes fewest pixels?
# Make the object as small as possible: which factors can hardly be seen then?

# %% tags=["explorer"]
explorer = explore.FactorExplorer(place)
explorer

# %% tags=["nbval-check-output"]
explorer.values = tuple(size - 1 for size in space.sizes)
print("values:", explorer.values)
explorer.sliders[0].value = 0
print("after a move of the first slider:", explorer.values)
print("error:", explorer.last_error)

# %% [markdown]
# ## Break it on purpose: leave the range
#
# **Predict.** The scale is at its last value. What does `scale+` do?

# %% tags=["nbval-check-output"]
largest = np.array([[size - 1 for size in space.sizes]])
try:
    space.apply(largest, np.array([1]))
except ValueError as error:
    print("refused:", "leaves the range" in str(error))
print("legal actions there:", int(space.legal(np.repeat(largest, space.n_actions, 0), np.arange(space.n_actions)).sum()),
      "of", space.n_actions)  # fmt: skip

# %% [markdown]
# The world refuses, in one line. Hues are *cyclic*: the last is a neighbour of the first, and a step over
# the end can be allowed (`wrap=True`). The published code never does, nor does the default here.

# %% [markdown]
# ## Exercises
#
# **1. Warm-up \*** (3 minutes). Two factors have 4 and 15 values. How many different transitions are there
# that change the first one, in both directions?

# %% tags=["stub"]
transitions_of_the_first = None  # your answer, an integer

# %% tags=["solution"]
transitions_of_the_first = 2 * 3 * 15

# %% tags=["nbval-check-output"]
check.transitions_of_the_first(transitions_of_the_first)

# %% [markdown]
# **2. Core \*\*** (5 minutes). With F factors, which action undoes action a? Write `opposite(a, F)`.


# %% tags=["stub"]
def opposite(a, F):
    return None  # your line


# %% tags=["solution"]
def opposite(a, F):
    return (a + F) % (2 * F)


# %% tags=["nbval-check-output"]
check.opposite_action(opposite)

# %% [markdown]
# **3. Stretch \*\*\*** (10 minutes). Write `differs_in_one(x, y)`: for factor values (B, F) each, booleans
# (B,) that say whether the two differ in exactly one factor by exactly one step. Use numpy.


# %% tags=["stub"]
def differs_in_one(x, y):
    return None  # your line


# %% tags=["solution"]
def differs_in_one(x, y):
    return np.abs(x - y).sum(axis=1) == 1


# %% tags=["nbval-check-output"]
check.atomic_pairs(differs_in_one)

# %% [markdown]
# ## Take away
#
# * A world draws images from factors; an action moves one factor by one step; a transition is two images and
#   an action.
# * Factors are drawn evenly, images are split by a hash, and both ends of a pair lie in one part.
# * Some edits change nothing. They are counted, not hidden.
# * Only actions tell a cause from an effect.
#
# **What this does not show.** Nature does not hand out factors. Everything here rests on somebody having
# decided what the factors are.
#
# ## Questions
#
# <details><summary>Why are images divided into train and test, and not pairs?</summary>
#
# Two pairs may share an image. If pairs were divided, a test pair could consist of two images that were both
# trained on.
#
# </details>
#
# <details><summary>The shape is a factor with "+" and "-" actions. What does "+" mean for shapes?</summary>
#
# Nothing but the order in which they were numbered. The direction has to be memorised; for a scale or an angle
# it can be understood.
#
# </details>
#
# <details><summary>Two factors always change together in your data. Can any method find out that they are
# two?</summary>
#
# No. In what it sees there is one thing with two names. Only data in which they differ can tell.
#
# </details>
#
# ## References
#
# * Burgess, Kim: *3D Shapes Dataset*, DeepMind 2018; this package redraws its scene with a renderer of its
#   own.
# * Gendron, Witbrock, Dobbie, IJCAI 2023, [arXiv 2302.00869](https://arxiv.org/abs/2302.00869): transitions
#   between images that differ in one factor.
#
# Next: [quantize images into codes](02_quantize_images_into_codes.ipynb).
