# %% [markdown]
# # 01 Make a world with causes
#
# *What is a factor, a transition, an action?*
#
# | | |
# | --- | --- |
# | you will do | move the factors of a rendered world, put an image together by hand, draw pairs of images, count edits that change nothing, skew data on purpose, let one factor cause another and cut that cause |
# | you will be able to | say exactly what data the method learns from, what in them would mislead it, and why actions tell what images cannot |
# | you need | numpy; [lesson 00](00_start_here.ipynb) for an overview |
# | time | read 30 minutes, exercises 25 minutes; run a few seconds |
# | it writes | nothing that stays |
# | papermill | `-p seed 1` draws other images; `-p world dsprites` looks at another world (the words are about `shapes3d`) |

# %% tags=["parameters"]
seed = 0  # draws images and pairs
world = "shapes3d"  # shapes3d, dsprites

# %%
import tempfile

import numpy as np

from cvq_tutorial import (
    Sampling,
    check,
    draw,
    explore,
    make_world,
    sample_transitions,
    sample_values,
)
from cvq_tutorial.data import changed_pixels, invisible_share, split_of
from cvq_tutorial.worlds import COLOURS, Sprites, stand_in_sheets

place = make_world(world)
space = place.factors  # names and sizes of the factors, and the arithmetic of actions

# %% [markdown]
# ## Step 1: factors make an image
#
# A *world* is a function from a few integers to an image. Each integer is the **value** of a **factor**: a
# property of the scene that can be changed while all others stay.

# %%
middle = np.array([[size // 2 for size in space.sizes]])
rows = []
for factor, size in enumerate(space.sizes):
    row = np.repeat(middle, 6, axis=0)
    row[:, factor] = np.linspace(0, size - 1, 6).round()
    rows.append(place.render(row))
draw.traversals(np.stack(rows), space.names, "One factor at a time")

# %% [markdown]
# In the figure above, each row moves one factor from its first value (left) to its last (right); all others
# stay at their middle. (A shape has four values only, so two of them are shown twice.) In the rows of hues, one surface changes its colour and nothing else. In the last row
# the camera goes round the room, and nearly every edge moves a little.
#
# **Predict.** The sizes of the six factors are 10, 10, 10, 8, 4 and 15. How many different images are there?
#
# **By hand.** An image needs a *number*, so that it can be named and looked up. Number and values are two
# names for one thing, like seconds since midnight and the digits of a clock: the last factor changes fastest.


# %% tags=["nbval-check-output"]
def number_of(values, sizes):
    number = 0
    for value, size in zip(values, sizes, strict=True):
        number = number * size + value
    return number


def values_of(number, sizes):
    values = []
    for size in reversed(sizes):
        number, value = divmod(number, size)
        values.append(value)
    return values[::-1]


some = sample_values(space, 200, "train", seed)  # (200, F)
numbers = [number_of(v, space.sizes) for v in some.tolist()]
print("images:", space.size)
same = sum(a == b for a, b in zip(numbers, space.index(some).tolist(), strict=True))
back = sum(values_of(a, space.sizes) == b for a, b in zip(numbers, some.tolist(), strict=True))
print(f"the package gives the same number for {same} of {len(some)}; and back, for {back}")

# %% [markdown]
# The sizes are multiplied. Nobody keeps 480,000 images: each is drawn when it is needed. How?
#
# Where the light falls depends on three factors only: scale, shape and orientation. So the renderer traced
# 8 x 4 x 15 = 480 grey pictures once. Each says, for every one of the 64 x 64 pixels, how much of the floor,
# the wall, the object and a white highlight is seen there. The hues only give three of these their colour.
#
# **Predict.** Then which pixels can `floor_hue` change?
#
# **By hand:** a product of two small tables, pixels x surfaces and surfaces x colours.

# %% tags=["nbval-check-output"]
room = make_world("shapes3d")
floor, wall, thing, scale, shape, angle = values = [3, 5, 8, 5, 2, 6]
amount = room.weights[(shape * 8 + scale) * 15 + angle].astype(np.float32)  # (4096 pixels, 4)
colours = np.stack([COLOURS[0, floor], COLOURS[1, wall], COLOURS[2, thing], np.ones(3)])
by_hand = np.floor(amount @ colours.astype(np.float32) + 0.5).reshape(64, 64, 3)

image, other = room.render(np.array([values, [floor + 1, *values[1:]]])).astype(int)
touched = (image != other).any(axis=2).reshape(-1)
check.as_told(by_hand_as_the_package_to_1_of_255=abs(by_hand - image).max() <= 1)
without_floor = touched & (amount[:, 0] == 0)
print(
    "another floor_hue changes",
    touched.sum(),
    "pixels; of these show no floor:",
    without_floor.sum(),
)

# %%
grey = np.repeat(np.concatenate([amount, amount.sum(1, keepdims=True)], 1)[..., None], 3, 2)
coloured = np.concatenate([amount[..., None] * colours, (amount @ colours)[:, None]], 1)
parts = {
    name: table.transpose(1, 0, 2).reshape(5, 64, 64, 3).clip(0, 255).astype(np.uint8)
    for name, table in (("how much", grey), ("in colour", coloured))
}
draw.image_rows(parts, title="Floor, wall, object, highlight; all of them", compare=False)

# %% [markdown]
# It changes pixels that show some floor, and no others.
#
# In the figure above, the upper row is the table of amounts, one column per surface: bright is much. The
# lower row is the same in colour. The last column adds them up: below, it is the image. A factor of hue
# changes three numbers of the small table and so one surface; the other three factors choose another table
# of amounts. This is what *cause* means here: we built the machine, so we know which part moves which pixel.
# A method that is given only images has to find out.
#
# ## Step 2: actions make transitions
#
# An **action** moves one factor by one step. With F factors there are 2F of them: action a < F raises factor a,
# action a >= F lowers factor a - F. A **transition** is (x, action, y): two images between which exactly one
# action was done. Such a pair is called *atomic*.
#
# **That is all the method ever gets**: two images and the number of an action. It is never told a value.
#
# **Predict.** Which action changes the fewest pixels?
#
# **By hand:** is each pair that the package draws atomic, and is its action the right one?

# %% tags=["nbval-check-output"]
drawn = sample_transitions(space, 600, "train", seed)  # x and y: (600, F), actions: (600,)
step = drawn.y - drawn.x
factor = np.abs(step).argmax(axis=1)
action = np.where(step.sum(axis=1) > 0, factor, factor + space.n_factors)
print("actions:", space.n_actions)
print("factors that differ, steps:", np.unique((step != 0).sum(1)), np.unique(np.abs(step).sum(1)))
print("the package names the same action in", (action == drawn.actions).sum(), "of", len(drawn))

pixels = changed_pixels(place, drawn)
typical = [np.median(pixels[factor == f]) for f in range(space.n_factors)]
print("fewest pixels:", space.names[int(np.argmin(typical))])

# %%
chosen = [int(np.flatnonzero(drawn.actions == a)[0]) for a in range(space.n_factors)]
share = 100 * pixels[chosen] / np.prod(place.image_shape[:2])
before, after = place.render(drawn.x[chosen]), place.render(drawn.y[chosen])
names = space.action_names[: space.n_factors]
notes = [f"{s:.0f} % of pixels" for s in share]
draw.pairs(before, after, names, notes, title="One transition per factor")

# %% [markdown]
# In the figure above, each column is a transition that raises one factor, x above and y below, with the share
# of pixels that differ at all. The object's hue changes the fewest, about one in six. A larger object changes
# half of the image: its shadow is wide and soft. Most of these changes are too faint to see, and that is a
# first warning: *how many* pixels change is not how visible an edit is.
#
# ## Step 3: which transitions?
#
# **Predict.** The shape has 4 values, the camera 15. If pairs are drawn evenly among all that exist, is the
# camera edited more often than the shape? And if as many are drawn for each *step* of each factor, as the
# published code does?

# %% tags=["nbval-check-output"]
sizes = np.array(space.sizes)
ways = {
    "evenly among all pairs": (sizes - 1) * (space.size // sizes),  # steps x settings of the others
    "as many for each step (published)": sizes - 1,
    "as many for each factor (here)": np.bincount(factor),
}
print("of 100 transitions,", ", ".join(space.names))
for name, weight in ways.items():
    print(f"{name:34}", (100 * weight / weight.sum()).round().astype(int).tolist())

# %% [markdown]
# Drawn evenly among all pairs, the camera is edited a little more often than the shape: 18 against 14. As many
# for each step makes it nearly five times as frequent: the camera has 14 steps, the shape 3. A method could then
# be bad at shapes and hardly lose any accuracy. Here the factor is drawn first, each equally often, then its
# step.
#
# **Train and test.** *Images*, not pairs, are divided into train, valid and test, 70, 15 and 15 of 100. The
# part follows from a *hash* of the image's number: a fixed function that scatters integers, so that neighbours
# land anywhere and each image lands in the same part on every machine. A pair is used only if both of its
# images lie in one part.

# %% tags=["nbval-check-output"]
spread = split_of(space, space.values(np.arange(0, space.size, max(1, space.size // 20_000))))
print("train, valid, test in 100:", (100 * np.bincount(spread) / len(spread)).round().astype(int))
train, test = (
    set(space.index(sample_values(space, 3000, part, seed)).tolist()) for part in ("train", "test")
)
print("drawn images that are in train and in test:", len(train & test))

# %% [markdown]
# So no image of the test was ever trained on. What this does *not* test are new values: each value of every
# factor occurs in training, and nearly every pair of values. [Lesson 09](09_know_when_it_fails.ipynb) keeps
# combinations out.
#
# ## Edits that change nothing
#
# In a world of little figures, *Sprites*, the colour of the eyes is a factor. Sometimes a lock of hair hangs
# over the eyes, and in some poses they are shut.
#
# **Predict.** What do x and y look like then, and how well can the best of all methods name the action?
#
# The sheets of the real Sprites are not part of this package; a generated stand-in has the same nine factors.

# %% tags=["nbval-check-output"]
with tempfile.TemporaryDirectory() as folder:
    figures = Sprites(stand_in_sheets(folder))
unseen = invisible_share(figures, 1800, seed)  # 200 transitions for each factor
print("edits without a changed pixel, in 100:", {n: round(100 * s) for n, s in unseen.items() if s})
print("in shapes3d:", sum(invisible_share(room, 1200, seed).values()))

# %%
edits = sample_transitions(figures.factors, 1800, "train", seed)
eyes = edits.actions % figures.factors.n_factors == figures.factors.names.index("eyes")
changed = changed_pixels(figures, edits)
shown = [*np.flatnonzero(eyes & (changed > 0))[:4], *np.flatnonzero(eyes & (changed == 0))[:4]]
draw.pairs(
    figures.render(edits.x[shown]), figures.render(edits.y[shown]),
    [figures.factors.action_names[a] for a in edits.actions[shown]],
    [f"{n} pixels" for n in changed[shown]], title="Edits of the eyes, visible and invisible",
)  # fmt: skip

# %% [markdown]
# In the figure above, the four pairs on the left differ in the few pixels of the eyes. The four on the right do
# not differ at all: x and y are one image, in which the eyes are shut or covered. The best of all methods can say
# that it was the eyes, for nothing else can be hidden here. Whether it was `eyes+` or `eyes-` it can only guess.
# Such pairs are kept, counted, and accuracy is also given on *visible* edits alone. Dropping them in silence
# would make a hard world look easy; so would blaming the method for them.
#
# ## Skewed on purpose
#
# A benchmark draws all values equally often. Data that people bring do not. A `Sampling` says how a sample
# departs from that: below, the last factor follows *Zipf's law* (the second value is half as frequent as
# the first, the third a third) and is edited five times as often as each of the others; and the shape mostly
# follows from the hue of the object.

# %% tags=["nbval-check-output"]
cause, effect, last = space.names[2], space.names[4], space.names[-1]
skewed = Sampling(values={last: "zipf:1"}, factors={last: 5}, correlations=[(cause, effect, 0.8)])
sample = sample_transitions(space, 3000, "train", seed, sampling=skewed)
counts = {
    name: np.bincount(t.x[:, -1], minlength=space.sizes[-1])
    for name, t in (("even", drawn), ("skewed", sample))
}
for name, count in counts.items():
    print(f"{name}: most frequent value of {last}, in 100: {100 * count.max() / count.sum():.0f}")
for name, t in (("even", drawn), ("skewed", sample)):
    most = np.bincount(t.actions).max() / len(t)
    print(f"{name}: most frequent action, in 100: {100 * most:.0f}")
draw.sample_balance(space, sample, skewed)

# %% [markdown]
# In the figure above, the six panels on the left show how often each value of a factor occurs; the dashed line
# is an even share, the control. The last panel leaves it by far, and the shape a little: ten hues share four
# shapes. (The slightly shorter bars at both ends of the
# others are no accident: the first value cannot be lowered, the last not raised.) At the top right, actions
# move the last factor most. One that always names the most frequent action would now be right 25 times in 100
# instead of 9: the *majority baseline* rises with the skew. The map below has a row for each hue of the object: dark
# cells say that a hue nearly always comes with one shape. *Cramér's V* measures how much two columns tell of each
# other, 0 nothing and 1 everything; "by chance" is what a sample of this size shows for independent ones.
#
# A model of such data may take the hue for the shape, and its accuracy *on such data* will not say so.
# [Lesson 07](07_train_on_imbalanced_data.ipynb) measures what that costs.
#
# ## Step 4: causes inside a world
#
# So far an action changed one factor and no other. In the world `causal_shapes3d` some factors *cause* others.

# %%
causal = make_world("causal_shapes3d")
draw.graph_layers(causal.factor_graph.astype(float), list(causal.factors.names), title="Causes")

# %% [markdown]
# In the figure above, an arrow points from a cause, at the left, to its effect. The wall's hue colours the floor and
# lets the object grow; scale and hue of the object turn the camera. The shape has no arrow and is left out. (Matrix,
# threshold and cycles, which the small print names, come in [lesson 04](04_learn_a_causal_graph.ipynb).)
#
# Each factor has a part of its own and follows its causes. For the floor: `floor = own + wall`, counted round its
# ten values: after the last comes the first. An action moves the *own* part of one factor, and everything
# downstream follows. This is a *structural causal model* with known equations.
#
# **Predict.** What does `floor_hue+` do to the wall? What does `wall_hue+` do, and to how many factors?

# %% tags=["nbval-check-output"]
x = np.array([[3, 5, 7, 4, 1, 7]])  # floor, wall and object hue, scale, shape, orientation
own = (x[0, 0] - x[0, 1]) % 10  # by hand, from floor = own + wall
print("own part of the floor:", own, "- by the package:", causal.own_parts(x)[0, 0])

cut = causal.cut("floor_hue")  # the same world without arrows into floor_hue
trials = [("floor_hue+", causal), ("wall_hue+", causal), ("wall_hue+", cut), ("shape+", causal)]
after = np.concatenate([w.factors.apply(x, [w.factors.action_id(a)]) for a, w in trials])
moved = [[n for n, m in zip(causal.factors.names, row, strict=True) if m] for row in after != x]
titles = [a + (", cut" if w is cut else "") for a, w in trials]
for title, names in zip(titles, moved, strict=True):
    print(f"{title:14} moves {', '.join(names)}")

# %%
notes = ["\n".join(names) for names in moved]
draw.pairs(causal.render(x.repeat(4, 0)), causal.render(after), titles, notes, title="Effects")

# %% [markdown]
# In the figure above, x is the same in all columns and y is what an action made of it; below stand the factors that
# moved. An action on the floor, an effect, does not move its cause, the wall. An action on the wall moves everything
# downstream, the camera too, which hangs on the scale. That asymmetry is what makes an arrow *causal*.
#
# In the third column the floor was **cut** off from its causes: whoever paints the floor by hand, `do(floor_hue)`,
# has taken away all arrows into it, and the wall no longer reaches it. The other effects of the wall stay.
#
# **Predict.** Somebody has a million images of each of the two worlds, `shapes3d` and `causal_shapes3d`, and no
# actions. Can they tell the two apart?

# %% tags=["nbval-check-output"]
still = [sample_values(w.factors, 5000, "train", seed) for w in (room, causal)]
same = (still[0] == still[1]).all(1).sum()
linked = np.corrcoef(still[1][:, 0], still[1][:, 1])[0, 1]
print(f"images that are the same in both worlds: {same} of {len(still[0])}")
print(f"correlation of wall and floor in images: {linked:.2f}")
for w in (room, causal):
    t = sample_transitions(w.factors, 1200, "train", seed)
    wall_edited = t.actions % 6 == 1
    follows = (t.x != t.y)[wall_edited, 0].mean()
    print(f"{w.name}: the floor moves when the wall is edited, in 100: {100 * follows:.0f}")

# %% [markdown]
# They cannot. All own parts are drawn evenly, so all images are equally frequent in both worlds, and the causes
# leave no trace. Only actions show them. (With other images there can be a trace, and then it still does not
# say which of two factors is the cause: [lesson 11b](11b_know_what_pairs_can_tell.ipynb) has two such worlds.)
#
# ## Explore
#
# **Try this.** Below, all three hues have the same value. What still tells you where the wall ends? (The light: each
# surface has its own shade, and corners are dark.) Move one slider at a time. Then make the object as small as it gets
# (`scale` 0.75) and turn it from a cylinder into a sphere: how large is the change now?

# %% tags=["explorer"]
explorer = explore.FactorExplorer(place)
explorer

# %% tags=["nbval-check-output"]
trial = explore.FactorExplorer(place)  # another one: yours stays as you left it
trial.values = tuple(size - 1 for size in space.sizes)
trial.sliders[0].value = 0
print("after a move of the first slider:", trial.values)
try:
    trial.values = space.sizes  # one step too far
except ValueError:
    print("a value out of range is refused")
print("error:", trial.last_error)

# %% [markdown]
# ## Break it on purpose: divide the pairs
#
# The obvious way to get a test set: draw 40,000 pairs, shuffle, put 15 of 100 aside. No *pair* is then in both.
#
# **Predict.** There are 480,000 images. In how many of 100 test pairs was at least one image trained on?

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(seed)
x = rng.integers(0, space.sizes, size=(40_000, space.n_factors))
a = rng.integers(0, space.n_actions, len(x))
legal = space.legal(x, a)  # a step beyond the first or the last value is none
ends = np.stack([space.index(v) for v in (x[legal], space.apply(x[legal], a[legal]))], axis=1)
apart = int(0.85 * len(ends))
met = np.isin(ends[apart:], ends[:apart])  # (test pairs, 2)
print("test pairs with an image that was trained on, in 100:", round(100 * met.any(axis=1).mean()))
print("with images divided by the hash:", len(train & test))

# %% [markdown]
# One in five, although the pairs are few beside the images: with each pair that is drawn, two images are used up. The
# smaller a world, the worse. A model that remembers images would look better than it is, and nothing in its
# numbers would show it.
#
# ## Exercises
#
# **1. Warm-up \*** (3 minutes). A world has two factors of 4 and 15 values. How many different transitions are
# there that move the first one? Both directions count. Expected: an integer below 100.

# %% tags=["stub"]
transitions_of_the_first = None  # your answer, an integer

# %% tags=["solution"]
transitions_of_the_first = 2 * (4 - 1) * 15

# %% tags=["nbval-check-output"]
check.transitions_of_the_first(transitions_of_the_first)

# %% [markdown]
# **2. Core \*\*** (8 minutes). Nine factors are edited equally often, each up and down equally often. Of the edits of
# one of them, the eyes, 15 in 100 change nothing; all others can be seen, and the best of all methods names
# each of those right. It also knows that only edits of the eyes can be invisible. What is its expected *action*
# accuracy? Expected: a number between 0.98 and 1.

# %% tags=["stub"]
best_accuracy = None  # your answer, a number

# %% tags=["solution"]
best_accuracy = 1 - 0.15 / 9 * 0.5

# %% tags=["nbval-check-output"]
check.best_with_invisible_edits(best_accuracy)

# %% [markdown]
# **3. Stretch \*\*\*** (12 minutes). Write `moved_by(graph, cause)`: for a graph without cycles, boolean (F, F), row =
# cause, column = effect, a boolean array (F,) of all factors that move when an action is done on `cause`. Expected: for
# the graph above and the wall (1), four of six are True, as in the second column of the figure "Effects".


# %% tags=["stub"]
def moved_by(graph, cause):
    return None  # your lines


# %% tags=["solution"]
def moved_by(graph, cause):
    moved = np.arange(len(graph)) == cause
    for _ in range(len(graph)):  # no chain of arrows is longer
        moved = moved | graph[moved].any(axis=0)
    return moved


# %% tags=["nbval-check-output"]
check.moved_by(moved_by)

# %% [markdown]
# ## Take away
#
# * A world draws images from factors. An action moves one factor by one step. A transition is two images and the
#   action between them, and that is all the method sees.
# * How transitions are drawn decides what an accuracy is about: equally often for each factor here.
# * Images are divided into train and test, not pairs.
# * Some edits change nothing. They are counted, not hidden.
# * Causes move their effects, effects do not move their causes; only actions show which is which.
#
# **What this does not show.** Nature does not hand out factors. Everything here rests on somebody having decided
# what the factors are, on actions that do exactly what they say, and on images without noise.
#
# ## Questions
#
# <details><summary>The shape has actions "+" and "-". What does "+" mean for shapes?</summary>
#
# Nothing but the order in which they were numbered. The direction has to be memorised shape by shape; for a
# scale or an angle it can be understood once for all values.
#
# </details>
#
# <details><summary>Hues form a circle. Why does no action step from the last hue to the first?</summary>
#
# It could: nothing in the picture forbids it. In the published code no action steps round, so none does here.
# An *effect* may go round: in `causal_shapes3d` the floor follows the wall from its last hue to the first.
#
# </details>
#
# <details><summary>Two factors always change together in your data. Can any method find out that they are
# two?</summary>
#
# No. In what it sees there is one thing with two names. Only data in which one moves without the other can
# tell.
#
# </details>
#
# ## References
#
# * Burgess, Kim: *3D Shapes Dataset*, DeepMind 2018. The scene is theirs, the renderer and its pictures are
#   this package's.
# * Gendron, Witbrock, Dobbie, IJCAI 2023, [arXiv 2302.00869](https://arxiv.org/abs/2302.00869): transitions
#   between images that differ in one factor.
# * Pearl: *Causality*, Cambridge University Press, 2nd edition 2009, chapter 1: structural causal models
#   and `do`.
#
# Next: [quantize images into codes](02_quantize_images_into_codes.ipynb).
