# %% [markdown]
# # 00 Start here
#
# *What will I be able to do?*
#
# | | |
# | --- | --- |
# | you will do | check your environment, see the whole method in one picture, do your first action by a click, and see where it fails to say no |
# | you will be able to | say what a code, an action, an intervention and a retrieval are, and choose a lesson |
# | you need | Python and a little PyTorch; nothing about causality |
# | time | read 15 minutes, exercises 15 minutes; run a few seconds |
# | it writes | nothing |
# | papermill | `-p seed 1 -p pairs 240` looks at other and more images |
#
# First of all: is everything here? Run the next cell (Shift-Enter). If it says `No module named
# 'cvq_tutorial'`, this notebook runs in the wrong kernel: start JupyterLab with `make lab` in the project's
# folder.

# %% tags=["progress", "nbval-ignore-output"]
from cvq_tutorial import (
    check,
    check_environment,
    draw,
    explore,
    load_or_train,
    sample_transitions,
    show_widgets,
    to_float,
)
from cvq_tutorial.lessons.check.lesson_00 import GOAL, START

print(check_environment())
show_widgets()

# %% [markdown]
# The table is about *your* machine: versions, the device that will compute, and whether files of other
# worlds were found (this lesson needs none, it draws its own images). The last line says that everything is
# here, or arrows say what to install.
#
# A *widget* is a button, a slider, a picture that reacts. It has two halves that must fit together:
# `ipywidgets` in the kernel that computes, and `jupyterlab_widgets` in the JupyterLab that draws the page.
# Below the table you should now read **this page shows widgets** (a page without a kernel, as on a web
# site, does not have that line). If you see *Error displaying widget*,
# *Loading widget* or nothing at all, install `jupyterlab_widgets>=3,<4` where JupyterLab runs, restart it
# and load the page again. Without widgets the lessons still run; their explorers are then still pictures.

# %% tags=["parameters"]
seed = 0  # draws the test images
pairs = 120  # how many pairs of them
device = "auto"  # auto, cpu, cuda, mps

# %%
import numpy as np
import torch

model, world, _ = load_or_train(device=device)
space, names = world.factors, model.action_names


def images_of(values):
    return to_float(world.render(np.array(values))).to(model.device)


# %% [markdown]
# ## The whole method in one picture
#
# The model that is loaded came with the package. It has seen pairs of images and, for each pair, the name
# of the action between the two. Nobody told it what an object is, or a wall.

# %%
action = space.action_id("object_hue+")
x = images_of([START])
y = images_of(space.apply([START], [action]))  # the truth, from the world
draw.overview(model, x, "object_hue+", y)

# %% [markdown]
# Read the figure by its numbers.
#
# 1. **An image.** It comes from a *world*, here a renderer with six *factors*: the hues of floor, wall and
#    object, the object's scale and shape, and the direction of the camera.
# 2. **Its codes.** An autoencoder cuts the image into 8 x 8 places, the *nodes*, and writes integers for
#    each, its *codes*. A code is a number in a *codebook*, a list of vectors that the model has learned. This
#    model has four codebooks, so each node has four codes; the map of the first, number 0, is shown. Equal
#    numbers and colours are equal codes; the colours have nothing to do with those of the image.
# 3. **do(object_hue+).** An *action* moves one factor by one step. The orange *mask* is the probability
#    that the action sets the codes of a node; nodes above one half are outlined. It covers the object and
#    a little around it. What a node becomes is read off its *causes*: the arrows show some of them for one
#    node (number 29: nodes are counted from 0, row by row). All such arrows together are the *causal graph*.
# 4. **New codes.** The changed ones are framed. A node may also be set to the code that it had. Outside of
#    the mask every node keeps its codes.
# 5. **A new image,** decoded from the new codes. Panels 3 to 5 are an *intervention*.
# 6. **The true image** after the action, for comparison. The model has not seen it.
# 7. **And back.** Given the images 1 and 6, how likely is each of the twelve actions? That is *retrieval*.
#    The dashed line is chance.

# %% [markdown]
# ## Does it hold for other images?
#
# **Predict.** Below are 120 pairs of images from the *test split*, which training never touches; one of the
# twelve actions lies between the two. How many will the model name right? Guessing gets ten.

# %%
test = sample_transitions(space, pairs, "test", seed)
tx, ty, actions = images_of(test.x), images_of(test.y), torch.from_numpy(test.actions)
named = model.retrieve(tx, ty).actions.cpu()
right = int((named == actions).sum())
frequent = np.bincount(test.actions).max()
print(f"actions: {model.n_actions}, so guessing gets {pairs / model.n_actions:.0f} of {pairs}")
print(f"control, always the most frequent action: {frequent} of {pairs}")
print(f"named right: {right} of {pairs}")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    nearly_all_are_right=right >= 0.97 * pairs,
    the_commonest_action_is_right_in_few=bool(frequent < 0.2 * pairs),
)

# %% [markdown]
# And forward: do the action on the codes of x, and compare with the true y. Two numbers frame the error.
# Someone who does nothing and returns x has the error of a *copy*. Someone who knows y, but has to draw it
# with this autoencoder, has the error of the *ceiling*.

# %%
made = model.intervene(tx, actions).images
error = {
    "x, do(action)": (made - ty).square().mean().item(),
    "copy of x": (tx - ty).square().mean().item(),
    "ceiling: y decoded from its own codes": (model.reconstruct(ty) - ty).square().mean().item(),
}
for name, value in error.items():
    print(f"{name:38} squared error {value:.5f}")
first = [int(np.flatnonzero(test.actions == a)[0]) for a in (1, 2, 3, 4, 5, 6)]
draw.before_after(tx[first], made[first], ty[first], [names[test.actions[i]] for i in first])

# %% tags=["nbval-check-output", "gate"]
done, copy, ceiling = error.values()
check.as_told(far_below_a_copy=done < copy / 3, near_the_ceiling=done < 1.5 * ceiling)

# %% [markdown]
# The error of do(action) is a small part of that of a copy, and near its ceiling. In the figure, one row
# per action: the image x, x after the action was done on its codes, the true y, and where the last
# two differ; dark is good. The title compares with the copy once more, in decibels: *PSNR*, the peak
# signal-to-noise ratio, is the squared error on a logarithmic scale, and 10 dB more are a tenth of the
# error. What is left of it sits on edges and is mostly the autoencoder's: the ceiling has it too.

# %% [markdown]
# ## Your first do(), by a click
#
# Each button below is an action; two have been pressed already. **Try this:** press `reset`, then
# `floor_hue+` three times, then `shape+`, then `scale-` until the object is small. The picture on the left is
# imagined: the model starts from the codes of one image and never looks at another one. The picture beside it
# is true, drawn by the world. The third outlines the nodes that the last action set; the paler a node, the
# less likely it is set. Below it stands how many they are, and how many of their codes are set (a node has four).
# Which action sets most nodes? `step back` takes the last action back, `reset` all; `another start` begins with
# another image, and `show` puts the difference to the start in the third place. A button is grey where its
# factor can go no further. The small pictures are the steps so far.

# %% tags=["explorer"]
pad = explore.ActionPad(model, world, START)
pad.buttons["object_hue+"].click()
pad.buttons["wall_hue-"].click()
pad

# %% tags=["nbval-check-output"]
trial = explore.ActionPad(model, world, START)  # another one: yours stays as you left it
trial.do("object_hue+")
trial.do("wall_hue-")
trial.do("shape+")
print("done:", ", ".join(trial.actions))
print("true factors now:", dict(zip(space.names, trial.values, strict=True)))
trial.back_button.click()
print("after a step back:", ", ".join(trial.actions))
codes = trial.codes
trial.buttons["floor_hue+"].click()
changed = int((trial.codes != codes).any(-1).sum())
print("floor_hue+ changes", changed, "of 64 nodes")
check.as_told(some_nodes_and_not_all=5 <= changed <= 45, no_error=trial.last_error is None)

# %% [markdown]
# And which action sets most nodes? At the start of the pad:

# %%
sets = {name: int((model.intervene(x, name).mask.amax(-1) > 0.5).sum()) for name in names}
print("nodes set, of 64:", ", ".join(f"{name} {number}" for name, number in sets.items()))

# %% tags=["nbval-check-output", "gate"]
turns = sets["orientation+"], sets["orientation-"]
check.as_told(
    another_shape_sets_most=max(sets, key=lambda name: sets[name]).startswith("shape"),
    a_turn_sets_fewest=max(turns) <= min(n for a, n in sets.items() if "orientation" not in a),
)

# %% [markdown]
# `shape-`, from the cylinder to the cube, sets most of them: object, floor and wall change all around. A turn of the camera moves
# nearly every edge a little, and still it sets fewest: most of its changes are too small to need another code.
#
# ## Break it on purpose: nothing happened
#
# A model that names actions should be able to say "none". **Predict.** We give it the same image twice, as
# x and as y. Its answer is twelve probabilities that add up to one. What will they be: about 0.08 each?

# %%
nothing = model.retrieve(tx, tx).log_posterior.exp()
surest = nothing.amax(1)
over = int((surest > 0.9).sum())
print(f"probability of the action that it names, on average: {surest.mean():.2f}")
print(f"images on which it is more than 0.9 sure: {over} of {pairs}")
print("it names", names[int(nothing.argmax(1).mode().values)], "most often")

# %% tags=["nbval-check-output", "gate"]
check.as_told(it_is_nearly_sure=bool(surest.mean() > 0.8), on_most_images=over > 0.5 * pairs)

# %% [markdown]
# It is nearly sure, and it is wrong, for there is no right answer. It must choose one of twelve; most often it
# takes a small turn of the camera, which sets the fewest codes. Being sure is not the same as being right, and
# a good score on good questions says nothing about bad ones. This is why every lesson has a part where something
# is broken on purpose, and why [lesson 09](09_know_when_it_fails.ipynb) does nothing else.

# %% [markdown]
# ## How a lesson works
#
# * **Predict** before you run a cell; being wrong is when you learn most.
# * First by hand in a few lines, then with the package; a line prints that the two agree.
# * An **explorer** is for playing. Its settings are suggestions.
# * No claim without its control beside it: chance, a copy, a ceiling, a shuffle.
# * Three **exercises**: `check.<name>(answer)` says *right*, or gives a hint for your mistake;
#   `check.<name>.hint()` says where to begin. The solution is folded under each exercise, and solved copies
#   of the lessons are in the folder `notebooks/solutions`. Nothing later depends on an exercise.
# * Some code is **folded** (a bar with three dots; a click opens it): machinery, and cells that only hold the
#   page to its own words. Skip them at first.
#
# ## The lessons
#
# Minutes are for reading and for the exercises, as readers needed them (11 to 11d: less what was moved since). Take the lessons in order, or follow a
# question: each says on top which others it needs.
#
# | lesson | question | minutes |
# | --- | --- | --- |
# | [00 start here](00_start_here.ipynb) | What will I be able to do? | 15 + 15 |
# | [01 make a world with causes](01_make_a_world_with_causes.ipynb) | What is a factor, a transition, an action? | 30 + 25 |
# | [02 quantize images into codes](02_quantize_images_into_codes.ipynb) | How does an image become integers? | 40 + 20 |
# | [03 use several codebooks](03_use_several_codebooks.ipynb) | What do more codebooks buy? | 25 + 20 |
# | [04 learn a causal graph](04_learn_a_causal_graph.ipynb) | Can the graph be found, and when not? | 40 + 20 |
# | [04b read the graph of an image](04b_read_the_graph_of_an_image.ipynb) | What does it say where nobody knows the truth? | 30 + 30 |
# | [05 intervene on codes](05_intervene_on_codes.ipynb) | Does the action change one factor only? | 40 + 20 |
# | [06 retrieve the action](06_retrieve_the_action.ipynb) | Which action was it? | 30 + 25 |
# | [07 train on imbalanced data](07_train_on_imbalanced_data.ipynb) | Does it hold when some values are rare? | 30 + 25 |
# | [08 measure disentanglement](08_measure_disentanglement.ipynb) | Do scores agree with eyes? | 35 + 20 |
# | [09 know when it fails](09_know_when_it_fails.ipynb) | How would I notice? | 40 + 20 |
# | [10 bring your own images](10_bring_your_own_images.ipynb) | How do I use my data? | 35 + 25 |
# | [11 know what can be identified](11_know_what_can_be_identified.ipynb) | What can be identified? | 42 + 18 |
# | [11b know what pairs can tell](11b_know_what_pairs_can_tell.ipynb) | What do pairs tell, and what not? | 41 + 14 |
# | [11c know what bends and noise tell](11c_know_what_bends_and_noise_tell.ipynb) | What do weaker interventions, other noises and labels tell? | 40 + 20 |
# | [11d know what drawing well tells](11d_know_what_drawing_well_tells.ipynb) | Does a model that draws well know the causes? | 40 + 15 |
# | [12 learn actions nobody named](12_learn_actions_nobody_named.ipynb) | What if nobody names the actions? | 40 + 20 |
#
# In a hurry: 05 and 06. Sceptical: 04, 04b, 09, 11b and 11d.

# %% [markdown]
# ## Exercises
#
# **1. Warm-up \*** (2 minutes). Another world, sprites, has nine factors. How many actions does it have?
# Expected: an even number.

# %% tags=["stub"]
actions_of_nine_factors = None  # your answer, an integer

# %% tags=["solution"]
actions_of_nine_factors = 2 * 9

# %% tags=["nbval-check-output"]
check.actions_of_nine_factors(actions_of_nine_factors)

# %% [markdown]
# **2. Core \*\*** (5 minutes). Actions are numbered: with F factors, action `a < F` raises factor `a`, and
# action `a >= F` lowers factor `a - F`. Write `undoing(action, n_factors)`: the number of the action that
# takes an action back. Check it on the pad: do both, and compare. Expected: the start again, but for a
# trace of what two steps in codes lose.


# %% tags=["stub"]
def undoing(action, n_factors):
    return None  # your line


# %% tags=["solution"]
def undoing(action, n_factors):
    return (action + n_factors) % (2 * n_factors)


# %% tags=["nbval-check-output"]
check.undoing_action(undoing)

# %% [markdown]
# **3. Stretch \*\*\*** (8 minutes). Which actions lead from the start to the goal in the figure below? Find
# the shortest way with the pad above: press `reset`, then buttons, until the true image is the goal.
# Answer with the list of the names. Expected: fewer than six presses.

# %%
ends = {"start": images_of([START]), "goal": images_of([GOAL])}
draw.image_rows(ends, title="A way to find", compare=False)

# %% tags=["stub"]
way_to_the_goal = None  # your answer, such as ["scale+", "scale+", "floor_hue-"]

# %% tags=["solution"]
way_to_the_goal = ["wall_hue-", "object_hue+", "object_hue+", "shape+"]

# %% tags=["nbval-check-output"]
check.way_to_the_goal(way_to_the_goal)

# %% [markdown]
# Above, the start, which is also where the pad starts, and below it the goal. [Lesson
# 06](06_retrieve_the_action.ipynb) lets the model find such ways.
#
# ## Take away
#
# * An image becomes a map of codes; an action sets some of them, and the others are copied.
# * Forward, from an image and an action to an image, is an intervention; backward is retrieval.
# * A number means something beside its controls: chance for naming, copy and ceiling for drawing.
# * A model that must answer will answer, also where there is nothing to say.
#
# **What this does not show.** One rendered world, one trained model, actions by one step. Whether the arrows
# of the graph are *true* causes cannot be seen in any of these pictures; lesson 04 is about that.
#
# ## Questions
#
# <details><summary>Is a code the same as a factor?</summary>
#
# No. A factor is a property of the whole scene, such as the hue of the wall. It is written into many codes,
# and one code is about a small place, whatever is there: a bit of wall, an edge, a shadow.
#
# </details>
#
# <details><summary>Did the model see the factors in training?</summary>
#
# No. It saw pairs of images and the name of the action between them. That is less than all factors of all
# images, and more than nothing: somebody has to know which action was done.
#
# </details>
#
# <details><summary>Why "causal"? Is it not just prediction?</summary>
#
# It predicts what happens when something is *set*, which is another question than what goes together with
# what. Where all data show red walls with large objects, a predictor may paint the object larger when the
# wall turns red; an intervention on the wall must not.
#
# </details>
#
# ## References
#
# * Gendron, Witbrock, Dobbie: *Disentanglement of Latent Representations via Causal Interventions*, IJCAI
#   2023, [arXiv 2302.00869](https://arxiv.org/abs/2302.00869): the method that these lessons take apart.
# * Pearl, Glymour, Jewell: *Causal Inference in Statistics: A Primer*, Wiley 2016, chapter 3: what do()
#   means.
#
# Next: [make a world with causes](01_make_a_world_with_causes.ipynb).
