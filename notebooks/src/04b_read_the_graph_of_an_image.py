# %% [markdown]
# # 04b Read the graph of an image
#
# *What does a graph say where nobody knows the truth?*
#
# | | |
# | --- | --- |
# | you will do | read the graph of a picture; hold one of its places and watch the others; take the likelihood of a code apart; cut edges that are off, one cause, and all causes; compare with random cuts of the same size |
# | you will be able to | say what an arrow between two places of a picture means, and what it does not |
# | you need | [lesson 04](04_learn_a_causal_graph.ipynb): edges, prices, cutting, doubles; [lesson 03](03_use_several_codebooks.ipynb): four codes at a place |
# | time | read 30 minutes, exercises 30 minutes; run under half a minute on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1` draws other pictures; the numbers in the text are of the defaults |

# %% tags=["parameters"]
seed = 0  # draws the pictures
device = "auto"  # auto, cpu, cuda, mps

# %%
import json

import numpy as np
import torch

from cvq_tutorial import (
    CausalGraph,
    check,
    draw,
    explore,
    load_or_train,
    sample_transitions,
    to_float,
)
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.method import edge_cost

model, room, _ = load_or_train("shapes3d", device=device)
action = "wall_hue+"
drawn = sample_transitions(room.factors, 1200, "test", seed)
rows = np.flatnonzero(drawn.actions == model.action_names.index(action))[:32]
pictures, pictures_after = (to_float(room.render(v[rows])) for v in (drawn.x, drawn.y))
before, after = model.encode(pictures), model.encode(pictures_after)  # (32, 64, 4)
draw.image_rows(
    {"x": pictures, f"y, after {action}": pictures_after}, 6, "Pairs of one action", compare=False
)

# %% [markdown]
# ## The graph over the codes of an image
#
# The checkpoint that comes with this package has learned an autoencoder on pictures of a room, with
# four codes for each of the 8 by 8 places, as in lessons 02 and 03. A *node* of the graph is a place;
# r2c0 is the place in row 2 and column 0, and its number is 8 times the row plus the column. The
# twelve actions raise or lower a factor, such as `wall_hue+`; six pairs of that one are above. Nobody
# knows the true graph here, there may be none: the codes were learned too.
#
# **Predict.** To give one place of the wall its new colour, how many of the 64 nodes will be read?

# %%
graph = CausalGraph.of(model, before[:1], action)
set_here = graph.set_nodes
many = graph.present[:, set_here].sum(0)
print(
    f"a node that is set reads {many.mean():.1f} of 64 nodes on average, {many.min()} to {many.max()}"
)
draw.graph_matrix(graph, title=f"What one picture's places read under {action}")

# %% [markdown]
# How to read it: rows and columns are the 64 places, row by row. The amber strips say how surely the action sets
# a node: the upper half of the picture, which is the wall. Columns of other nodes are hatched: they are copied,
# so their edges are never used. Now go down one open column: its blue cells (probability 0.5 or more) are the
# causes of that node, a few of 64; grey cells are below one half and do not count. Then go across: **two rows are
# blue nearly all the way**, r0c7 (just above the mark r1c0) and r2c0. These two places are read by almost every
# place of the wall. That is no discovery about walls. Any wall place knows the colour, they are doubles, and the
# price of edges made the learner agree on a few.
#
# ## Explore: the graph on the picture
#
# **Try this.** Click a node on the wall and look where its arrows come from. Click the place in the upper right
# corner (r0c7, node 7): now the arrows go out. Hold it at another code with `do(code)` and watch the wall on the
# right: what comes out different because of it is framed in dashes. (Outlined is what the action sets; the paler
# a place, the less likely it is set.) Now `let go`, pin one of those and cut off that one cause: choose it and
# press `cut edge`. Then hold a node of the floor. With `beside` a third picture comes: another action, or another
# x (`another x` goes there), and `as beside` holds the pinned node at the codes that it has there. Raise
# `threshold` to 0.95; choose `object_hue+`; choose `none`: no action, no edges. Have you trained a model from
# another seed? `explore.GraphExplorer(model, pictures, action, other=yours)` puts its graph beside this one.

# %% tags=["explorer"]
explorer = explore.GraphExplorer(model, pictures, action)
explorer

# %%
trial = explore.GraphExplorer(model, pictures, action)  # yours stays as you left it
before_hold = trial.frame.after
effects = (trial.frame.graph >= 0.5) & (trial.frame.mask >= 0.5)  # edges into set nodes
hub, floor = int(effects.sum(1).argmax()), 60  # the most read node, and one in the lowest row


def changed_elsewhere(node):
    """Hold the node at the codes of another picture; how many other nodes come out differently?"""
    for codebook, code in enumerate(before[1, node].tolist()):
        trial.do(node, code, codebook)
    differs = (trial.frame.after != before_hold).any(-1)[0]
    differs[node] = False
    trial.release(node)
    return int(differs.sum())


moved = {node: changed_elsewhere(node) for node in (hub, floor)}
for text, node in (("the most read node", hub), ("a node of the floor", floor)):
    print(f"{text}, r{node // 8}c{node % 8}: {int(effects[node].sum())} effects; held at the codes of "
          f"another picture, it changes {moved[node]} other nodes")  # fmt: skip
trial.action = "none"
print("edges without an action:", int((trial.frame.graph > 0).sum()))

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    most_places_read_the_hub=effects[hub].sum() > 20 and moved[hub] > 10,
    the_hub_is_r0c7=hub == 7,
    the_floor_has_no_effects=effects[floor].sum() == 0 and moved[floor] == 0,
    without_an_action_no_edges=not (trial.frame.graph > 0).any(),
    no_error=trial.last_error is None,
)

# %% [markdown]
# The picture above has, on the left, the causes of one wall place as arrows; on the right, outlined,
# what the action sets. Held at the codes of another picture, the most read node changes many of those
# that read it; a place of the floor changes nothing but itself. So the arrows are
# real in one sense: **the graph is what the model reads**.
#
# ## Set, or copied?
#
# In the matrix the hatched columns were copied. Who decides that? Nobody, for good: the *effects mask*
# $m$ is a probability, and the likelihood of a new code weighs both stories,
#
# $$p(y \mid x, a) \;=\; (1 - m)\, \mathrm{copy}(y \mid x) \;+\; m \, \mathrm{mechanism}(y \mid \text{causes}, a)$$
#
# *Copy* gives the old code nearly all probability; the *mechanism* gives each code some. The choice is
# not sampled but **marginalised**: summed out, exactly. (A coin would give the loss noise, and no
# gradient to the side on which it did not fall.)
#
# **Predict.** A place of the wall, a place of the floor. For each: what is m, and what do copy and
# mechanism give the code that truly came?

# %%
out = model.distribution(before, model.check_actions(action, len(before)))


def of_truth(log_probs):
    """Probability of the codes that truly came, (B, N, C)."""
    return log_probs.gather(-1, after[..., None]).squeeze(-1).exp()


stories = {"copy": of_truth(out.log_copy), "mechanism": of_truth(out.log_mechanism)}
mixed = (1 - out.mask) * stories["copy"] + out.mask * stories["mechanism"]
for text, node in (("wall, r1c4", 12), ("floor, r7c4", 60)):
    parts = ", ".join(f"{name} {p[0, node, 0]:.4f}" for name, p in stories.items())
    print(f"{text}: m {out.mask[0, node, 0]:.4f}; to the true code give {parts}, "
          f"together {mixed[0, node, 0]:.4f}")  # fmt: skip
apart = (mixed.log() - out.log_likelihood(after)).abs().max().item()
print(f"by hand and package: log-likelihoods differ by at most {apart:.4f} nats")
nats = -mixed.log().sum((1, 2)).mean()
all_set = -stories["mechanism"].log().sum((1, 2)).mean()
print(f"surprise per picture, of 256 codes: {nats:.0f} nats; if every code were predicted: "
      f"{all_set:.0f} nats")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    by_hand_and_package_agree=apart < 1e-2,
    the_wall_is_set=bool(out.mask[0, 12].max() > 0.9),
    the_floor_is_copied=bool(out.mask[0, 60].max() < 0.1),
    to_predict_every_code_costs_more=bool(all_set > 1.5 * nats),
)

# %% [markdown]
# On the wall the mask is near 1 and the mechanism speaks; on the floor it is near 0 and the copy does.
# Where the mask is off, nothing has to be predicted at all, and nothing can go wrong: a model that
# predicted all 256 codes anew would be much more surprised, by codes that never changed. The graph is
# about the mechanism only: an edge into a place that is copied is never read.
#
# ## What are the edges worth?
#
# Three cuts, on 32 pictures, show how far the arrows can be trusted.
#
# **Predict.** We cut (a) every edge that is off, (b) one cause of a node, (c) all its causes. What
# does each cost?

# %%
which = model.check_actions(action, len(before))


def nats_per_node(cut):
    out = model.distribution(before, which, cut=cut)
    return -out.log_likelihood(after).sum(-1)  # (B, N)


on, sets = out.edges > 0.5, out.mask.amax(-1) > 0.5  # (B, N, N), (B, N)
causes = on.sum(1)[sets].float().mean().item()
wall = (before != after).any(-1).float().mean(0) > 0.5  # places that truly change
on_wall = (on & wall[None, :, None] & sets[:, None]).sum() / (on & sets[:, None]).sum()
whole = nats_per_node(None)
lost_off = (nats_per_node(~on) - whole).abs().max().item()
lost_all = (nats_per_node(torch.ones_like(on)) - whole)[sets].mean().item()
one = edge_cost(model.transition, before, model.action_names.index(action), after)
mostly = on.float().mean(0)[:, sets.float().mean(0) > 0.5] > 0.5  # edges of most pictures
lost_one = one[:, sets.float().mean(0) > 0.5][mostly].median().item()
print(f"a set node has {causes:.1f} causes of 64")
print(f"on the wall lie {on_wall:.0%} of the causes and {wall.float().mean():.0%} of all places")
print(f"(a) cutting all edges that are off costs {lost_off:.0f} nats")
print(f"(b) cutting one cause, the median: {lost_one:.2f} nats")
print(f"(c) cutting all causes: {lost_all:.0f} nats")
guessing = 4 * np.log(model.n_codes) - whole[sets].mean().item()
print(f"to guess instead, four codes, each among {model.n_codes}: {guessing:.0f} nats more")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    a_set_node_has_few_causes=4 < causes < 12,
    they_lie_on_the_wall=bool(on_wall > 0.75 and wall.float().mean() < 0.6),
    an_edge_that_is_off_carries_nothing=lost_off == 0,
    one_cause_can_be_spared=lost_one < 1,
    all_of_them_cannot=lost_all > 10,
    without_them_it_is_worse_than_a_guess=lost_all > guessing,
)

# %% [markdown]
# (a) is exactly 0: an edge that is off carries nothing. (The other half, that a node without causes hears nothing
# at all, is tested in lesson 05.) (c) is large, more than somebody pays who guesses evenly: as in lesson 04, a
# node that has lost its causes is not modest but confidently wrong. (b) is small, and that is the doubles again:
# each single witness of the colour can be spared as long as the others speak. A single edge on an image therefore
# means little; a *set* of causes, and where it lies, means more. It lies on the wall (the places that change in
# most of the 32 pictures) far more often than places picked at random would.
#
# ## Break it on purpose: how many witnesses are enough?
#
# If each witness can be spared, can half of them? We cut a growing share of each node's causes, chosen
# at random. The control cuts as many edges that are *off*.
#
# **Predict.** How many of its causes must a node keep? Draw the curve before you look.

# %%
order = torch.rand(on.shape, generator=torch.Generator().manual_seed(seed)).to(on.device)
shares, costs, control = (0.0, 0.25, 0.5, 0.75, 1.0), [], []
for share in shares:
    asked = (on.sum(1, keepdim=True) * share).round()  # edges to cut, per effect
    for edges, told in ((on, costs), (~on, control)):
        rank = order.masked_fill(~edges, 2.0).argsort(1).argsort(1)  # the chosen kind comes first
        told.append((nats_per_node(edges & (rank < asked)) - whole)[sets].mean().item())
for share, cost, nothing in zip(shares, costs, control, strict=True):
    print(f"{share:4.0%} of the causes cut: {cost:5.1f} nats   as many that are off: {nothing:.1f}")
draw.cutting_curve(
    shares,
    {"causes, at random": costs, "control: as many that are off": control},
    {"to guess the four codes": guessing},
)

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    it_costs_more_and_more=sorted(costs) == costs,
    the_last_ones_cost_most=costs[4] - costs[3] > costs[2] - costs[1],
    the_control_costs_nothing=max(map(abs, control)) < 1e-6,
)

# %% [markdown]
# In the figure above, the first quarter costs little and the last one most: as long as some witnesses are left,
# they speak for those that are gone. So there is no number that is enough: every quarter costs something. That is
# what **redundant** causes look like, and it is why a cut of one edge at a time (what `edge_cost` measures, and
# what pruning goes by) has to be followed by a cut of all that seem useless *together*. The control costs
# nothing: what is off was never read.
#
# ## What the data do decide
#
# Which witness is read is a choice of the start. What each of them *tells* is not. So ask another question: let causes through
# at random, write down how surprised an effect is, and see by how many nats a cause lowers that surprise **on average
# over what else is known** (`told_by`; the idea is that of a Shapley value). It takes a model that is used to
# missing causes. Three were trained beforehand, each from a start of its own and with an autoencoder of its own; causes were
# taken away at random, and edges were free.
#
# **Predict.** Of the edges that tell at least 0.3 nats, which share do all three models have? Drawn at random it would be
# about one in a hundred.

# %% tags=["nbval-check-output"]
told = json.loads((PROJECT_ROOT / "figures" / "told.json").read_text("utf-8"))
priced = json.loads((PROJECT_ROOT / "figures" / "actions.json").read_text("utf-8"))["over_seeds"]
for name in (action, "object_hue+", "shape+"):
    gates, line = priced["actions"][name], told["actions"][name]
    tells, ceiling = line["starts"]["told"]["0.3"], line["again"]["told"]["0.3"]
    print(f"{name}: of the gates of three trainings with a price all share {gates['shared']:.2f} (at random "
          f"{gates['chance']:.2f})")  # fmt: skip
    print(f"  of what tells 0.3 nats {tells['shared']:.2f} (at random {tells['chance']:.2f}; ceiling, one model read "
          f"three times, {ceiling['shared']:.2f}), {tells['edges'] / line['nodes']:.1f} causes to a node")  # fmt: skip
    print(f"  between regions of 2 by 2 places {line['starts']['regions_shared']:.2f} "
          f"(ceiling {line['again']['regions_shared']:.2f})")  # fmt: skip

# %% [markdown]
# Three models that share no weight and no code book agree on most of what tells, and on more of it where neighbours are taken
# together: a graph of *what tells* between *regions* is nearly a property of the data. It is still not all of it: what one
# place tells hangs on which codes an autoencoder gave it. All actions: `figures/told.md`; for a run of your own, trained
# with `cause_dropout`, `cvq graph RUN --action ... --told 0.3`.
#
# ## Exercises
#
# **1. Warm-up \*** (3 minutes). In this picture's graph, node 35 is on the object. In which row and column
# of the 8 by 8 places is it? Answer with the list [row, column], both counted from 0.

# %% tags=["stub"]
place_of_node_35 = None  # your answer, such as [0, 0]

# %% tags=["solution"]
place_of_node_35 = [35 // 8, 35 % 8]

# %% tags=["nbval-check-output"]
check.place_of_a_node(place_of_node_35)

# %% [markdown]
# **2. Core \*\*, the heart of the method** (12 minutes). Write `log_likelihood(mask_logit, log_copy,
# log_mechanism, y)`: the log of the mixture above, for every code. `mask_logit` (B, N, C) are the log-odds
# of m, `log_copy` and `log_mechanism` (B, N, C, K) are log-probabilities, `y` (B, N, C) the new codes. The
# result is (B, N, C). The check compares it with the package on random input; some of it is so sure that
# a probability is 0 in floating point, and its logarithm minus infinity: `torch.nn.functional.logsigmoid`
# and `torch.logaddexp` stay finite. Expected: `log_likelihood(out.mask_logit, out.log_copy,
# out.log_mechanism, after)` is `mixed.log()`.


# %% tags=["stub"]
def log_likelihood(mask_logit, log_copy, log_mechanism, y):
    return None  # your lines


# %% tags=["solution"]
def log_likelihood(mask_logit, log_copy, log_mechanism, y):
    logsigmoid = torch.nn.functional.logsigmoid
    copy = log_copy.gather(-1, y[..., None]).squeeze(-1)
    mechanism = log_mechanism.gather(-1, y[..., None]).squeeze(-1)
    return torch.logaddexp(logsigmoid(-mask_logit) + copy, logsigmoid(mask_logit) + mechanism)


# %% tags=["nbval-check-output"]
check.marginal_likelihood(log_likelihood)

# %% [markdown]
# **3. Stretch \*\*\*** (15 minutes). A target's new code is a copy of its cause's old code, one of
# four, all equally likely. Without the edge the learner is surprised by ln 4 nats, with it by 0.
# (i) Up to which price does an edge pay that is **always on**? (ii) An edge may also depend on the
# code of its cause. Let it be on for *one* code and **silent** for the other three; silence tells
# that it was one of these three. How much surprise does that save, how often is it paid for, and up
# to which price does it pay? Expected: (ii) is the higher one.

# %% tags=["stub"]
prices_that_pay = None  # your answer in nats, such as [0.5, 0.7]

# %% tags=["solution"]
always = np.log(4)
silent = (np.log(4) - 3 / 4 * np.log(3)) / (1 / 4)  # what is saved, over how often it is paid
prices_that_pay = [always, silent]

# %% tags=["nbval-check-output"]
check.prices_that_pay(prices_that_pay)

# %% [markdown]
# ## Take away
#
# 1. A code is set or copied, with a probability; the likelihood sums the two stories up, and nothing is
#    sampled.
# 2. The graph is what the model reads to say what a set code becomes. What is off carries nothing.
# 3. On a picture causes are redundant: one can be spared, all cannot. Trust sets of causes, not single
#    arrows.
# 4. Which of several doubles is read is a choice of the training; what each tells on average is so much less.
#
# **What this does not show.** On the image the variables were learned, no truth is known, and the
# checkpoint is one start of one learner. The graph speaks of the mechanism only: whether a node is set
# or copied may depend on its own code without an edge.

# %% [markdown]
# ## Three questions
#
# <details><summary>A wall place reads r0c7 and not its neighbour. Has the model found out that r0c7 is
# the cause?</summary>
#
# No. The two are doubles as far as the colour goes, so the data have no say. It has found *a* graph
# that predicts. To part them one would need pictures in which one of the places has another colour.
# </details>
#
# <details><summary>A place of the floor has arrows going in, all of probability near 1. Does the floor
# listen to them under <code>wall_hue+</code>?</summary>
#
# No. It is copied, so its mechanism is not asked, and edges into it are never read. Columns like this
# are hatched in the matrix for that reason.
# </details>
#
# <details><summary>On images there is no true graph. How would you choose the price?</summary>
#
# Not by F1. Take unseen transitions: raise the price as long as their likelihood does not fall.
# Then cut what can be cut together without harm (`prune.prune`), and look which edges survive other
# seeds (`graphs.stability`).
# </details>
#
# **References.** The method: Gendron, Witbrock, Dobbie, *Disentanglement of Latent Representations
# via Causal Interventions*, IJCAI 2023, arXiv 2302.00869; the marginalised mask is a choice of this
# package, where the published code samples it (`PAPER_VS_CODE.md` in the folder `reproduce`).
#
# Next: [05, intervene on codes](05_intervene_on_codes.ipynb), where the action is done and a judge
# says whether it worked.
