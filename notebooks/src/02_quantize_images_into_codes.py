# %% [markdown]
# # 02 Quantize images into codes
#
# *How does an image become integers, and how can anything learn through them?*
#
# | | |
# | --- | --- |
# | you will do | find nearest codes by hand, carry a gradient past a step that has none, take the losses apart, move a codebook by running means, make it collapse and cure it, and swap codes in an image |
# | you will be able to | build a quantised autoencoder, see that its codebook has collapsed, and say what perplexity does not tell |
# | you need | PyTorch: tensors, convolutions, `backward()`; [lesson 01](01_make_a_world_with_causes.ipynb) for the world `shapes3d` |
# | time | read 40 minutes, exercises 20 minutes; run half a minute on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1 -p images 512` draws other and more test images |

# %% tags=["parameters"]
seed = 0  # draws images, batches and bad starts
images = 256  # how many test images
device = "auto"  # auto, cpu, cuda, mps

# %%
import copy

import torch
from torch.nn import functional as F

from cvq_tutorial import Quantizer, check, draw, explore, load_or_train, sample_values, to_float
from cvq_tutorial.measure import codebook_use, psnr
from cvq_tutorial.method import make_quantizer

model, world, _ = load_or_train(  # a model with one codebook comes with the package
    device=device, codebooks=1, codes=64, decoder_width=64, decoder_blocks=2,
    autoencoder_steps=2500, width=16, transition_steps=1, transitions=64,
)  # fmt: skip
auto, here = model.autoencoder, model.device


def drawn(number, split):
    return to_float(world.render(sample_values(world.factors, number, split, seed))).to(here)


test = drawn(images, "test")

# %% [markdown]
# An *autoencoder* is two networks: the **encoder** makes something small of an image, the **decoder** makes the
# image again. Here the small thing is a table of integers. The encoder turns an image of 64 x 64 pixels into a
# *map* of 8 x 8 **places** (the *nodes* of lesson 00) with 64 channels: one vector of 64 numbers per place, which
# is 8 x 8 pixels large. Then each vector is replaced by the nearest of K = 64 vectors that the model keeps in a
# list, its **codebook**. The number of that vector in the list is the **code** of the place. To replace by the
# nearest of a list is to *quantise*.

# %%
codes = model.encode(test)  # (B, 64 places, 1 codebook), integers
draw.code_maps(codes[:3], model.grid, test[:3])

# %% [markdown]
# In the figure above, each row is an image and, at its right, its 64 codes on the grid of places; equal
# colours and numbers are equal codes. The colours of the map are arbitrary: code 23 is not "more" than
# code 10. Read the first row: the dark wall is code 52, the bright one 39, the floor 59, and other codes
# stand where the image has an edge or a shadow. Nobody told the model what a wall is; patches that look
# alike simply have vectors that are near each other.
#
# The image has 98,304 bits (64 x 64 pixels, three colours of 8 bits). One of 64 codes takes
# log2 64 = 6 bits, so the codes of an image have 64 x 6 = 384. Something must be lost; we measure it
# below.

# %% [markdown]
# ## Step 1: the nearest code
#
# **Predict.** Which patches will share a code: those of one colour, those of one surface (floor, wall,
# object), or those with an edge in the same direction?
#
# $$k(z) = \arg\min_k \lVert z - e_k \rVert^2$$
#
# Here $z$ is the map vector of a place, and $e_k$ the vector number $k$ of the codebook. By hand it is two
# lines: all distances between map vectors and code vectors, and the place of the smallest.

# %%
with torch.no_grad():
    z = auto.encoder(test)  # (B, 64, 8, 8): the map
points = z.flatten(2).transpose(1, 2).flatten(0, 1)  # (B * 64 places, 64 channels)
vectors = auto.quantizer.vectors[0]  # (K, 64): the codebook

distance = torch.cdist(points, vectors)  # (B * 64, K)
by_hand = distance.argmin(1)
same = int((by_hand == codes.flatten()).sum())
print("map", tuple(z.shape[1:]), "- codebook", tuple(vectors.shape))
print(f"the package finds the same code at {same} of {codes.numel()} places")

quality = psnr((model.decode(codes) - test).square().mean().item())
mean_image = drawn(2000, "train").mean(0)
control = psnr((mean_image - test).square().mean().item())
print(
    f"decoded from its codes: {quality:.1f} dB; control, the mean image for all: {control:.1f} dB"
)

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    the_package_finds_the_same_codes=same > 0.999 * codes.numel(),
    decoded_images_are_near=quality >= 27,
    the_mean_image_is_not=control < 15,
)

# %% [markdown]
# *PSNR*, the peak signal-to-noise ratio, is the squared error on a logarithmic scale: 10 dB more are
# a tenth of the error. The control answers every image with the mean of all training images.

# %%
draw.patches_by_code(test, codes, model.grid, [10, 61, 52, 56, 57, 51])

# %% [markdown]
# One row per code, with patches from the test images that were given it: six of the 64 codes, chosen to show the
# kinds that there are. Look along the rows: the first four are one **colour** each, in plain patches, but for a
# few in the third. The fifth is a colour too, and takes in more strange patches at the end: there are only 64
# codes, and everything must get one. The last row has all colours, and what most of its patches share is a dark
# edge. So the answer to the prediction is: colour first, because a wrong colour on a whole patch costs most;
# edges make do with few codes, and the decoder guesses from the neighbours how they go on.

# %% [markdown]
# ## Step 2: a gradient past the step that has none
#
# Now the trouble. Move a map vector a little: the nearest code stays the same, so the loss stays the
# same. The derivative of "nearest" is zero nearly everywhere, and the encoder would never learn. The
# way out is the **straight-through** line:
#
# > out = z + (e - z).detach()
#
# In symbols, with sg for "stop the gradient here" (`detach`):
# $\mathrm{out} = z + \mathrm{sg}[e - z]$. Its *value* is the code vector e. Its *gradient* passes to z as if the step were not there: what the
# loss asks of e is copied to z.
#
# **Predict.** Three codes in a plane, one point, and a loss that wants the chosen vector at a target.
# The point follows the copied gradient. Where will it end: at the target, at the code nearest to the
# target, or elsewhere?

# %% tags=["nbval-check-output"]
three = torch.tensor([[-1.0, -0.2], [0.2, 1.0], [1.2, -0.3]])  # three codes, two channels
target = torch.tensor([1.1, 0.0])


def loss_at(z, commitment=0.0):
    e = three[torch.cdist(z[None], three).argmin()]  # the nearest code
    out = z + (e - z).detach()
    return (out - target).square().sum() + commitment * (z - e).square().sum()


start = torch.tensor([-0.6, 0.5], requires_grad=True)
loss_at(start).backward()
print("gradient copied to the point:", [round(g, 2) for g in start.grad.tolist()])
print("gradient at the chosen code: ", [round(g, 2) for g in (2 * (three[0] - target)).tolist()])
moved = [loss_at(start.detach() + torch.tensor([step, 0.0])).item() for step in (0.0, 0.01)]
print("control, the true change of the loss on a small move:", round(moved[1] - moved[0], 6))

book = make_quantizer(64, 1, 64, rule="gradient").to(here)
book.vectors.data.copy_(vectors[None])
small = z[:2].clone().requires_grad_()
wanted = torch.ones_like(small)
(copied,) = torch.autograd.grad((book(small).values * wanted).sum(), small)
print("gradient that the package copies to the map, asked for 1:", copied.unique().tolist())


# %%
def way(commitment, steps=12):
    z, found = torch.tensor([-0.6, 0.5]), [torch.tensor([-0.6, 0.5])]
    for _ in range(steps):
        z.requires_grad_()
        (gradient,) = torch.autograd.grad(loss_at(z, commitment), z)
        z = (z - 0.1 * gradient).detach()
        found.append(z)
    return torch.stack(found)


draw.code_cells(three, way(0.0), target, "The copied gradient, alone")

# %% [markdown]
# The plane is cut into three *cells*: all points of a cell have the same nearest code. The loss wants
# code 0 to move right (solid arrow); the same arrow is copied to the point (dashed), and off it goes,
# dot by dot, through the cell of code 1 into that of code 2. So the invented gradient finds the best of
# the three codes, though the true one is zero. But the point does **not** end at its code. Code 2 lies
# below the target, so it is asked to move up, the point is moved up instead, leaves the cell, comes
# back, and so on. It goes to and fro across a border, and each crossing flips the code.
# So the answer is: elsewhere.

# %% [markdown]
# ## Step 3: two losses, one for each side
#
# Two more losses tie the point and its code together. Both are the same number, the mean squared
# distance of z and e; they differ in who has to move.
#
# * the **commitment** loss holds e fixed: the encoder is to commit itself to its code;
# * the **codebook** loss holds z fixed: the code is to come to the vectors that it stands for.
#
# $$\mathcal L_{\text{commitment}} = \lVert z - \mathrm{sg}[e] \rVert^2, \qquad
# \mathcal L_{\text{codebook}} = \lVert \mathrm{sg}[z] - e \rVert^2$$
#
# **Predict.** What would happen to the codebook if its loss were computed on `out`, after the
# straight-through line, instead of on e? It is the same number.

# %% tags=["nbval-check-output"]
chosen = book.lookup(book.encode(small))  # (2, 64, 1, 64): e
flat = small.flatten(2).transpose(1, 2)[:, :, None]  # (2, 64, 1, 64): z
losses = {
    "commitment": F.mse_loss(flat, chosen.detach()),
    "codebook": F.mse_loss(chosen, flat.detach()),
    "codebook, after the line": F.mse_loss(flat + (chosen - flat).detach(), flat.detach()),
}
for name, loss in losses.items():
    to_z, to_e = torch.autograd.grad(loss, [small, book.vectors], allow_unused=True)
    who = ("the encoder", to_z), ("the codebook", to_e)
    reached = [side for side, g in who if g is not None and g.abs().max() > 0]
    print(f"{name:25} moves {' and '.join(reached)}")
package = book(small)
apart = [(losses[n] - getattr(package, n)).abs().item() for n in ("commitment", "codebook")]
print(f"the two losses of the package differ from these by {max(apart):.4f}")

# %%
draw.code_cells(three, way(1.0), target, "With the commitment loss")

# %% [markdown]
# In the figure above the commitment loss is added, with weight 1. The point is now also pulled to its code. It
# crosses each border once and then stays in the cell of code 2: no more flipping. It draws near to the target,
# and not to its code: there the copied gradient and the pull cancel each other. The weight matters here, because
# the code stands still: with the 0.25 that the package trains with, the pull would be too weak (`way(0.25, 60)`).
# In training the codebook loss moves the code too, and then 0.25 is enough: both meet at the target. The third
# line of the table answers the prediction. After the straight-through line the gradient of the "codebook loss"
# goes to the encoder and none to the codebook: the number is right, the training is not, and no error is raised.
# The order of two lines decides.

# %% [markdown]
# ## Step 4: a codebook that follows by running means
#
# Instead of the codebook loss one may put each code where its vectors are: at their mean. One batch is
# a small sample, so the mean is a *running* one (exponential moving average, **EMA**). Per code, we
# remember a count and a sum, and forget a little of both at every step:
#
# $$n_k \leftarrow \gamma\, n_k + (1 - \gamma)\, \lvert S_k \rvert, \qquad
# t_k \leftarrow \gamma\, t_k + (1 - \gamma) \sum_{z \in S_k} z, \qquad e_k = t_k / n_k$$
#
# Here $n_k$ is the count, $t_k$ the total, $S_k$ the vectors of this batch that were given code k, and
# $\gamma$ the *decay*.
#
# **Predict.** With decay 0 there is no memory. Which old algorithm is left?


# %% tags=["nbval-check-output"]
def moving_average(count, total, points, decay):
    """One step of running means; the codes are total / count."""
    codes = torch.cdist(points, total / count[:, None]).argmin(1)
    hit = F.one_hot(codes, len(count)).float()  # (M, K): which code each vector got
    count = decay * count + (1 - decay) * hit.sum(0)
    total = decay * total + (1 - decay) * hit.T @ points
    return count.clamp_min(1e-6), total


book = copy.deepcopy(auto.quantizer)
count, total = moving_average(book.count[0], book.total[0], points, decay=book.decay)
revived = book.update(z, book.encode(z))
apart = [((total / count[:, None]) - book.vectors[0]).abs().max().item()]

count, total = moving_average(torch.ones(64, device=here), vectors, points, decay=0.0)
means = torch.stack([points[codes.flatten() == k].mean(0) for k in range(64)])
apart.append((total / count[:, None] - means).abs().max().item())
print("largest difference to the codebook as the package moves it:", round(apart[0], 1))
print("with decay 0, to the means of the vectors (a k-means step):", round(apart[1], 1))
check.as_told(both_agree=max(apart) < 0.02, no_code_was_moved_otherwise=revived == 0)

# %% [markdown]
# So EMA is k-means on a stream, with a memory of about 1 / (1 - decay) steps: 50 for the 0.98 of the
# package. It needs no learning rate, and it does not depend on how the optimiser is set. (`rule="gradient"`
# uses the codebook loss instead.) Note what happens to a code that gets no vectors: count and total
# shrink together, and total / count stays where it is. Keep that in mind.
#
# ## How many codes are at work?
#
# Codes that are never used are wasted, and codes used once in a million hardly count. **Perplexity**
# weighs that: take the share p of places that each code has, and
#
# $$\text{perplexity} = \exp\Bigl(-\sum_k p_k \log p_k\Bigr)$$
#
# It is 1 if one code does everything, and K if all K are used equally often.
#
# **Predict.** All 64 codes are in use over the test images. Perplexity over all of them? And over one
# single image?

# %% tags=["nbval-check-output"]
share = torch.bincount(codes.flatten(), minlength=64) / codes.numel()
by_hand = torch.exp(-(share[share > 0] * share[share > 0].log()).sum()).item()
package = codebook_use(codes.cpu(), 64)
each = [codebook_use(one[None].cpu(), 64)["perplexity"][0] for one in codes]
print("codes used:", package["used"][0], "of 64")
print(
    f"perplexity over all test images: {by_hand:.0f}, by the package {package['perplexity'][0]:.0f}"
)
print(f"mean over single images: {sum(each) / len(each):.0f}")

# %% [markdown]
# Fifty of sixty-four codes are "at work", but any one image needs only eight or so: it has few colours.
# A perplexity taken per batch and then averaged is therefore too low, more so the smaller the batch.
# Counts are pooled first, the formula comes after.

# %% [markdown]
# ## Break it on purpose: the codebook collapses
#
# We keep encoder and decoder as they are and learn a new codebook for them, from 64 vectors that all
# start in one corner of the space, 2 away from the origin in every channel. (In a real training the
# encoder may wander off while the codebook stands still, which comes to the same.)
#
# **Predict.** After 300 steps of running means, how many of the 64 codes are in use? And which of two
# cures is the better one: **revival** (a code that has hardly been used is put on a random vector of
# the batch, with a fresh count and total), or a **start from the data** (k-means on the first batch)?

# %%
train = drawn(512, "train")
with torch.no_grad():
    train_z = auto.encoder(train)  # (512, 64, 8, 8)
numbers = torch.Generator().manual_seed(seed)
corner = 2 + (torch.rand(64, 64, generator=numbers).to(here) * 2 - 1) / 64
books = {name: Quantizer(64, 1, 64).to(here) for name in ("bad start", "revival", "data start")}
books["revival"].vectors.copy_(corner[None])
books["revival"].total.copy_(corner[None])
books["revival"].started.fill_(True)  # the start from data is switched off

count, total = torch.ones(64, device=here), corner.clone()
for _ in range(300):
    batch = train_z[torch.randint(512, (32,), generator=numbers)]
    count, total = moving_average(count, total, batch.movedim(1, 3).flatten(0, 2), decay=0.98)
    for name in ("revival", "data start"):
        books[name].update(batch, books[name].encode(batch), numbers)
books["bad start"].vectors.copy_((total / count[:, None])[None])
looks = F.avg_pool2d(test, 8).flatten(2).transpose(1, 2).flatten(0, 1)  # mean colour of each patch
draw.codes_among_points(
    points,
    {name: book.vectors[0] for name, book in books.items()},
    "After 300 steps",
    colours=looks,
)

# %% [markdown]
# Each panel shows the vectors of the map, in the mean colour of their patches, and the code vectors (white), in
# the plane in which the map vectors vary most. The arms of the star are hues, with the bright colours outside. On
# the left, the bad start: in the first steps one or two codes happened to be nearest to everything. They moved
# among the vectors, so they stayed nearest. The others (crosses, all on one spot) were given nothing, and a code
# that is given nothing does not move. The loss falls all the while, because the winners do get better. That is
# **collapse**. In the middle and on the right, with revival and with a start from the data, the codes reach into
# all arms.


# %%
def decoded(book):
    with torch.no_grad():
        return auto.decoder(book.to_map(book.lookup(book.encode(z)), model.grid)).clamp(0, 1)


rows = {"image": test, "mean image (control)": mean_image.expand_as(test)}
rows |= {name: decoded(book) for name, book in books.items()}
rows["its own codebook"] = model.decode(codes)
draw.image_rows(rows, 6, "Decoded with each codebook")

# %% [markdown]
# The same images, decoded by the same decoder. With a bad start it has one kind of patch for each code that is
# left to paint with, and the decibels are hardly better than those of the mean image above it. Both cures give the image
# back; here the start from data is the better one. In the last row, the codebook that was trained
# together with this decoder is ahead of both.

# %%
worth = {
    n: psnr((made - test).square().mean().item()) for n, made in rows.items() if made is not test
}
use = {name: codebook_use(book.encode(z).cpu(), 64) for name, book in books.items()}
far = {
    name: torch.cdist(points, of).amin(1).square().mean().item()  # vectors to their codes
    for name, of in (("before", corner), ("after", books["bad start"].vectors[0]))
}
for name in books:
    print(f"{name:11} codes used {use[name]['used'][0]:2}, perplexity "
          f"{use[name]['perplexity'][0]:4.1f}, {worth[name]:.1f} dB")  # fmt: skip
print(f"mean image  {worth['mean image (control)']:.1f} dB; its own codebook "
      f"{worth['its own codebook']:.1f} dB")  # fmt: skip
print(
    f"the loss of the bad start fell all the same, from {far['before']:.0f} to {far['after']:.1f}"
)

# %% tags=["nbval-check-output", "gate"]
cures = ("revival", "data start")
check.as_told(
    with_a_bad_start_few_codes_are_left=use["bad start"]["used"][0] <= 8,
    its_decibels_are_hardly_better_than_the_mean=worth["bad start"] < 19,
    its_loss_fell=far["after"] < far["before"] / 5,
    both_cures_use_the_codes=all(use[name]["used"][0] >= 56 for name in cures),
    evenly=all(use[name]["perplexity"][0] > 40 for name in cures),
    and_give_the_image_back=all(worth[name] > 24 for name in cures),
    its_own_codebook_is_ahead=worth["its own codebook"] > max(worth[name] for name in cures),
    the_start_from_data_is_the_better_cure=worth["data start"] > worth["revival"],
)

# %% [markdown]
# ## What perplexity does not say
#
# So a low perplexity is a warning. **Predict:** is a high one a good sign? Below, two ways to have it
# for nothing. First, the codes are *renamed* at random before they are decoded. Second, every code
# vector gets a *twin*, an exact copy with a number of its own, and each place tosses a coin between
# the two.

# %% tags=["nbval-check-output"]
plain = codebook_use(codes.cpu(), 64)["perplexity"][0]
renamed = torch.randperm(64, generator=numbers).to(here)[codes]
renamed_perplexity = codebook_use(renamed.cpu(), 64)["perplexity"][0]
renamed_quality = psnr((model.decode(renamed) - test).square().mean().item())
coin = torch.randint(2, codes.shape, generator=numbers).to(here)
twins = codebook_use((codes + 64 * coin).cpu(), 128)["perplexity"][0]
print(f"renamed: perplexity {renamed_perplexity:.0f}, as before ({plain:.0f}); the image has "
      f"{renamed_quality:.0f} dB, the mean image {control:.0f} dB")  # fmt: skip
print("twins: perplexity times", round(twins / plain, 1), "- and not one pixel is better")

# %% [markdown]
# Perplexity counts words; it does not know what they mean, or whether anybody needs them. Read it
# beside the image error, never instead of it.
#
# ## Explore: swap a code, see the image
#
# **Try this.** Click a place on the object and note its code. Click a place on the wall and give it
# that code with the slider: a patch of the object's colour appears on the wall. Then move the slider
# slowly at one place: neighbouring numbers are unrelated colours. How far do the pixels change around
# the place? The third picture, |difference|, tells. Tick `choose a code by its look` to see this place
# with each of the codes at once; tick `paint` and click on several places to give them all one code.
# `undo` and `reset` take you back.

# %% tags=["explorer"]
editor = explore.CodeEditor(model, explore.start_image(world, (3, 6, 0, 5, 1, 7)))
on_the_object = int(editor.codes[0, 35, 0])
editor.node = 10
editor.code = on_the_object
editor

# %%
trial = explore.CodeEditor(model, explore.start_image(world, (3, 6, 0, 5, 1, 7)))
trial.node, trial.code = 10, on_the_object  # another one: yours stays as you left it
before = model.decode(trial.codes).cpu()
print(trial.summary.split(",")[0])
trial.node = 10
trial.undo()
untouched = model.decode(trial.codes).cpu()
change = (before - untouched).abs().sum(1)[0]  # (64, 64)
inside = (change[8:16, 16:24].sum() / change.sum()).item()  # node 10 is row 1, column 2
around = (change[0:24, 8:32].sum() / change.sum()).item()
print(
    f"of the change, inside the place itself: {inside:.0%}; in the 3 x 3 places around: {around:.0%}"
)

pasted = test.clone()  # the other direction: each image gets one patch of another image
pasted[:, :, 24:32, 24:32] = test.roll(1, 0)[:, :, 24:32, 24:32]  # row 3, column 3
differs = (model.encode(pasted) != codes).view(-1, 8, 8).float().mean(0)
near = (differs[2:5, 2:5].sum() - differs[3, 3]).item()
far_away = (differs.sum() - differs[2:5, 2:5].sum()).item()
print(f"a patch of another image changes its own code in {100 * differs[3, 3]:.0f} of 100 images, of its "
      f"eight neighbours {near:.1f} on average, farther away {far_away:.1f}")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    less_than_half_of_the_change_is_inside=inside < 0.5,
    most_of_it_is_around=around > 0.5,
    a_patch_changes_its_own_code=bool(differs[3, 3] > 0.85),
    one_or_two_beside_it=0.5 < near < 2,
    none_farther_away=far_away < 1e-3,
    no_error=trial.last_error is None,
)

# %% [markdown]
# In the picture the place above the object, on the wall, was given the object's code: a red patch
# appears, and |difference| shows a halo around it. One code changes more than its own 8 x 8 pixels,
# because the *decoder* looks at neighbours: a code says "this colour here", and the decoder draws the
# transition to what is around. The *encoder* is more local: a patch from another image changes its own
# code, one or two of those next to it, and none farther away.
#
# ## Exercises
#
# **1. Warm-up \*** (4 minutes). One channel, decay 0.9. A code lies at 0, with count 10 (so its total
# is 0). A batch gives it 30 vectors, all at 1. Where does it lie after one step of running means?
# Expected: nearer to 0 than to 1.

# %% tags=["stub"]
where_the_code_moves = None  # your answer, a number

# %% tags=["solution"]
where_the_code_moves = 0.1 * 30 / (0.9 * 10 + 0.1 * 30)

# %% tags=["nbval-check-output"]
check.where_the_code_moves(where_the_code_moves)

# %% [markdown]
# **2. Core \*\*, the heart of the autoencoder** (10 minutes). Write `quantise(z, vectors)`: for map vectors
# z (P, D) and a codebook vectors (K, D), the codes (P,) of the nearest code vectors, and `out` (P, D) as the
# decoder gets it: its value is the code vector, its gradient goes to z unchanged, and none goes to the
# codebook. Write it without looking up. The check compares values and gradients with the package on random
# input. Expected: four lines.


# %% tags=["stub"]
def quantise(z, vectors):
    return None  # your lines, ending in: return codes, out


# %% tags=["solution"]
def quantise(z, vectors):
    codes = torch.cdist(z, vectors).argmin(1)
    e = vectors[codes]
    return codes, z + (e - z).detach()


# %% tags=["nbval-check-output"]
check.quantise(quantise)

# %% [markdown]
# **3. Stretch \*\*\*** (5 minutes). Write `pooled_perplexity(batches, size)`: the perplexity over a list
# of integer tensors (any shapes, codes in 0..size-1) as if they were one. How often each code occurs in one of
# them is `torch.bincount(batch.flatten(), minlength=size)`. Codes that never occur must do no harm.
# Expected: three lines.


# %% tags=["stub"]
def pooled_perplexity(batches, size):
    return None  # your lines


# %% tags=["solution"]
def pooled_perplexity(batches, size):
    counts = sum(torch.bincount(batch.flatten(), minlength=size) for batch in batches)
    share = counts[counts > 0] / counts.sum()
    return torch.exp(-(share * share.log()).sum()).item()


# %% tags=["nbval-check-output"]
check.pooled_perplexity(pooled_perplexity)

# %% [markdown]
# ## Take away
#
# * A code is the number of the nearest code vector; what is large in the error gets the codes.
# * "Nearest" has no gradient; straight-through copies the one that the code would get. It is invented,
#   and it works.
# * Commitment moves the encoder, the codebook loss or running means move the codebook; compute both
#   before the straight-through line.
# * A code that gets no vectors does not move: that is how codebooks collapse. Start from data, revive.
# * Perplexity counts codes at work. It says nothing of what they are worth.
#
# **What this does not show.** Encoder and decoder were held still while codebooks were learned; when all
# three move together, collapse comes and goes in other ways. One world with plain colours, one codebook;
# [lesson 03](03_use_several_codebooks.ipynb) has several.
#
# ## Questions
#
# <details><summary>Why not make the choice soft, a weighted mean of all code vectors, and have a true
# gradient?</summary>
#
# One can, but then the place says 64 weights and not one integer, and there is nothing left to put into
# a graph as a variable with K values. (Soft choices that become hard during training exist; they have
# a bias of their own.)
#
# </details>
#
# <details><summary>Both losses have the same value. Why not use one of them with twice the weight and
# no <code>detach</code>?</summary>
#
# Then one weight rules both sides. Kept apart, the encoder can be held loosely (0.25 here), so that it
# stays free to follow the image, while the codebook follows the encoder as fast as it can.
#
# </details>
#
# <details><summary>A run reports perplexity 3.1 of 64 for a batch of 32 images of one product photographed
# on white. Is it a collapse?</summary>
#
# Not necessarily: if most places are white, few codes have most of the shares. Look at the number of
# codes used over the whole data set, and at the image error beside its control.
#
# </details>
#
# ## References
#
# * van den Oord, Vinyals, Kavukcuoglu: *Neural Discrete Representation Learning*, NeurIPS 2017,
#   [arXiv 1711.00937](https://arxiv.org/abs/1711.00937): section 3.2 and equation 3 for the
#   straight-through line and the two losses, appendix A.1 for running means.
# * Bengio, Léonard, Courville: *Estimating or Propagating Gradients Through Stochastic Neurons for
#   Conditional Computation*, 2013, [arXiv 1308.3432](https://arxiv.org/abs/1308.3432): straight-through.
# * Gendron, Witbrock, Dobbie, IJCAI 2023, [arXiv 2302.00869](https://arxiv.org/abs/2302.00869): codes
#   as variables of a causal graph.
#
# Next: [use several codebooks](03_use_several_codebooks.ipynb).
