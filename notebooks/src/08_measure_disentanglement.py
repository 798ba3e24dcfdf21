# %% [markdown]
# # 08 Measure disentanglement
#
# *There are many scores for "one latent, one factor". Do they agree with what we see?*
#
# | | |
# | --- | --- |
# | you will do | measure how much each code and each latent knows about each factor, take one score apart by hand, compare nine scores on codes and on two kinds of VAE, and fall into three traps on purpose |
# | you will be able to | read a score beside its control, and say what it measures and what it does not |
# | you need | [lesson 05](05_intervene_on_codes.ipynb): the judge, target reached, others kept |
# | time | read 35 minutes, exercises 20 minutes; run half a minute on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1 -p images 4000` draws other and more images; numbers in the text are of the defaults |

# %% tags=["parameters"]
seed = 0  # draws the images
images = 1500  # how many of them
device = "auto"  # auto, cpu, cuda, mps

# %%
import numpy as np
import torch

from cvq_tutorial import check, draw, explore, load_or_train, sample_values, to_float
from cvq_tutorial.lessons import load_or_train_vae
from cvq_tutorial.measure.disentanglement import code_columns
from cvq_tutorial.measure.disentanglement import scores as disentangle

model, world, _ = load_or_train(device=device)
vae = load_or_train_vae(world, beta=1.0, device=device)
beta_vae = load_or_train_vae(world, beta=4.0, device=device)
space, names = world.factors, world.factors.names

factors = sample_values(space, images, "test", seed)  # (B, F), the truth
seen = to_float(world.render(factors)).to(model.device)
codes = code_columns(model.encode(seen).cpu())  # (B, L) integers
with torch.no_grad():
    latents = {
        "VAE": vae.encode(seen).cpu().numpy(),
        "beta-VAE": beta_vae.encode(seen).cpu().numpy(),
    }

# %% [markdown]
# Three *representations* of the same images. The codes: 256 integers, four at each of 64 places. A
# **VAE** (variational autoencoder) turns an image into one vector of 10 numbers, called *latents*, and
# is trained to keep each close to a standard normal distribution. A **beta-VAE** does so with more
# force (here four times), which is said to make the latents independent of each other. The autoencoders
# of all three were trained on the same images for the same number of steps.
#
# A representation is called *disentangled* if each factor has a part of its own. There are many ways to
# make this a number.
#
# ## Look first
#
# **Predict.** We take one image and turn one latent of the beta-VAE from low to high. Will one factor
# change?


# %%
def turned(of, image, latent, steps=7):
    """Images of one latent moved from -2 to 2 standard deviations, the others kept."""
    with torch.no_grad():
        z = of.encode(image).repeat(steps, 1)
        everyone = of.encode(seen)
        spread = everyone[:, latent].std()
        z[:, latent] = everyone[:, latent].mean() + torch.linspace(-2, 2, steps).to(z) * spread
        return of.decode(z).cpu()


table = latents["beta-VAE"]
busy = np.argsort(-table.std(0))[:4]  # the latents that move most
rows = torch.stack([turned(beta_vae, seen[:1], int(k)) for k in busy])
draw.traversals(rows, [f"latent {k}" for k in busy], "beta-VAE: one latent at a time, -2 to 2 sd")

# %% [markdown]
# In the figure above, each row is one latent, from low (left) to high (right), all other latents kept. No
# row changes one thing only. The upper two come nearest: in the first mostly the floor changes, in the
# second mostly the object, its colour and its size at once. In the others the walls change together with
# the floor or the object. And turning a latent steadily walks through several colours.
#
# The codes have no knob to turn. They have actions:

# %%
start = np.array([[3, 5, 5, 4, 1, 7]])
shown = []
for name in ("floor_hue+", "wall_hue+", "object_hue+", "scale+"):
    now = model.encode(to_float(world.render(start)))
    row = [model.decode(now)]
    for _ in range(3):
        done = model.intervene(now, name)
        now = done.codes
        row.append(done.images)
    shown.append(torch.cat(row).cpu())
draw.traversals(
    torch.stack(shown),
    ["floor_hue+", "wall_hue+", "object_hue+", "scale+"],
    "codes: the same action, none to three times",
)

# %% [markdown]
# From left to right the same action done none, one, two, three times. One thing changes in each row. That
# is no fair race: the transition behind these actions was told which action lay between two images, and
# the VAEs were told nothing. So this figure shows what actions can do, and not yet what codes are worth. That
# is what the scores are for: they look at codes and latents only, and see no action.
#
# ## How much does a latent know about a factor?
#
# *Mutual information* counts, in nats, how much knowing one thing tells about another: nothing if they
# are independent, and if one determines the other, all that there is to know about it. That much is its
# *entropy* (for ten values that are equally frequent: ln 10 = 2.3 nats).
#
# $$I(Z; V) = \sum_{z, v} p(z, v) \log \frac{p(z, v)}{p(z)\, p(v)}, \qquad
# H(V) = -\sum_v p(v) \log p(v)$$
#
# **By hand**, for codes, where nothing has to be estimated: count how often each code meets each value.


# %% tags=["nbval-check-output"]
def information(code, value):
    """Mutual information of two integer columns, in nats."""
    joint = np.zeros((code.max() + 1, value.max() + 1))
    np.add.at(joint, (code, value), 1 / len(code))
    alone = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return (joint[there] * np.log(joint[there] / alone[there])).sum()


package = disentangle.mutual_information(codes.codes, factors)  # (L, F)
few = range(0, codes.codes.shape[1], 16)
by_hand = np.array([[information(codes.codes[:, k], v) for v in factors.T] for k in few])
apart = abs(by_hand - package[list(few)]).max()
print(f"factors: {package.shape[1]}; by hand and package differ by at most {apart:.4f} nats")

# %%
share = disentangle.mutual_information(codes.codes, factors, normalised=True)
draw.information_maps(codes.on_map(share), model.grid, names)

# %% [markdown]
# Each panel is one factor. It shows, on the 8 x 8 places of the image, how much the best of the four codes
# of a place knows about that factor: 1 would be everything. The floor's hue is written below, the wall's
# above, the object's in the middle, and the turn of the camera where walls meet each other and the
# floor. **Each hue has places of its own, and it is written in many codes at once.** Scale and shape have
# no places of their own: they share those of the object, and no code knows much more than half of
# either. Nobody asked for any of that; an encoder that looks at small patches makes it so. The control:
# if the factors are given to other images (*permuted*), so that there is nothing to know, the shares are
# still not quite 0, because 1500 images are few for 64 codes and 15 values. How large they are is
# printed below the next figure.

# %%
draw.mutual_information(
    disentangle.mutual_information(latents["beta-VAE"], factors, normalised=True), names
)

# %% [markdown]
# The same for the ten latents of the beta-VAE: row = latent, column = factor. A disentangled
# representation would have one dark cell in each column, and no row with two. The framed cells, the
# best latent of each factor, say that floor, object and camera have a latent each, which knows about a half
# of it or less; the wall is spread over two; scale and shape share one that knows little of either. Cells
# of 0.04 or less are what permuted factors give, too: nothing.

# %%
floor = codes.on_map(share)[:, :, names.index("floor_hue")].mean(1).reshape(model.grid)
wall = codes.on_map(share)[:, :, names.index("wall_hue")].mean(1).reshape(model.grid)
elsewhere = factors[np.random.default_rng(seed).permutation(images)]  # the control
nothing = disentangle.mutual_information(codes.codes, elsewhere, normalised=True)
nothing_in_latents = disentangle.mutual_information(latents["beta-VAE"], elsewhere, normalised=True)
print(f"mean share of what codes know, floor: {floor[6:].mean():.2f} in the two lowest rows, "
      f"{floor[:2].mean():.2f} in the two highest")  # fmt: skip
print(f"mean share of what codes know, wall: {wall[6:].mean():.2f} in the two lowest rows, "
      f"{wall[:2].mean():.2f} in the two highest")  # fmt: skip
knowing = int((share[:, names.index("floor_hue")] > 0.8).sum())
print(f"codes that know more than 0.8 of the floor's hue: {knowing} of {len(share)}")
print(f"permuted: codes {nothing.mean():.2f} on average, {nothing.max():.2f} at most; latents "
      f"{nothing_in_latents.max():.2f} at most")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    by_hand_and_package_agree=apart < 1e-6,
    the_floor_is_written_in_some_eighty_codes=75 <= knowing <= 95,
    the_floor_is_written_below=bool(floor[6:].mean() > 3 * floor[:2].mean()),
    the_wall_is_written_above=bool(wall[:2].mean() > 3 * wall[6:].mean()),
    permuted_codes_know_little=bool(nothing.max() < 0.2 and nothing.mean() < 0.1),
    permuted_latents_know_nothing=bool(nothing_in_latents.max() < 0.06),
)

# %% [markdown]
# ## One score, by hand
#
# The **mutual information gap** (MIG) asks one question: is each factor written in *one latent only*? For
# factor f it takes the latent that knows most and the one that knows second most:
#
# $$\text{gap}_f = \frac{I(z_{(1)}; f) - I(z_{(2)}; f)}{H(f)}, \qquad
# \text{MIG} = \text{mean of } \text{gap}_f \text{ over } f$$
#
# **Predict.** A small case without any noise: two factors and three latents. z0 is a copy of the first
# factor. z1 *and* z2 are both copies of the second. What are the two gaps?

# %% tags=["nbval-check-output"]
two = np.random.default_rng(seed).integers(0, 4, (4000, 2))
copies = two[:, [0, 1, 1]]  # z0, z1, z2
knows = disentangle.mutual_information(
    copies, two, normalised=True
)  # (3, 2), shares of the entropy
second, best = np.sort(knows, axis=0)[-2:]
cases = [f"{what}: gap {g:.0f}" for what, g in zip(("once", "twice"), best - second, strict=True)]
for case, b, n in zip(cases, best, second, strict=True):
    print(f"written {case} (the best latent knows {b:.2f} of the factor, the second {n:.2f})")
print(f"MIG by hand {(best - second).mean():.2f}, by the package "
      f"{disentangle.mig(copies, two, seed=seed).value:.2f}")  # fmt: skip
draw.mutual_information(knows, cases, title="Written once, written twice")

# %% [markdown]
# Left, a gap of 1: one dark cell in the column, the rest is empty. Right, a gap of 0: two dark cells, and
# the best latent has no lead. Both factors are known *completely*, and both latents of the second are clean
# copies. So a gap of 0 may mean "nobody knows" or "two know it all". Keep the picture in mind: a factor of our
# codes is written in many places at once.

# %% [markdown]
# ## Nine scores, each beside its control
#
# * **MIG**, the gap from above.
# * **SAP** (separated attribute predictability): the same with how well a latent predicts.
# * **FactorVAE**: one factor is held fixed; can one tell which, from the latent that varies least?
# * **DCI**: trees predict the factors; does each latent serve one factor (*disentanglement*), each
#   factor need one latent (*completeness*), and how good is the prediction (*informativeness*)?
# * **InfoMEC**: the same three questions (*modularity, compactness, explicitness*), asked with mutual
#   information and a linear predictor.
#
# The control is each score after the factors were permuted over the images: what it says when there is
# nothing to know.
#
# **Predict.** Remember the maps: each hue has places of its own, and is written in many codes at once. Which
# scores will put the codes before the VAEs, and which behind them?

# %%
scores = {"codes": disentangle.all_scores(codes.codes, factors, seed=seed)}
for name, table in latents.items():
    scores[name] = disentangle.all_scores(table, factors, seed=seed)
for which in ("floor_hue", "scale"):
    column = names.index(which)
    for who, table in {"codes": codes.codes, **latents}.items():
        known = disentangle.mutual_information(table, factors, normalised=True)[:, column]
        second, best = np.sort(known)[-2:]
        print(f"{which:9} in {who:8} best {best:.2f}, second {second:.2f}, gap {best - second:.2f}")
draw.score_bars(scores)

# %% [markdown]
# One panel per representation, one bar per score, with its value in blue; the orange line is the control,
# its value in orange, and what lies to its left is worth nothing. The star repeats that 1500 images are
# few for codes: trust the controls, not the second digit. Compare the panels row by row.


# %%
def value(who, score):
    return scores[who][score].value


asked = ("FactorVAE", "DCI disentanglement", "DCI completeness", "MIG", "SAP", "InfoMEC compactness",
         "DCI informativeness", "InfoMEC modularity")  # fmt: skip
print(f"{'score (its control)':22}", "".join(f"{who:>14}" for who in scores))
for score in asked:
    pairs_of = [f"{s[score].value:.2f} ({s[score].permuted:.2f})" for s in scores.values()]
    print(f"{score:22}", "".join(f"{text:>14}" for text in pairs_of))

# %% tags=["nbval-check-output", "gate"]
one_factor_only = ("FactorVAE", "DCI disentanglement", "DCI completeness")
above = {who: s["InfoMEC modularity"].value - s["InfoMEC modularity"].permuted
         for who, s in scores.items()}  # fmt: skip
check.as_told(
    codes_are_ahead_in_these=all(
        value("codes", s) > max(value(n, s) for n in latents) for s in one_factor_only
    ),
    and_have_hardly_a_gap=max(value("codes", s) for s in ("MIG", "SAP", "InfoMEC compactness"))
    < 0.1,
    they_hold_the_most=value("codes", "DCI informativeness") > 0.8,
    permuted_nothing_is_held=max(s["DCI informativeness"].permuted for s in scores.values()) < 0.35,
    modularity_of_codes_is_above_its_control=above["codes"] > 0.3,
    that_of_the_vaes_is_not=max(above[n] for n in latents) <= 0.3,
)

# %% [markdown]
# They disagree, and one can see why. **DCI disentanglement, FactorVAE and modularity** ask whether a code
# knows about *one factor only*: codes do, because they sit at one place. **MIG, SAP and compactness** ask
# whether a factor is in *one latent only*: the floor's hue is written in some eighty codes, the best
# of which knows hardly more than the second, so the gap is nearly nothing. DCI completeness asks the same
# and answers otherwise: it looks at what the trees *use*, and of eighty copies they need only some.
# **Informativeness and explicitness** ask how much is there at all; the codes hold the most. They also
# have the most room: 256 codes against 10 latents.
#
# Now look at modularity without the orange numbers: codes and beta-VAE seem equal. With them, the codes
# are far above their control, while the beta-VAE is at it and the VAE even below: a latent that knows
# next to nothing about any factor still knows by chance most about *one*, and is called modular.
#
# None of these scores is wrong. They measure different things under one name. And none of them measures
# what the figure of the actions showed: that an *action* changes one factor. For that one has to act, and ask a
# judge ([lesson 05](05_intervene_on_codes.ipynb)).

# %% [markdown]
# ## Explore: where is a factor written?
#
# **Try this.** Move one slider by one step and look which codes change (framed). Then another. Find a
# factor whose codes overlap with those of another one. Compare with the maps above.

# %% tags=["explorer"]
explorer = explore.FactorExplorer(world, model)
explorer.values = (3, 5, 5, 4, 1, 7)
explorer.values = (3, 6, 5, 4, 1, 7)
explorer

# %%
trial = explore.FactorExplorer(world, model)  # another one: yours stays as you left it
touched = {}
for factor, name in enumerate(names):
    trial.values = (3, 5, 5, 4, 1, 7)
    before = trial.codes
    trial.values = tuple(v + (f == factor) for f, v in enumerate((3, 5, 5, 4, 1, 7)))
    touched[name] = set((trial.codes != before)[0].any(1).nonzero().flatten().tolist())
print("places that change, of 64:", {name: len(places) for name, places in touched.items()})
both = touched["floor_hue"] & touched["wall_hue"]
print("places where floor and wall both change something:", len(both))

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    floor_and_wall_share_few_places=len(both) <= 12,
    the_wall_changes_more_than_the_object=len(touched["wall_hue"]) > len(touched["object_hue"]),
    no_error=trial.last_error is None,
)

# %% [markdown]
# ## Break it on purpose: three traps
#
# **Trap 1: too few images.** 50 images, each with five codes that are drawn at random from 40. They know
# nothing.
#
# **Predict.** What is its mutual information with a factor of ten values, as a share of all there is to
# know?

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(seed)
random_codes = rng.integers(0, 40, (5000, 5))
truth = rng.integers(0, 10, (5000, 2))
few = disentangle.mutual_information(random_codes[:50], truth[:50], normalised=True).mean()
many = disentangle.mutual_information(random_codes, truth, normalised=True).mean()
print(f"knows nothing, and seems to know, from 50 images: {few:.2f}, from 5000 images: {many:.2f}")
elsewhere = rng.permutation(truth[:50])  # the rows of the factors permuted
control = disentangle.mutual_information(random_codes[:50], elsewhere, normalised=True).mean()
print(f"the control of 50 images: {control:.2f}")
small = disentangle.mig(random_codes[:50], truth[:50], seed=seed)
print("the package warns:", small.notes[0])

# %% [markdown]
# With 50 images and 40 numbers (33 of them occur, says the warning) nearly every number is met once or
# twice, and then it "determines" the factor. The permuted control is just as high, and that gives it
# away.
#
# **Trap 2: bins.** Continuous latents are cut into 20 bins for MIG. If a perfect latent has 40 values,
# two of them fall into one bin. **Trap 3: a factor that never changes** has no information to share:
# its entropy is 0, and a share of it is 0 / 0.
#
# **Predict.** What do traps 2 and 3 do to a MIG that should be 1?

# %% tags=["nbval-check-output"]
perfect = rng.integers(0, 40, (4000, 2))
exact = disentangle.mig(perfect, perfect, seed=seed).value
binned = disentangle.mig(perfect.astype(float), perfect, seed=seed).value
print(f"perfect codes, counted exactly: {exact:.2f}; the same in 20 bins: {binned:.2f}")
constant = np.column_stack([perfect, np.zeros(4000, dtype=int)])
shares = [np.bincount(column) / len(column) for column in constant.T]
entropy = np.array([-(p * np.log(p)).sum() for p in shares])  # 0 for the constant one
with np.errstate(invalid="ignore"):
    print("a careless mean over the factors:", (entropy / entropy).mean())
with_constant = disentangle.mig(perfect, constant, seed=seed)
print("with a constant factor:", round(with_constant.value, 2), "-", with_constant.notes[0])

# %% [markdown]
# The bins cost the perfect latent about a sixth of its score, and the constant factor turns a careless mean into
# nan; the package leaves such a factor out and says so. Even the exact count is not quite 1: to 4000
# images, two unrelated columns of 40 values seem to share a little. That is trap 1, in a milder form.
#
# ## Exercises
#
# **1. Warm-up \*** (3 minutes). Ten factors. Nine are written completely in one latent each, and nowhere
# else; the tenth is written completely in *three* latents that are copies of each other. What is the MIG?

# %% tags=["stub"]
mig_with_copies = None  # your answer, a number

# %% tags=["solution"]
mig_with_copies = (9 * 1 + 0) / 10

# %% tags=["nbval-check-output"]
check.mig_with_copies(mig_with_copies)

# %% [markdown]
# **2. Core \*\*** (8 minutes). Write `mig_of(information, entropy)`: the mean over factors of the gap
# between the best and the second best latent, each as a share of the factor's entropy. `information` is
# (L, F) in nats, `entropy` (F,).


# %% tags=["stub"]
def mig_of(information, entropy):
    return None  # your lines


# %% tags=["solution"]
def mig_of(information, entropy):
    ranked = np.sort(information, axis=0)
    return ((ranked[-1] - ranked[-2]) / entropy).mean()


# %% tags=["nbval-check-output"]
check.mig_by_hand(mig_of)

# %% [markdown]
# **3. Stretch \*\*\*** (8 minutes). Write `permuted(factors, rng)`: the control. The rows of `factors`
# (B, F) are put in another order, so that they no longer belong to their images, while the factors of one row
# stay together. Return a new array. `rng` is a numpy Generator, and it alone chooses the order. Then, what
# does `disentangle.mig` say of `codes.codes` and `permuted(factors, np.random.default_rng(1))`? Expected:
# next to nothing, as the orange number of the codes.


# %% tags=["stub"]
def permuted(factors, rng):
    return None  # your line


# %% tags=["solution"]
def permuted(factors, rng):
    return factors[rng.permutation(len(factors))]


# %% tags=["nbval-check-output"]
check.permuted_rows(permuted)

# %% [markdown]
# ## Take away
#
# * "A code knows one factor" and "a factor is in one code" are two questions; scores mix them.
# * A score without its permuted control is half a number.
# * Few images, bins and constant factors make scores that mean nothing.
# * None of these scores acts. To know what an action changes, act and judge.
#
# **What this does not show.** One seed of each model and one beta. A VAE with another beta, more latents
# or more training may do better or worse; the comparison is on equal data and equal steps, not on
# equal room, and only the actions of the codes had a teacher.
#
# ## Questions
#
# <details><summary>Why is the MIG of the codes so low, although each code knows one factor?</summary>
#
# MIG looks at a factor and asks for one best latent. Some eighty codes know the floor's hue nearly equally
# well, so the best is hardly ahead of the second.
#
# </details>
#
# <details><summary>Could one make the MIG of the codes higher without changing the model?</summary>
#
# Yes: keep one code per factor and throw the others away. The score rises and the representation gets
# worse. That is a reason not to optimise a score.
#
# </details>
#
# <details><summary>Why does the best latent for a hue know only a part of it?</summary>
#
# For two reasons at least. A beta-VAE pays for each nat that its latents carry, so it keeps them noisy
# and leaves out what costs more than it saves; scale, which is small in the image, is nearly lost. And
# hues lie on a circle: red and pink are neighbours. A circle does not fit on a line without a jump, and
# a smooth decoder avoids jumps, so a second latent has to help. Neither was tested here.
#
# </details>
#
# ## References
#
# * Kingma, Welling, ICLR 2014, [arXiv 1312.6114](https://arxiv.org/abs/1312.6114): VAE. Higgins et al.,
#   ICLR 2017: beta-VAE.
# * Chen et al., NeurIPS 2018, [arXiv 1802.04942](https://arxiv.org/abs/1802.04942): MIG. Kumar et al.,
#   ICLR 2018, [arXiv 1711.00848](https://arxiv.org/abs/1711.00848): SAP. Kim, Mnih, ICML 2018,
#   [arXiv 1802.05983](https://arxiv.org/abs/1802.05983): FactorVAE. Eastwood, Williams, ICLR 2018: DCI.
#   Hsu et al., NeurIPS 2023, [arXiv 2305.18378](https://arxiv.org/abs/2305.18378): InfoMEC.
#
# Next: [know when it fails](09_know_when_it_fails.ipynb).
