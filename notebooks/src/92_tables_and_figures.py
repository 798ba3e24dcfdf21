# %% [markdown]
# # Make every table and figure from finished runs
#
# *How far does the claim hold, over seeds and beside what people would use instead?*
#
# A *sweep* is many runs from one command: `cvq reproduce --grid main` trains the method and its
# baselines with several seeds and leaves a folder per run. This notebook trains nothing. It reads
# such folders and makes the tables and figures that the README and the lessons quote, and it
# compares them with what was measured before. As it stands here it shows the results that come
# with the project.
#
# | | |
# | --- | --- |
# | you will do | read five groups of tables, as dots and curves with their spread |
# | you will be able to | say what was measured, how often, and beside what |
# | you need | nothing; `cvq reproduce --grid NAME` first, to read runs of your own |
# | time | read 15 minutes; run under half a minute |
# | it writes | with `out`: `tables.md`, `tables.json`, `figures/*.png` |
# | papermill | `-p runs runs` reads the sweeps in `runs/`, `-p out my_tables` keeps what is made |

# %% tags=["parameters"]
runs = ""  # folder of finished sweeps, such as "runs"; empty: the results of the project
out = ""  # folder for tables and figures; empty: they are shown only

# %%
import json
from pathlib import Path

from IPython.display import Markdown, display

from cvq_tutorial import draw, make_world, recipes
from cvq_tutorial.data import effective_size
from cvq_tutorial.experiments import BASELINES, GRIDS, results, tables
from cvq_tutorial.run import reproduce
from cvq_tutorial.training import training_transitions

made, notes = results.gather(runs)
folder = reproduce.open_folder(out)
print("\n".join(notes))


def part(grid, prefix=""):
    """The rows of a grid whose label begins so, under the rest of their label."""
    return results.starting(made.get(grid, {"rows": {}})["rows"], prefix)


def as_table(rows, columns, name):
    """Show some columns; says it in one line if there is no row."""
    if rows:
        display(Markdown(tables.markdown({"rows": rows}, columns)))
    else:
        print(f"{name}: not run, left out below")


# %% [markdown]
# The lines above say which rows of each *grid* (each group of runs) are there. What was not run is
# left out of everything below, and nothing is filled in for it.
#
# How to read all that follows: a number is the **mean over seeds**, and the number after ± is the
# **sample standard deviation** over seeds: how far one training lies from another. In the figures
# it is the bar through a dot. A **hollow** dot is a single seed; it has no bar, not because it is
# exact but because its spread is not known. Everything is measured on the test split.
#
# ## The method beside what people would use instead
#
# All rows learn from the same images with the same number of steps; the last one, which has no
# first phase, as long as the second phase of the others.
#
# | row | what it is |
# | --- | --- |
# | causal codes | the method: codes, effects mask, graph, mechanism |
# | plain-vqvae | the same codes, and a transition without mask and graph |
# | vae-classifier | a VAE, and a classifier that sees the latents of both images |
# | vae-difference | a VAE; an action is the mean difference of latents that it makes |
# | beta-vae-difference | the same with a stronger pull to independent latents |
# | image-pairs | a classifier that sees both images; an upper reference, no rival: it cannot draw |
#
# First *naming*: two images, which action lies between them? The accuracy is **macro**: the mean
# over actions, so that frequent ones do not hide rare ones. *Chance* guesses among all actions.
# "Visible" leaves out edits that change no pixel, which nobody can name; where every edit changes a
# pixel it is the same number.

# %%
NAMING = ["action accuracy", "action accuracy, visible", "factor accuracy"]
for world in ("shapes3d", "sprites"):
    as_table(part("main", f"{world}: "), [*NAMING, "PSNR"], world)

# %% tags=["nbval-ignore-output"]
for world in ("shapes3d", "sprites"):
    if rows := part("main", f"{world}: "):
        chance = min(row["numbers"]["chance"]["mean"] for row in rows.values())
        lines = {column: {"chance": chance} for column in NAMING[:2]}
        figure = draw.dot_plot(rows, NAMING, levels=lines, title=f"Name the action: {world}")
        reproduce.show(figure, folder, f"main_naming_{world}")

# %% [markdown]
# In the figure above each row is a method and each panel a number; the dotted line is chance. A dot
# at the right edge names every action. The sentences below compare the method with the best of the
# others, without the classifier of image pairs. *Level* means: no further apart than the larger of
# the two standard deviations, and than 0.01 (of a number of causes: 5 %); five times that where one
# of the two is a single seed, whose spread is not known.

# %%
RIVALS = [name for name in BASELINES if name != "image-pairs"]
for world in ("shapes3d", "sprites"):
    if rows := part("main", f"{world}: "):
        for column in NAMING[:2]:
            print(f"{world}, {results.verdict(rows, 'causal codes', RIVALS, column)}")

# %% [markdown]
# Then *doing*: one image and an action, draw the image after it. Three numbers, because each can be
# had cheaply without the others.
#
# * **recovered**: how far the drawn image gets from copying x (0) to the *ceiling*, the true image
#   after the action, encoded and decoded (1). Below 0 it would have been better to copy.
# * **target reached**: an independent judge, trained on true images, reads the new value off the
#   drawn image. A copy reaches no target: 0.
# * **others kept**: the judge finds *all* other factors unchanged. A copy would keep them all. But
#   the judge reads drawn images, and what it can no longer read counts as changed: hold the number
#   against its own *ceiling*, what the judge reads off the true image, encoded and decoded.

# %%
DOING = ["recovered", "target reached", "others kept"]
CEILINGS = {"target reached": "target, ceiling", "others kept": "others, ceiling"}
for world in ("shapes3d", "sprites"):
    as_table(part("main", f"{world}: "), [*DOING, *CEILINGS.values()], world)

# %% tags=["nbval-ignore-output"]
for world in ("shapes3d", "sprites"):
    if rows := part("main", f"{world}: "):
        lines = {"recovered": {"copy": 0.0, "ceiling": 1.0}, "target reached": {"copy": 0.0}}
        for column, name in CEILINGS.items():
            if ceiling := results.number(rows, "causal codes", name):
                lines.setdefault(column, {})["ceiling of our codes"] = ceiling["mean"]
        title = f"Do the action: {world}"
        figure = draw.dot_plot(rows, DOING, levels=lines, stem_from="copy", title=title)
        reproduce.show(figure, folder, f"main_doing_{world}")

# %% [markdown]
# In the figure above a pale stem leads from what copying gives to what the row gives. In the first
# two panels a long stem to the right is good; a stem to the left, in "recovered", is an image worse
# than the unchanged one. The dashed lines are the ceilings of our own codes; each other row has its
# own, in the table. In the last panel a row is good that comes near its ceiling, wherever that
# lies: on small, detailed images a judge misreads one factor or another of nearly every image that
# was decoded, edited or not, and then this number says little about the edit. Only a row that is
# good in all three panels does *one* thing.

# %%
for world in ("shapes3d", "sprites"):
    if rows := part("main", f"{world}: "):
        for column in DOING:
            print(f"{world}, {results.verdict(rows, 'causal codes', RIVALS, column)}")

# %% [markdown]
# ## One published choice at a time
#
# The code published with the paper makes some choices in another way than this project. Each is a
# switch, and each row below was trained and evaluated with one switch on, the row *all published*
# with all of them. Notebook [93](93_ablations.ipynb) says what each one is.

# %%
ABLATED = {
    "codes": ["action accuracy", "mask F1", "edge F1", "causes per set node"],
    "shapes3d": ["action accuracy", "recovered", "others kept", "causes per set node"],
}
MORE = ["PSNR", "others, ceiling"]  # of the autoencoder
for world, columns in ABLATED.items():
    as_table(part("ablations", f"{world}: "), [*columns, *MORE], world)

# %% tags=["nbval-ignore-output"]
for world, columns in ABLATED.items():
    rows = part("ablations", f"{world}: ")
    if "ours" in rows:
        title = f"One published choice at a time: {world}"
        figure = draw.dot_plot(rows, columns, reference="ours", title=title)
        reproduce.show(figure, folder, f"ablations_{world}")

# %% [markdown]
# In the figure above the grey line is our own choice and the grey band its spread. An orange stem
# is what the switch moves, and the signed number at the right says by how much. A row without a
# stem is a switch that this world does not feel. Mind what a number is measured against:
# *recovered* lies between a copy and what this very autoencoder can draw, so a switch that makes
# the autoencoder worse, as overlapping slices do (see PSNR), can look like a gain there.

# %%
for world, columns in ABLATED.items():
    if rows := part("ablations", f"{world}: "):
        for column in columns:
            print(f"{world}, {results.costs(rows, 'ours', column)}")

# %% [markdown]
# ## Is the graph found?
#
# Only in the world `codes` is the true graph known. The *edge F1* compares the learned edges with
# the true ones: an edge counts as found if its probability is at least 0.5; 1 is all right, 0 is
# nothing right. Two controls stand beside it: a statistical **test of independence** per pair of
# variables, which learns nothing, and saying **every edge**. Notebook
# [94](94_graph_recovery.ipynb) goes through it slowly.

# %%
FOUND = ["edge F1", "edge AUROC", "mask F1", "causes per set node", "action accuracy"]
as_table(part("recovery"), FOUND, "recovery")

# %% tags=["nbval-ignore-output"]
cells = GRIDS["recovery"]
if rows := part("recovery"):
    panels = {}
    for setting in ("variables", "parents", "noise", "transitions"):
        curves = results.along(setting, cells, rows, "edge F1")
        if curves:
            control = {"every edge": results.every_edge(setting, cells)}
            panels[setting] = curves | control
    reproduce.show(draw.setting_curves(panels), folder, "recovery")

# %% [markdown]
# In the figure above each panel moves one setting: number of variables, most parents of a target,
# probability of noise, and transitions to learn from. The others stay, but for the training of
# large worlds, which is longer (notebook 94 says how). Where
# the blue curve falls below the orange one, a simple test would have told more than the learned
# graph. The green curve is what needs no learning at all: F1 has to be read against it, not
# against 0.

# %%
if rows := part("recovery"):
    curves = results.along("variables", cells, rows, "edge F1")
    control = results.every_edge("variables", cells)
    for value, score in curves.get("learned graph", {}).items():
        beside = results.told(curves.get("independence", {}).get(value))
        print(
            f"{value} variables: learned graph {results.told(score)}; independence {beside}; "
            f"every edge {control[value]['mean']:.3f}"
        )

# %% [markdown]
# ## Trained on skewed data
#
# In the grid `imbalance` the training data are skewed: some values are rare (*zipf*), or two
# factors go together (*correlated*), or some combinations never occur (*held-out*). *Resampled* is
# meant as a cure: rare images and pairs are drawn more often, until all values are even, or half
# the way. The test data are always balanced, so a row cannot gain by being good at what is
# frequent. All rows are the smaller model of the ablations.

# %%
SKEWED = ["action accuracy", "recovered", "target reached", "others kept"]
as_table(part("imbalance"), [*SKEWED, "PSNR"], "imbalance")

# %% tags=["nbval-ignore-output"]
if rows := part("imbalance"):
    reference = "balanced" if "balanced" in rows else ""
    title = "Trained on skewed data, tested on balanced data"
    figure = draw.dot_plot(rows, SKEWED, reference=reference, title=title)
    reproduce.show(figure, folder, "imbalance")

# %%
if rows := part("imbalance"):
    for column in SKEWED:
        print(results.costs(rows, "balanced", column))

# %% [markdown]
# If the grid was run, the figure above reads as the one of the ablations: the grey line is training
# on balanced data, an orange stem is what the skew costs, and the sentences say which costs are
# not *level*, as it was said above.
#
# The cure has a price: what is drawn often is seen again and again. With chances p of its rows, a
# sample is worth no more than 1 / sum(p^2) rows drawn evenly, its *effective size*.

# %%
for cell in GRIDS["imbalance"]:
    if cell.seed == 0 and "resample" in cell.overrides:
        recipe = recipes.get(cell.recipe, cell.world, **cell.overrides)
        drawn, chances = training_transitions(make_world(cell.world), recipe, 0)
        print(f"{cell.label}: {len(drawn)} transitions are worth {effective_size(chances):.0f}")

# %% [markdown]
# Six factors are skewed at once here, and the images with several rare values are few. Where the
# effective size has become small, the row of the table above says whether the cure was worth it.
#
# Two questions are left that balanced test data cannot answer. *Skewed*: how does a row do on test
# data that are drawn as its training data were? *Unseen*: how does it do where x or y is a
# combination that training never showed?

# %%
asked = ["action accuracy", "action accuracy, skewed", "action accuracy, unseen"]
asked += ["recovered", "recovered, unseen", "target reached", "target, unseen"]
rows = part("imbalance")
as_table({k: row for k, row in rows.items() if k != "balanced"}, asked, "imbalance")

# %% [markdown]
# Read each number beside its neighbour on balanced data. Where *skewed* is higher, the row is good
# at what is frequent, and plain accuracy on such data would have hidden it. Where *unseen* is as
# high as the rest, the model puts together what it had only seen apart.
#
# ## How many codebooks, of how many codes?
#
# In the grid `codebooks` the same smaller model has one, two or four codebooks, of 16, 32 or 64
# codes each. More of both draws better; whether it also *does* better is the question.

# %%
SIZES = ["action accuracy", "PSNR", "recovered", "target reached", "others kept"]
as_table(part("codebooks"), SIZES, "codebooks")

# %% tags=["nbval-ignore-output"]
if rows := part("codebooks"):
    drawn = [column for column in SIZES if column != "PSNR"]
    figure = draw.dot_plot(rows, drawn, title="Codebooks x codes: shapes3d, smaller model")
    reproduce.show(figure, folder, "codebooks")

# %% [markdown]
# In the figure above each row is a size: codebooks x codes in each. *Recovered*, again, does not
# reward a better decoder. *Others kept* is read off the picture by the judge, so it does: a coarse
# picture is misread.
#
# ## A new sweep beside the old one
#
# With `runs`, each mean is compared with the one that comes with the project. It may differ by
# three times the standard deviation, and by 0.01 in any case (PSNR 0.3 dB, a number of causes 5 %);
# where one seed is all that is known, by five times that. What lies outside is listed.
# That is no proof of an error: another machine adds numbers in another order. It is a reason to
# look.

# %%
shipped = tables.read_expected(results.EXPECTED) if runs else {}
for grid, table in made.items():
    if grid in shipped:
        outside = tables.differences(table, shipped[grid])
        print(f"{grid}: {len(outside)} outside what is expected")
        print("".join(f"  {line}\n" for line in outside), end="")
if not runs:
    print("no new sweep was given: nothing to compare")

# %% [markdown]
# ## What is kept
#
# Whole tables, with all numbers, as Markdown and as JSON, and the figures in full resolution.

# %%
whole = "\n".join(f"## {grid}\n\n{tables.markdown(table)}" for grid, table in made.items())
(Path(folder) / "tables.md").write_text(whole, "utf-8")
(Path(folder) / "tables.json").write_text(json.dumps(made, indent=1) + "\n", "utf-8")
print("tables.md, tables.json:", all(name in reproduce.contents(folder)
                                     for name in ("tables.md", "tables.json")))  # fmt: skip

# %% [markdown]
# ## What this does not show
#
# * Few seeds. A standard deviation of three numbers is itself known badly, and it says nothing
#   about other data.
# * The baselines are small and had one setting each. That one of them is behind is a fact about
#   this setting, not about all VAEs.
# * One rendered world and one set of sprites. Nothing here is about photographs.
# * No number is compared with a number of the paper, which prints no hyper-parameters; see
#   [PAPER_VS_CODE](PAPER_VS_CODE.md).
#
# **References.** Gendron, Witbrock, Dobbie: *Disentanglement of Latent Representations via Causal
# Interventions*, IJCAI 2023, [arXiv 2302.00869](https://arxiv.org/abs/2302.00869), the method.
# Kingma, Welling: *Auto-Encoding Variational Bayes*, ICLR 2014,
# [arXiv 1312.6114](https://arxiv.org/abs/1312.6114), the VAE. Higgins and others: *beta-VAE*,
# ICLR 2017, the stronger pull. Van den Oord, Vinyals, Kavukcuoglu: *Neural Discrete Representation
# Learning*, NeurIPS 2017, [arXiv 1711.00937](https://arxiv.org/abs/1711.00937), the VQ-VAE.
