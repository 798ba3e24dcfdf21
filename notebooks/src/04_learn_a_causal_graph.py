# %% [markdown]
# # 04 Learn a causal graph
#
# *Can the graph be found, and when not?*
#
# | | |
# | --- | --- |
# | you will do | compute one edge by hand; learn a graph whose truth is known; cut edges to see which are needed; make edges too cheap and too expensive; hold a variable of a graph that is right; find a graph unseen |
# | you will be able to | read a learned graph, score it, and say what it does *not* tell |
# | you need | [lesson 02](02_quantize_images_into_codes.ipynb): an image as a map of codes; gradients in PyTorch |
# | time | read 40 minutes, exercises 20 minutes; run under a minute on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1` trains from another start, `-p world_seed 7` draws another world; the numbers in the text are of the defaults |

# %% tags=["parameters"]
seed = 0  # of weights, batches and sampled edges
world_seed = 183  # draws the small world: its graphs and its tables
device = "auto"  # auto, cpu, cuda, mps

# %%
import numpy as np
import torch

from cvq_tutorial import (
    CausalGraph,
    CausalTransition,
    check,
    draw,
    explore,
    graph_recovery,
    load_or_train,
    pick_device,
    transition_loss,
)
from cvq_tutorial.method import edge_cost
from cvq_tutorial.worlds import CodesWorld

torch.set_num_threads(1)  # fewer differences between machines
device = pick_device(device)
world = CodesWorld(n_variables=6, n_codes=4, n_actions=4, n_targets=2, seed=world_seed)
names = [f"v{n}" for n in range(world.n_nodes)]
draw.graph_arrows(
    world.graph[0], names, set_nodes=world.targets[0], title="The true graph of action a0"
)

# %% [markdown]
# This is a world without pictures, so small that its whole truth fits into one figure. It has six
# *variables*, v0 to v5. Each holds a *code*, an integer from 0 to 3. An *action* sets some of them,
# its *targets* (yellow above), and copies all others. A target takes its new code from a fixed
# table, its *mechanism*, and the table looks at the **old** codes of a few variables: these are the
# *causes* of the target, and the target is their *effect*. Each arrow leads from a cause to its
# effect. An arc from a variable to itself says that it looks at its own old code too. Arcs, and
# cycles, are no contradiction: an arrow leads from an old code to a new one, and unrolled in time
# none comes back.
#
# In the terms of the field an action is an *intervention*, and what it sets are its *intervention
# targets*. It is a *soft* one: a target gets another mechanism, which still reads causes. A *hard*
# one cuts the target off from all its causes; do(v = k) is the special case in which nothing random
# is left.
#
# All arrows of one action are its *graph*, a matrix with **row = cause, column = effect**:
# `graph[i, j]` says "i is a cause of j". This holds in every figure and every function here. A
# *transition* is what a learner gets to see: the codes x before, the action, the codes y after. It
# never sees an arrow.

# %% tags=["nbval-check-output"]
truth = CausalGraph(world.graph[0], names, action="a0")
for target in np.flatnonzero(world.targets[0]).tolist():
    print(f"a0 sets v{target}; its causes:", [names[i] for i in sorted(truth.parents(target))])
print("true edges of all four actions:", int(world.graph.sum()), "among",
      world.n_nodes * int(world.targets.sum()), "possible ones")  # fmt: skip


def tensors(split, n, world=world):
    sample = world.sample(n, split, seed=0)
    return [torch.tensor(part).to(device) for part in (sample.x, sample.actions, sample.y)]


x, actions, y = tensors("train", 4000)
test_x, test_actions, test_y = tensors("test", 500)
is_target = torch.tensor(world.targets).to(device)[test_actions]  # (B, N)
copied = (test_x == test_y).squeeze(-1)[is_target].float().mean().item()
print(f"of 100 targets copying gets {100 * copied:.0f} right")

# %% [markdown]
# ## One edge, by hand
#
# The learner cannot try all graphs: for one target there are already 2^6 sets of causes. Instead
# every possible edge gets a number that gradient descent can move.
#
# 1. **Score.** From what i holds, and from what j is under this action, a cause vector and an
#    effect vector of 32 numbers each are made. Their inner product, over the root of 32 (as in
#    attention), plus a bias is the score.
# 2. **Probability.** The sigmoid of the score.
# 3. **Sample.** While training a coin is thrown: the edge is 1 (j may read i) or 0 (it may not).
#    After training no coin is thrown: an edge is on if its probability is above one half.
#
# What is read along the edges that are on is all that the learned *mechanism* of j hears of the old
# codes: a small network that makes of it a probability for each new code of j. Another one says how
# likely it is that the action sets j at all; [lesson 05](05_intervene_on_codes.ipynb) opens both.
#
# **Predict.** An edge came out 0, so nothing was read along it. Can the loss still tell it "you
# would have helped"?

# %%
torch.manual_seed(seed)
layer = CausalTransition(world.n_nodes, 1, world.n_codes, world.n_actions, width=32).to(device)
i, j, n = 3, 1, len(test_x)
coins = torch.rand((n, 1, 6, 6), generator=torch.Generator().manual_seed(seed)).to(device)

cause = layer.edge_cause(layer.features(test_x)[:, i])  # (B, D): what v3 holds, as a cause
effect = layer.edge_effect(layer.effect_place[j] + layer.action_vectors[test_actions])  # (B, D)
score = (cause * effect).sum(-1) / 32**0.5 + layer.edge_bias
p = torch.sigmoid(score)
hard = (coins[:, 0, i, j] < p).float()
gate = hard + p - p.detach()
slope = torch.autograd.grad(gate.sum(), score)[0]  # how the gate answers to its score

out = layer(test_x, test_actions, generator=torch.Generator().manual_seed(seed))
apart = (p - out.edges[:, i, j]).abs().max().item()
same = (hard == out.used_edges[:, i, j].round()).sum().item()
off = hard == 0
print(f"by hand and package: probabilities differ by at most {apart:.4f}")
print(f"the same coin in {same} of {n} transitions; the edge was off in {int(off.sum())} of them")
print(
    f"gradient where it was off, straight-through: {slope[off].min():.3f} to {slope[off].max():.3f}"
)
print("gradient of the coin itself:", "some" if hard.requires_grad else "none")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    by_hand_and_package_agree=apart < 1e-4 and same >= n - 2,
    it_was_off_and_had_a_gradient=bool(off.any() and (slope[off] > 0).all()),
    the_coin_has_none=not hard.requires_grad,
)

# %% [markdown]
# By hand and package agree, and the answer is yes. A coin has no gradient; so it is used on the way
# forward, and on the way back we pretend that it was the probability, `hard + p - p.detach()`: the
# **straight-through** step. This *gate* of the edge *multiplies* what would be read, so an edge that is
# off gets a gradient. (In the code published with the method it gets none from the data.) New layers
# start with nearly all edges on (the bias is 3, so p is about 0.95): first everything is read, then what
# does not pay is taken away.
#
# ## Learn all edges
#
# The loss of a transition has three parts, all in *nats*, the unit of the natural logarithm:
#
# > surprise at y + $\lambda$ times (codes set) + $\mu$ times (edges into set variables)
#
# In symbols, with $m_j$ the probability that the action sets variable $j$, $p_{ij}$ that of the edge
# from $i$ to $j$, $\lambda$ the price of a code that is set and $\mu$ **the price of an edge**:
#
# $$-\log p(y \mid x, a) \;+\; \lambda \sum_j m_j \;+\; \mu \sum_j \mathrm{sg}[m_j] \sum_i p_{ij}$$
#
# *Surprise* is the negative log-likelihood of the codes after the action; each is set or copied,
#
# $$p(y_j \mid x, a) \;=\; m_j \, \mathrm{mechanism}(y_j \mid \text{causes}, a) \;+\; (1 - m_j) \, \mathrm{copy}(y_j \mid x_j)$$
#
# The counts are expected ones, sums of probabilities. The prices make the learner thrifty: of two
# graphs that explain the data equally well, the one with fewer edges is cheaper. As in lesson 02, sg
# stops the gradient: the edge price weighs an edge by $m_j$, but does not move $m_j$. Else expensive
# edges would talk the learner out of setting anything.
#
# The next cell is the training loop, folded; skip it at first.


# %% tags=["machinery"]
def learn(x, actions, y, price, seed=seed, steps=300, look=None):
    """A transition layer trained on codes x, y (B, N, 1) and actions (B,)."""
    torch.manual_seed(seed)
    n_codes, n_actions = int(x.max()) + 1, int(actions.max()) + 1
    layer = CausalTransition(x.shape[1], 1, n_codes, n_actions, width=32).to(device)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=5e-3)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    random = torch.Generator().manual_seed(seed)
    for step in range(steps + 1):
        if look is not None:
            look(step, layer)
        pick = torch.randint(len(x), (64,), generator=random).to(device)
        out = layer(x[pick], actions[pick], generator=random)  # tosses the coins
        rise = min(1.0, step / (0.4 * steps))  # first learn, then pay
        prices = {"mask_price": 0.1 * rise, "edge_price": price * rise}
        loss = transition_loss(out, y[pick], **prices).total
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
        optimizer.step()
        slower.step()
    return layer.eval()


# %% [markdown]
# A learned graph is compared with the true one by the *edge F1*. Precision is the share of found
# edges that are true, recall the share of true edges that were found, and F1 is their harmonic
# mean: 1 if all is right, 0 if nothing is. Only columns of targets are judged: what is copied has no
# causes.
#
# Two **controls**. Saying "every edge" needs no learning. And a second learner gets the same
# transitions with all y **shuffled** among those of the same action: there is nothing to be found.
#
# The figure has two readings of each. An edge is *read* if its probability, averaged over test states, is
# at least 0.5. It is *needed* if the learner does worse, by 0.1 nats or more, when the edge is cut; the
# next section cuts.
#
# **Predict.** After 300 steps, will the learner predict the codes perfectly? Will the graph be
# perfect?
#
# The next cell trains the learner and the control, and looks at both every 25 steps. Its code is
# folded; skip it at first.

# %% tags=["machinery"]
valid = tensors("valid", 256)


def read(layer):
    """(A, N, N) probability of each edge, averaged over test states."""
    with torch.no_grad():
        x, same = test_x[:128], torch.ones_like(test_actions[:128])
        every = [layer(x, a * same) for a in range(layer.actions)]
    return np.stack([out.edges.mean(0).cpu().numpy() for out in every])


def needed(layer):
    """(A, N, N) True where cutting the edge costs its effect at least 0.1 nats."""
    layer.eval()
    x, actions, y = valid
    costs = [edge_cost(layer, x[actions == a], a, y[actions == a]) for a in range(layer.actions)]
    return (torch.stack(costs) >= 0.1).cpu().numpy()


def score_of(found):
    return graph_recovery(found, world.graph, world.targets)["edge_f1"]


def watch(step, layer):
    if step % 25 == 0:
        layer.eval()
        history.append((step, score_of(read(layer)), score_of(needed(layer))))
        layer.train()


history = []
layer = learn(x, actions, y, price=0.05, look=watch)
steps, f1_read, f1_needed = zip(*history, strict=True)

shuffled = y.clone()
for a in range(world.n_actions):
    rows = (actions == a).nonzero().flatten().cpu()
    mixed = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(a))]
    shuffled[rows.to(device)] = y[mixed.to(device)]
history = []
control = learn(x, actions, shuffled, price=0.05, look=watch)
_, f1_control_read, f1_control = zip(*history, strict=True)
every_edge = score_of(np.ones_like(world.graph, dtype=float))
turned = score_of(world.graph.transpose(0, 2, 1))
draw.recovery_curve(
    steps,
    {"read (probability of at least 0.5)": f1_read, "needed (0.1 nats or more)": f1_needed,
     "control, y shuffled: needed": f1_control, "control, y shuffled: read": f1_control_read},
    {"every edge": every_edge, "the true graph, turned round": turned},
)  # fmt: skip

# %% [markdown]
# Start with the blue curve, what is read. It begins at "every edge", since all edges are on, and climbs as the
# price rises and edges go. It ends well above that control and well below 1. The orange curve, what is needed, is
# soon close to 1. The control, black and green, ends at 0 either way: where there is no cause,
# none is reported. The lower of the two level lines is the *true* graph with all arrows turned round. It has the
# same pairs and scores next to nothing; in part by construction, as most of its arrows end in copied columns.


# %%
def right_codes(layer):
    """Share of targets whose new code is predicted right on the test transitions."""
    with torch.no_grad():
        guess = layer(test_x, test_actions).log_probs().argmax(-1)
    return (guess == test_y).squeeze(-1)[is_target].float().mean().item()


print(f"codes predicted right: {right_codes(layer):.2f}, by the control {right_codes(control):.2f}")
judged = (world.graph.transpose(0, 2, 1) & world.targets[:, None]).sum()
print(f"F1 of every edge {every_edge:.2f}, of the true graph turned round {turned:.2f}: of its "
      f"{world.graph.sum()} arrows {judged} end in a target and are judged")  # fmt: skip
print(f"F1 of what is read {f1_read[-1]:.2f}, by the control {f1_control_read[-1]:.2f}")
print(f"F1 of what is needed {f1_needed[-1]:.2f}, by the control {f1_control[-1]:.2f}")

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    codes_are_predicted=right_codes(layer) > 0.85,
    not_by_the_control=right_codes(control) < 0.6,
    turned_round_it_scores_next_to_nothing=turned < 0.3,
    what_is_read_ends_well_above_every_edge_and_below_1=every_edge + 0.1 < f1_read[-1] < 0.95,
    what_is_needed_is_close_to_1=f1_needed[-1] > 0.85,
    the_control_finds_nothing=max(f1_control[-1], f1_control_read[-1]) < 0.05,
    most_arrows_turned_round_are_not_judged=judged < world.graph.sum() / 2,
)

# %% [markdown]
# ## Read or needed?
#
# A learner can predict perfectly and read too much: a useless edge costs only its price, and at
# 0.05 nats that takes long to be felt. So let us not ask whether an edge is *there* but whether it is
# *needed*: **cut it**, and measure how much more surprised the learner is at its effect. That is an
# intervention on the learner. The data are held-out transitions of one action.
#
# **Predict.** What will cutting a true cause cost, in nats? (Guessing one of four codes costs
# ln 4 = 1.39.)

# %%
vx, va, vy = (part[valid[1] == 0] for part in valid)  # action a0 sets v1 and v3


@torch.no_grad()
def surprise(effect, cut):
    out = layer(vx, va, cut=cut)
    return -out.log_likelihood(vy)[:, effect].mean().item()


def cost_of_cutting(cause, effect):
    cut = torch.zeros(6, 6, dtype=torch.bool, device=device)
    whole = surprise(effect, cut)
    cut[cause, effect] = True  # i no longer reaches j, whatever the probability says
    return surprise(effect, cut) - whole


by_hand = np.array([[cost_of_cutting(i, j) for j in range(6)] for i in range(6)])
package = edge_cost(layer, vx, 0, vy).cpu().numpy()
true = world.graph[0]
print(f"by hand and package differ by at most {abs(by_hand - package).max():.4f} nats")
print("nats, true causes:", np.round(by_hand[true], 1), "- all others: at most",
      round(by_hand[~true].max(), 2))  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    by_hand_and_package_agree=np.allclose(by_hand, package, atol=1e-3),
    a_true_cause_costs_more_than_guessing=np.median(by_hand[true]) > np.log(4),
    any_other_edge_costs_far_less=by_hand[true].min() > 2 * by_hand[~true].max(),
)

# %%
both = np.concatenate([read(layer), needed(layer)])
twice = np.concatenate([world.graph] * 2), np.concatenate([world.targets] * 2)
titles = [f"{what}, a{a}" for what in ("read", "needed") for a in range(4)]
crosses = ((both >= 0.5) & ~twice[0] & (twice[1][:, None] > 0)).reshape(2, -1).sum(1)
print("crosses above and below:", *crosses)
picture = draw.truth_and_learned(both, *twice, titles, names=names)
picture.suptitle("Above: what is read. Below: what is needed. Row = cause, column = effect")
picture

# %% [markdown]
# First the prediction: under action a0 cutting a true cause mostly costs *more* than ln 4 (see
# above): a learner that has lost a cause is not modest but confidently wrong. Any other edge costs
# far less.
#
# In the figure right above, read over needed, each panel is the graph of one action; grey columns are
# not set by it. A blue square
# is a true edge that was found, an orange cross an edge that is read and not true, an empty square
# a true edge that was missed. (The legend counts both rows together.) Above, every edge that is read
# counts; below, only one that hurts when it is cut, and hardly a cross is left (how many is printed: a
# training this short is not the same on every machine). Keep the two questions apart:
#
# * *Does the effect read the cause?* The edge probability says so. It is an average over states: an
#   edge may be on for some codes of its cause and off for others (the last exercise of [lesson
#   04b](04b_read_the_graph_of_an_image.ipynb) shows why that pays).
# * *Does the effect need the cause?* Only cutting says so, and of one edge at a time: causes that say
#   the same can each be spared, but not all of them. `prune.prune` cuts for good whatever is
#   not needed.
#
# ## Break it on purpose: too cheap, too expensive
#
# **Predict.** What is the graph if edges cost nothing? And if each costs 5 nats?

# %%
free = learn(x, actions, y, price=0.0)
expensive = learn(x, actions, y, price=5.0)
prices = {"0": free, "0.05": layer, "5": expensive}
often = torch.stack([y[actions == a].mode(dim=0).values for a in range(world.n_actions)])
commonest = (often[test_actions] == test_y).squeeze(-1)[is_target].float().mean().item()
gets = {f"price {price}": right_codes(it) for price, it in prices.items()}
gets |= {"y shuffled": right_codes(control), "always the commonest": commonest, "copy": copied}
for name, share in gets.items():
    print(f"{name:21} {100 * share:3.0f} of 100 targets right")
picture = draw.truth_and_learned(
    [read(it)[1] for it in prices.values()], [world.graph[1]] * 3, [world.targets[1]] * 3,
    [f"price {price}" for price in prices], names=names,
)  # fmt: skip
picture.suptitle("What is read under action a1, at three prices. Row = cause, column = effect")
picture


# %%
def causes_per_target(layer):
    return (read(layer) >= 0.5).sum(1)[world.targets].mean()


def held_out(layer):
    """Surprise at a held-out transition, in nats."""
    x, actions, y = valid
    with torch.no_grad():
        return -layer(x, actions).log_likelihood(y).sum((1, 2)).mean().item()


for price, it in prices.items():
    print(f"price {price:4}  edges per target, of 6: {causes_per_target(it):.1f}   held-out surprise "
          f"{held_out(it):.2f} nats   F1, read {score_of(read(it)):.2f}, needed {score_of(needed(it)):.2f}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    free_edges_are_read=causes_per_target(free) > 4.5,
    that_says_as_much_as_every_edge=abs(score_of(read(free)) - every_edge) < 0.12,
    what_is_needed_is_found_all_the_same=score_of(needed(free)) > 0.85,
    expensive_edges_are_given_up=causes_per_target(expensive) < 0.5,
    with_them_the_codes=right_codes(expensive) < 0.6 and score_of(needed(expensive)) < 0.3,
    as_many_as_the_controls=abs(right_codes(expensive) - commonest) < 0.1,
    unseen_transitions_tell=held_out(expensive) > 1 + max(held_out(free), held_out(layer)),
)

# %% [markdown]
# In the figure of three prices, at price 0 nearly all squares are filled: "read" says nothing, though what is
# *needed* is found all the same. At price 5 hardly an edge is left and the learner has given up: it gets about as
# many targets right as the control that learned from shuffled data, or as somebody who always names the commonest
# new code. What a cut costs does not say when that happens: a learner that *relearns* without an edge can guess, so
# that no edge here is worth more than ln 4 nats. A good price lies in between. Without the truth, one finds it with
# held-out data: raise the price until the held-out surprise (printed above) starts to rise, and stop before.
#
# ## What no price can buy
#
# Two things have to be in the data. The first is the *direction*. Snapshots, states after the action without those
# before, can leave it open: if v1 becomes a copy of v0, no number of them says who copied whom. Sometimes two
# causes of one effect give it away. Pairs of before and after need no such luck: an edge leads from an old code to a
# new one, and the action adds what was set, from outside, and what stayed. The second is a *difference*: two
# variables whose codes always agree are *doubles*, and which of them is the cause? Keep them in mind for
# [lesson 04b](04b_read_the_graph_of_an_image.ipynb), where the variables are places of a picture, and all places
# of a wall have the same colour; [lesson 11b](11b_know_what_pairs_can_tell.ipynb) builds both cases.
#
# ## Explore: a graph that is right
#
# The package comes with a model of a larger world of this kind, 12 variables and 6 codes. It was
# trained longer and then pruned.
#
# **Try this.** Each square is a variable with its code, v0 to v3 in the first row, v4 to v7 in the second,
# v8 to v11 in the third; on the right, outlined, what the action sets. Click a variable that is set and look
# where its arrows come from. Then click one of its causes and hold it at another code with `do(code)`: what
# changes on the right? (What comes out different because of it is framed in dashes.) Hold a variable that
# is no cause, and compare. `let go` of it, and take away less: with the variable that is set pinned, choose one of
# its causes and press `cut edge`. Choose other actions; choose `none`.

# %% tags=["explorer"]
larger, larger_world, _ = load_or_train("codes", device=str(device))
states = torch.from_numpy(larger_world.sample(1, "test", 0).x)
explorer = explore.GraphExplorer(larger, states, "a0")
explorer

# %%
trial = explore.GraphExplorer(larger, states, "a0")  # another one: yours stays as you left it
learned, its_truth = trial.frame.graph >= 0.5, larger_world.graph[0]
learned &= larger_world.targets[0]  # edges into what is set
outcome = trial.frame.after
moved = {}  # cause -> the variables that come out differently for some code of it
for cause in range(larger.n_nodes):
    seen = set()
    for code in range(larger.n_codes):
        trial.do(cause, code)
        seen |= set((trial.frame.after != outcome)[0, :, 0].nonzero().flatten().tolist())
        trial.release(cause)
    moved[cause] = sorted(seen - {cause})
print("true edges of a0:", int(its_truth.sum()), "- learned:", int(learned.sum()),
      "- both:", int((learned & its_truth).sum()))  # fmt: skip
for cause in np.flatnonzero(its_truth.any(1)).tolist():
    print(f"v{cause} is a cause of {np.flatnonzero(its_truth[cause]).tolist()}; held at other codes "
          f"it changes {moved[cause]}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    the_graph_is_right=(learned == its_truth).all(),
    what_is_held_moves_its_effects_only=all(
        set(moved[k]) <= set(np.flatnonzero(its_truth[k]).tolist()) for k in moved
    ),
    no_error=trial.last_error is None,
)

# %% [markdown]
# What moves when a variable is held is among the true effects of that variable, and what has no effects
# moves nothing but itself. That is the best case: the variables are given, the world is exact, and there
# are transitions from every state. [Lesson 04b](04b_read_the_graph_of_an_image.ipynb) leaves it.
#
# ## Exercises
#
# **1. Warm-up \*** (3 minutes). An action sets v1 and v3. Its graph is
#
# |  | v0 | v1 | v2 | v3 |
# | --- | --- | --- | --- | --- |
# | **v0** | 0 | 0 | 0 | 1 |
# | **v1** | 0 | 1 | 0 | 0 |
# | **v2** | 0 | 1 | 0 | 1 |
# | **v3** | 0 | 1 | 0 | 1 |
#
# Name all causes of v3. You can expect two arrows into v3 in a drawing, and an arc.

# %% tags=["stub"]
causes_of_v3 = None  # your answer, such as ["v1", "v2"]

# %% tags=["solution"]
causes_of_v3 = ["v0", "v2", "v3"]  # the column of v3; v3 reads its own old code too

# %% tags=["nbval-check-output"]
check.causes_of_v3(causes_of_v3)

# %% [markdown]
# **2. Core \*\*** (5 minutes). A target is set for sure, and four edges lead to it; each is on always or never. A learner
# that relearns without the first edge loses 1.2 nats, without the second 0.04, without the third 0.3, without the
# fourth nothing, each for itself. How many of the four does a thrifty learner keep if an edge costs 0.01 nats, 0.05,
# 0.5, or 5? Expected: four integers that never rise.

# %% tags=["stub"]
kept = None  # your answer, such as [4, 4, 4, 4]

# %% tags=["solution"]
kept = [3, 2, 1, 0]  # those that are worth more than they cost

# %% tags=["nbval-check-output"]
check.edges_kept(kept)

# %% [markdown]
# **3. Stretch \*\*\*** (10 minutes). Find a graph that nobody has shown you: `unknown` is another world, of three
# actions. From the transitions `seen_...` train a learner with `learn` (the folded loop above; it takes seconds).
# With `held_...`, which it has not seen, decide which edges are needed. Answer with `found`, booleans (3, 6, 6):
# action, cause, effect. (`unknown.graph` is the truth, and the check compares with it; you can do without.)
# Expected: about three edges an action.

# %%
unknown = CodesWorld(n_variables=6, n_codes=4, n_actions=3, n_targets=2, seed=31)
seen_x, seen_a, seen_y = tensors("train", 4000, unknown)
held_x, held_a, held_y = tensors("valid", 256, unknown)

# %% tags=["stub"]
found = None  # your lines end here: booleans, of NumPy or PyTorch

# %% tags=["solution"]
new = learn(seen_x, seen_a, seen_y, price=0.05)
costs = [edge_cost(new, held_x[held_a == a], a, held_y[held_a == a]) for a in range(3)]
found = torch.stack(costs) >= 0.1  # true ones cost far more here, all others nothing

# %% tags=["nbval-check-output"]
check.found_graph(found)

# %% [markdown]
# ## Take away
#
# 1. An edge is a probability that gradient descent can move; sampled hard, taught straight-through.
# 2. *Read* is not *needed*. The probability says the first, cutting says the second.
# 3. Edges that are too cheap say nothing; edges that are too expensive destroy the mechanism.
# 4. Direction is part of the answer: turned round, the true graph scores next to nothing (in part because
#    most of its arrows then end in copied columns).
#
# **What this does not show.** The small world has no noise, and somebody told us its variables. The
# graph speaks of the mechanism only: whether a variable is set or copied may depend on its own code
# without an edge. The thresholds, 0.5 and 0.1 nats, are choices; move them and see what stays.

# %% [markdown]
# ## Three questions
#
# <details><summary>An edge has probability 0.3 in the matrix. Is the cause read weakly?</summary>
#
# The matrix does not say. It averages *probabilities* over states: the edge may be sure in 30 of 100
# states, for some codes of its cause, or have 0.3 in every state and never be on. Look at single
# states.
# </details>
#
# <details><summary>Somebody raises the price of an edge until the graph is as sparse as expected. What should
# be looked at as well?</summary>
#
# The likelihood of held-out transitions. An edge that is given up may have been needed; a sparse graph of a learner
# that guesses says nothing.
# </details>
#
# <details><summary>Two learners with F1 = 1 on what is needed read different graphs. Is one of them
# wrong?</summary>
#
# Not about the world: both need the true causes and no others. They differ in what they read without
# needing it, which costs them only the price. Raise the price, or cut what is not needed.
# </details>
#
# **References.** The method: Gendron, Witbrock, Dobbie, *Disentanglement of Latent Representations
# via Causal Interventions*, IJCAI 2023, arXiv 2302.00869 (the steps here follow it in outline and
# differ in many details). Straight-through gradients: Bengio, Léonard, Courville, arXiv 1308.3432.
# Graphs that fit the same data, and what interventions add: Peters, Janzing, Schölkopf, *Elements
# of Causal Inference*, MIT Press 2017, chapters 6 and 7. Learning a graph by gradients from
# interventions: Brouillard and others, arXiv 2007.01754.
#
# Next: [04b, read the graph of an image](04b_read_the_graph_of_an_image.ipynb), where nobody knows the
# truth.
