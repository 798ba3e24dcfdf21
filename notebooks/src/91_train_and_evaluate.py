# %% [markdown]
# # Train and evaluate: from pictures to interventions in one run
#
# *Can a model that has only seen pairs of pictures change exactly one thing in a picture, and say
# which thing was changed between two others?*
#
# This notebook is the whole method, once, from nothing: it trains the model, measures it on
# pictures it has never seen, and draws what it learned. `make reproduce` runs it with the recipe
# `lesson`, which takes minutes on two cores. As it stands here it was run with the recipe `nano`,
# which takes seconds and is **much too short to work well**: it shows that everything runs, not how
# good the method is.
#
# | | |
# | --- | --- |
# | you will do | train, evaluate, and look at codes, interventions, masks, a graph and mistakes |
# | you will be able to | read every figure and every number of a run folder |
# | you need | nothing; the default world is drawn by this package |
# | time | read 15 minutes; run under a minute with `nano`, up to ten with `lesson`, on two cores |
# | it writes | the run folder: weights, log, `metrics.json`, `figures/*.png` |

# %% tags=["parameters"]
world = "shapes3d"  # or sprites, dsprites, cars3d, faces, codes; `cvq worlds` lists all
recipe = "nano"  # nano: seconds; lesson: minutes on two cores; paper: a GPU
seed = 0
device = "auto"  # auto, cpu, cuda, mps
run_dir = ""  # where the run is kept; empty: a temporary folder, thrown away in the end
overrides = {}  # settings of the recipe to change, such as {"codebooks": 2}
options = {}  # of the world, such as {"root": "my_pictures"} of the world pictures

# %% [markdown]
# ## The world
#
# A world draws a picture from a few integers, its *factors*. An *action* moves one factor by one
# step: with F factors there are 2F actions, F that raise and F that lower. (The world `codes` has
# no pictures: it is a set of discrete variables whose causal graph is known.)

# %%
import torch

from cvq_tutorial import CausalGraph, draw, train
from cvq_tutorial.run import gallery, report, reproduce

folder = reproduce.open_folder(run_dir)
run = reproduce.plan(world, recipe, seed, overrides, run_dir=folder, options=options)
place = run.make_world()
print(report.about_world(place))

# %% [markdown]
# ## Training, in two phases
#
# First the autoencoder learns to turn a picture into a small map of *codes* and back. Then its
# codes are computed once, and the causal transition learns on codes alone: which codes an action
# sets (the *effects mask*), which other codes each of them depends on (the *graph*), and what the
# new code will be (the *mechanism*). A run that was stopped goes on where it was.

# %% tags=["progress", "nbval-ignore-output"]
model = train(place, run.recipe, run.seed, run.folder, device=device)

# %%
print(f"{model.n_nodes} nodes, each with {model.n_codebooks} codes out of {model.n_codes}")
print(f"{model.n_actions} actions: {', '.join(model.action_names)}")

# %% [markdown]
# Loss of both phases, as the log has it. A curve that still falls at its right end says that the
# recipe is too short; `nano` always is. The jump of the first curve is where the codebooks start:
# until there (`warmup_share` of the steps) the map passed unquantised, from there on the decoder
# sees codes.

# %% tags=["nbval-ignore-output"]
reproduce.show(draw.training_curves(reproduce.read_log(folder)), folder, "training_curves")

# %% [markdown]
# ## The numbers
#
# Everything is measured on the test split: no picture in it was ever trained on. No number stands
# without its control. *Chance* guesses among all actions, *majority* always says the most frequent
# one, *copy* changes nothing. An intervention is also compared with its *ceiling*: the true picture
# after the action, encoded and decoded, which is the best that this autoencoder can draw. And an
# independent *judge*, trained on true pictures only, reads the factors off the changed picture: did
# the target arrive, and did all others stay? *Recovered* is how far the drawn picture gets from a copy (0) to
# the ceiling (1). Where the codes lose more than the edit changes, the ceiling lies below the copy, and it is
# not defined; then *edit kept* says how much of the difference between x and y the codes can draw at all (1:
# all of it). *do(node)*: hold one node at another code, and see whether what moves is what the edges say.

# %% tags=["progress", "nbval-ignore-output"]
metrics = reproduce.evaluate_run(folder, device=device)
print(report.table(metrics))

# %% [markdown]
# The same metrics are in `metrics.json`, with more detail: per factor, with bootstrap intervals.

# %%
named = metrics["retrieval"]
print("parts:", ", ".join(name for name, part in metrics.items() if isinstance(part, dict)))
print("transitions of the test split:", named["n"])
print("chance of naming the action:", round(named["chance"]["action"], 3))

# %% [markdown]
# ## From pictures to codes and back
#
# Above the true picture, below it what the decoder makes of its codes. What is lost here, no
# intervention can bring back.

# %% tags=["nbval-ignore-output"]
look = gallery.look(model, place, seed=seed)
if place.has_images:
    few = look.before[:6]
    reproduce.show(draw.reconstructions(few, model.reconstruct(few)), folder, "reconstructions")

# %% [markdown]
# The codes themselves, one map per codebook. Equal colours are equal codes: the floor is one code
# over and over, the object's edge is many.

# %% tags=["nbval-ignore-output"]
if place.has_images:
    few = look.before[:4]
    reproduce.show(draw.code_maps(model.encode(few), model.grid, few), folder, "code_maps")

# %% [markdown]
# ## Interventions
#
# One row for every other action: a test picture, the same picture after the intervention on its codes, the
# picture as it truly is after the action, and the difference of these two. In a good row there is
# nothing to see on the right. The example is the first test transition of that action that changes
# a pixel; nothing was picked.

# %% tags=["nbval-ignore-output"]
if place.has_images:
    some = torch.arange(0, model.n_actions, 2)
    done = model.intervene(look.before[some], some)
    names = [model.action_names[a] for a in some]
    picture = draw.before_after(look.before[some], done.images, look.after[some], names)
    reproduce.show(picture, folder, "before_after")

# %% [markdown]
# ## Which codes an action sets
#
# For each action the effects mask, averaged over test transitions, and below it how often the
# codes of that node truly changed. A colour of the wall should light up the wall, a shape only the
# object.

# %% tags=["nbval-ignore-output"]
picture = draw.effects_masks(look.mask, model.grid, model.action_names, look.changed)
reproduce.show(picture, folder, "effects_masks")

# %% [markdown]
# ## The graph
#
# For one picture and one action the model says which nodes it reads to set a node. Row = cause,
# column = effect, in every figure. Shown is the action that changes the fewest nodes, because its
# arrows can be followed with the eye.

# %% tags=["nbval-ignore-output"]
example = look.examples[look.focus]
graph = CausalGraph.of(model, look.x[example : example + 1], look.focus)
shown = gallery.shown_nodes(graph)
picture = draw.graph_matrix(graph, title=f"graph of {graph.action}", set_nodes=shown)
reproduce.show(picture, folder, "graph_matrix")

# %% [markdown]
# The same edges as arrows: over the picture, for one node that is set (causes point in, effects
# point out; a model that was trained for seconds may set none, then it is the likeliest one); in a world without pictures on a circle, compared with the true graph.

# %% tags=["nbval-ignore-output"]
if place.has_images:
    image = look.before[look.focus]
    node = gallery.busiest_node(graph)
    picture = draw.graph_over_image(
        image, graph, model.grid, node, set_nodes=shown, title=graph.action
    )
else:
    known = {"truth": place.graph[look.focus], "set_nodes": shown}
    picture = draw.graph_arrows(graph, title=graph.action, **known)
reproduce.show(picture, folder, "graph_arrows")

# %% [markdown]
# ## Naming the action
#
# From two pictures the model says which action lies between them. Row = true action, column = named
# action: everything on the diagonal is right. The two other diagonals, half a table away, hold the
# right factor in the wrong direction.

# %% tags=["nbval-ignore-output"]
reproduce.show(draw.confusion(look.confusion, model.action_names), folder, "confusion")

# %% [markdown]
# ## What is in the run folder
#
# The weights (safetensors) and what they belong to (JSON), the log, the metrics, and the figures.

# %%
print("\n".join(reproduce.contents(folder)))

# %% [markdown]
# ## What this does not show
#
# * One seed. Numbers of one run say little about the method; run several, and look at the spread.
# * Pictures of one kind. That factors are found here says nothing about photographs.
# * The graph is what the model reads, not what the world is. Only in the world `codes` is the true
#   graph known; there `metrics.json` compares the two.
#
# **Reference.** Gendron, Witbrock, Dobbie: *Disentanglement of Latent Representations via Causal
# Interventions*, IJCAI 2023, [doi:10.24963/ijcai.2023/361](https://doi.org/10.24963/ijcai.2023/361).
# The steps here follow that paper in outline and differ in many details; no number here is a number
# of the paper.
