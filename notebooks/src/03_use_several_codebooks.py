# %% [markdown]
# # 03 Use several codebooks
#
# *If one codebook can turn an image into integers, why would anyone use four?*
#
# | | |
# | --- | --- |
# | you will do | count what a place can say, compare models with equal bits and with equally many vectors, take a codebook away, and repeat a slicing mistake of the published code |
# | you will be able to | choose the number of codebooks for a budget, and notice codebooks that say the same thing twice |
# | you need | [lesson 02](02_quantize_images_into_codes.ipynb): codes, codebooks, nearest vector |
# | time | read 25 minutes, exercises 20 minutes; run half a minute on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1` draws other test images |

# %% tags=["parameters"]
seed = 0  # draws the test images
images = 512  # how many of them
device = "auto"  # auto, cpu, cuda, mps

# %%
import math

import numpy as np
import torch

from cvq_tutorial import (
    check,
    draw,
    explore,
    load_or_train,
    pick_device,
    sample_values,
    to_float,
)
from cvq_tutorial.lessons import load_or_train_a_judge
from cvq_tutorial.method import make_quantizer

here = pick_device(device)
model, world, _ = load_or_train(device=device)
values = sample_values(world.factors, images, "test", seed)
test = to_float(world.render(values))

# %% [markdown]
# The model that comes with the package has **four codebooks**. The map that the encoder makes is 64
# channels deep; it is cut into four *slices* of 16 channels, and each slice is quantised by a
# codebook of its own. So each of the 64 places of an image holds not one integer but four.

# %%
codes = model.encode(test)
draw.code_maps(codes[:2], model.grid, test[:2])

# %% [markdown]
# Above: two images and, to the right of each, what each codebook says at every place; equal colours
# and numbers are equal codes. Look at the wall. In one map it may be a single colour, in another two
# or three: the codebooks do not say the same thing. Now look for a map that shows the object and
# nothing else. There is none. A codebook is not a factor; nobody told it to be one.
#
# ## What a place can say
#
# **Predict.** One codebook of 64 codes can say 64 different things at a place. How many can four
# codebooks of 64 codes say, and how many vectors must be stored for it?
#
# A place that can say $K$ things carries $\log_2 K$ *bits*.

# %% tags=["nbval-check-output"]
for books, size in ((1, 64), (1, 256), (4, 4), (4, 64)):
    bits = books * math.log2(size)
    print(f"{books} x {size}: {bits:.0f} bits, {size**books} words, {books * size} vectors stored")

# %% [markdown]
# Codebooks multiply what a place can say, so their bits add up. C codebooks of K codes say
#
# $$K^C \text{ words}, \qquad C \log_2 K \text{ bits}, \qquad \text{with } C K \text{ vectors.}$$
#
# Four times 64 vectors say 16,777,216 different *words*. One codebook that could say as much would
# have to store as many vectors, and most of them would never meet an image to learn from. The price
# is freedom: the words of four codebooks stand on a grid, while 256 vectors of one codebook can be
# put anywhere.

# %% [markdown]
# ## By hand: four nearest neighbours instead of one
#
# Quantising with C codebooks is C small searches, one per slice, that know nothing of each other.


# %% tags=["nbval-check-output"]
def nearest_by_slice(z, vectors):
    """Codes (P, C) of map vectors z (P, D), with codebooks vectors (C, K, D / C)."""
    books = len(vectors)
    found = []
    for c, part in enumerate(z.chunk(books, dim=1)):  # slice c: (P, D / C)
        distance = torch.cdist(part, vectors[c])  # (P, K)
        found.append(distance.argmin(1))
    return torch.stack(found, dim=1)


with torch.no_grad():
    z = model.autoencoder.encoder(test[:64].to(here)).float()  # (64, 64, 8, 8)
flat = z.flatten(2).transpose(1, 2).flatten(0, 1)  # one row per place
by_hand = nearest_by_slice(flat, model.autoencoder.quantizer.vectors)
package = model.encode(test[:64]).flatten(0, 1)
same = int((by_hand == package).sum())
print("codes per place:", by_hand.shape[1])
print(f"the package finds {same / by_hand.numel():.0%} of the {by_hand.numel()} codes the same")

# %% [markdown]
# ## What more codebooks buy
#
# **Predict.** Here are four small models, trained alike (same steps, same images, same encoder and
# decoder), that differ only in their codebooks. 1 x 256 and 4 x 4 both carry 8 bits: which draws the
# better image? And 4 x 64 stores as many vectors as 1 x 256: is it better?

# %%
small = {  # the recipe of the small models; of the transition, which is not needed here, one step
    "decoder_width": 64, "decoder_blocks": 2, "autoencoder_steps": 2500,
    "width": 16, "transition_steps": 1, "transitions": 64,
}  # fmt: skip
models = {
    f"{books} x {size}": load_or_train(device=device, **small, codebooks=books, codes=size)[0]
    for books, size in ((1, 64), (1, 256), (4, 4), (4, 64))
}


# %%
def psnr(of, other):
    return -10 * math.log10((of.cpu() - other.cpu()).square().mean().item())


quality = {name: psnr(m.reconstruct(test), test) for name, m in models.items()}
mean_image = to_float(world.render(sample_values(world.factors, 2000, "train", seed))).mean(0)
control = psnr(mean_image.expand_as(test), test)
bits = [m.n_codebooks * math.log2(m.n_codes) for m in models.values()]
stored = [m.n_codebooks * m.n_codes for m in models.values()]
print(", ".join(f"{name}: {value:.1f} dB" for name, value in quality.items()),
      f"- control, the mean image: {control:.1f} dB")  # fmt: skip
large = psnr(model.reconstruct(test), test)
print(f"the large model, 4 x 64: {large:.1f} dB")
draw.error_against_bits(list(models), bits, list(quality.values()), stored, control)

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    equal_bits_one_codebook_is_better=quality["1 x 256"] > quality["4 x 4"] + 0.5,
    equal_vectors_four_are_as_good=quality["4 x 64"] > quality["1 x 256"] - 0.1,
    more_codes_help=quality["4 x 64"] > quality["1 x 64"] + 0.3,
    all_are_far_above_the_control=min(quality.values()) > control + 8,
    the_large_model_is_better_than_all=large > max(quality.values()) + 1,
)

# %% [markdown]
# Read the figure from left to right. At **equal bits** (the two points at 8 bits) one codebook is
# better, by more than one decibel: its 256 vectors may stand anywhere, the 256 words of 4 x 4 only on
# a grid. So codebooks are not better *words*. What they buy is **more words for the same vectors**:
# 4 x 64 stores 256 vectors, as 1 x 256 does, and says 24 bits instead of 8.
#
# Mind the scale: the step from 1 x 256 to 4 x 64 is a few tenths of a decibel, and one run per model
# is shown. These models were trained for minutes, and a small decoder limits all of them: the model
# at the top of this page has the same four codebooks of 64, a larger decoder and more training, and
# is better than all of them (its decibels are printed last). Before you pay for more codebooks, ask whether the codes are what limits you.

# %%
few = test[:4]
draw.reconstructions(few, models["4 x 4"].reconstruct(few))

# %% [markdown]
# This is the weakest of the four, 4 x 4: the true images above, below what is left of them when each
# place may say 256 words on a grid, and at the bottom the difference: bright is wrong. Plain surfaces keep their
# colour. The error sits on the outline of the object and beside it, where specks of wrong colour appear.
#
# ## Do codebooks share the work?
#
# Two codebooks that always say the same thing are one codebook, paid twice. *Mutual information*
# measures that: how many bits the code of one tells about the code of another at the same place. We
# divide it by the bits that the two have on average (the *entropy*): 0 is independent, 1 is a copy.
# The control is the same number after the codes of one are shuffled over places.


# %%
def shared(one, two, size):
    """Normalised mutual information of two lists of codes in [0, size)."""
    joint = torch.bincount(one * size + two, minlength=size * size).view(size, size).double()
    joint /= joint.sum()
    left, right = joint.sum(1), joint.sum(0)
    entropy = [-(p[p > 0] * p[p > 0].log2()).sum() for p in (joint.flatten(), left, right)]
    return float((entropy[1] + entropy[2] - entropy[0]) / ((entropy[1] + entropy[2]) / 2))


def mean_shared(of, shuffled=False):
    table = of.encode(test).flatten(0, 1).cpu()  # (places, C)
    pairs = [(a, b) for a in range(table.shape[1]) for b in range(a)]
    order = torch.randperm(len(table), generator=torch.Generator().manual_seed(seed))
    second = table[order] if shuffled else table
    return np.mean([shared(table[:, a], second[:, b], of.n_codes) for a, b in pairs])


proper = models["4 x 64"]
print(f"4 x 64: codebooks share {mean_shared(proper):.2f} of what they say")
print(f"shuffled: {mean_shared(proper, shuffled=True):.2f}")

# %% [markdown]
# They share a good part, and more than the shuffled control. That is no fault: all four look at the
# same patch, and a red floor is a red floor in every slice. But they are far from being copies.
#
# ## Break it on purpose: slices that overlap
#
# The published code cuts the slices wrongly. Slice c should be the channels from `c d` to
# `(c + 1) d`, with d = D / C; it takes those from `c` to `c + d`. Nothing fails. The model trains, the
# loss falls.
#
# **Predict.** With D = 64 channels and C = 4 codebooks, how many channels are read at all?


# %% tags=["nbval-check-output"]
def reads(slices):
    """Which channels each codebook reads: one channel at a time is set, and we look who notices."""
    quantizer = make_quantizer(64, 4, 2, slices=slices)
    quantizer.vectors.copy_(torch.tensor([0.0, 1.0])[None, :, None].expand_as(quantizer.vectors))
    table = torch.zeros(4, 64, dtype=torch.bool)
    for channel in range(64):
        z = torch.zeros(1, 64, 1, 1)
        z[0, channel] = 100.0  # pulls any slice that holds it to code 1
        table[:, channel] = quantizer.encode(z)[0, 0].bool()
    return table


layouts = {name: reads(name) for name in ("split", "overlap")}
for name, table in layouts.items():
    print(f"{name}: {int(table.any(0).sum())} of 64 channels are read")

# %%
draw.channels_read(layouts)

# %% [markdown]
# Above, `split`: the four codebooks share the 64 channels evenly. Below, `overlap`: all four crowd on
# the first 19, and the 45 channels with a cross reach nobody. The encoder computes them for nothing,
# and the codebooks see nearly the same 16 numbers. Count: the first slice reads 16, and each of the other three
# begins one channel later and so adds one.

# %%
overlapping, _, _ = load_or_train(device=device, **small, codebooks=4, codes=64, slices="overlap")
proper_shared, overlap_shared = mean_shared(proper), mean_shared(overlapping)
print(f"split:   {psnr(proper.reconstruct(test), test):.1f} dB, shared {proper_shared:.2f}")
print(f"overlap: {psnr(overlapping.reconstruct(test), test):.1f} dB, shared {overlap_shared:.2f}")
print(f"one codebook of 64: {quality['1 x 64']:.1f} dB")

# %% tags=["nbval-check-output", "gate"]
overlap_quality = psnr(overlapping.reconstruct(test), test)
check.as_told(
    shuffled_codebooks_share_little=mean_shared(proper, shuffled=True) < 0.1,
    overlapping_ones_say_more_of_the_same=overlap_shared > proper_shared + 0.2,
    they_lose=overlap_quality < quality["4 x 64"] - 0.3,
    and_are_hardly_better_than_one=abs(overlap_quality - quality["1 x 64"]) < 0.6,
)

# %% [markdown]
# Alone, the picture is a trap: the encoder adapts to the mistake, and the decibels look fair. Beside
# their controls they do not: four overlapping codebooks of 64 draw hardly better than *one* of 64 (in
# the figure of decibels against bits). The shared information says why: with overlapping slices the
# codebooks repeat each other. Any claim about "four independent codebooks" made with such slices is a
# claim about one and a bit. `cvq train --set slices=overlap` repeats the mistake in any run.

# %% [markdown]
# ## Explore: what does each codebook hold?
#
# Below is the large model. **Try this:** click a place on the object and move the slider `code`; then
# change `codebook` and do it again at the same place. Does one of them hold the colour, another the
# edge? Tick `choose a code by its look`: the place with each code of one codebook; compare the codebooks.
# Try a place on the wall. `undo` and `reset` take you back. In the stored picture one code of
# codebook 2 was changed at the left side of the object: an edge has moved, no colour has.

# %% tags=["explorer"]
editor = explore.CodeEditor(model, explore.start_image(world, (1, 4, 7, 5, 1, 3)))
editor.node, editor.codebook = 26, 2
editor.code = 12
editor

# %% tags=["nbval-check-output"]
trial = explore.CodeEditor(model, explore.start_image(world, (1, 4, 7, 5, 1, 3)))
trial.node = 26  # another one: yours stays as you left it
whole_image, changed = trial.codes, []
for codebook in range(model.n_codebooks):
    trial.codebook = codebook
    trial.code = (trial.code + 1) % model.n_codes
    changed.append(int((trial.codes != whole_image).sum()))
    trial.undo()
print("codes edited, one codebook after the other:", changed)
check.as_told(one_at_a_time=changed == [1, 1, 1, 1], no_error=trial.last_error is None)

# %% [markdown]
# ## Take a codebook away
#
# Another way to ask what a codebook holds: silence it. Every code of it is replaced by its most
# frequent one, the others stay, and we look at what the image loses.


# %%
def without(c):
    silenced = codes.clone()
    silenced[..., c] = codes[..., c].flatten().mode().values
    return model.decode(silenced)


whole = psnr(model.decode(codes), test)
lost = [whole - psnr(without(c), test) for c in range(model.n_codebooks)]
print("dB lost without codebook 0, 1, 2, 3:", [round(x, 1) for x in lost])
silent = {f"without {c}": without(c) for c in range(model.n_codebooks)}
draw.image_rows(
    {"image": test, "all four": model.decode(codes), **silent}, 4, "One codebook silenced"
)

# %% [markdown]
# In the figure above: the true images, the decoded ones, and the decoded ones without one codebook each. Without 0,
# 1 or 3 colours go wrong: here that of the floor, there that of the wall or of the object. Without 2 the colours
# stay, and outlines break up. *Which* factors does each codebook hold? We ask a
# *judge*, a small network that was trained on true images to read their factors (lesson 05 says more
# about it), and count how often it still reads each factor right. The control is the image decoded
# from all four.

# %%
judge = load_or_train_a_judge(world).to(here)


def read_right(decoded):
    return (judge.read(decoded.to(here)).cpu().numpy() == values).mean(0)


whole_read = read_right(model.decode(codes))
table = np.stack([read_right(without(c)) for c in range(model.n_codebooks)])  # (C, F)
print("read right, of 100:", ", ".join(world.factors.names))
for name, row in (("all four", whole_read), *((f"without {c}", r) for c, r in enumerate(table))):
    print(f"{name:10}", (100 * row).round().astype(int).tolist())

# %% tags=["nbval-check-output", "gate"]
hues = table[:, :3]
check.as_told(
    each_of_the_four_is_needed=min(lost) > 1,
    with_all_four_every_factor_is_read=bool((whole_read > 0.95).all()),
    without_0_1_or_3_several_hues_are_misread=bool(((hues[[0, 1, 3]] < 0.9).sum(1) >= 2).all()),
    without_2_every_hue_is_still_right=bool((hues[2] > 0.95).all()),
)

# %% [markdown]
# No codebook can be spared. Without codebook 0, 1 or 3 the hues of *several* surfaces are misread
# together: each of these holds a part of "colour", whatever has it. Codebook 2 is another kind: without
# it every hue is still right, but outlines are wrong, and the scale is misread in one image of three.
# So there is some division of labour that nobody asked for, but it is one of colour and edge, not of
# floor, wall and object. Four codebooks are four views of a patch, not four factors. To change one
# factor only, something has to know which codes belong together, and that is what the graph of
# [lesson 04](04_learn_a_causal_graph.ipynb) is for.

# %% [markdown]
# ## Exercises
#
# **1. Warm-up \*** (2 minutes). How many bits does the large model use for a whole image: 64 places,
# four codebooks, 64 codes each? Expected: between one and two thousand.

# %% tags=["stub"]
bits_of_an_image = None  # your answer, an integer

# %% tags=["solution"]
bits_of_an_image = 64 * 4 * 6

# %% tags=["nbval-check-output"]
check.bits_of_an_image(bits_of_an_image)

# %% [markdown]
# **2. Core \*\*** (5 minutes). With slices that overlap as above, how many of D = 128 channels do
# eight codebooks read? Expected: less than a fifth of them.

# %% tags=["stub"]
channels_that_are_read = None  # your answer, an integer

# %% tags=["solution"]
channels_that_are_read = 128 // 8 + 8 - 1

# %% tags=["nbval-check-output"]
check.channels_that_are_read(channels_that_are_read)

# %% [markdown]
# **3. Stretch \*\*\*** (10 minutes). Write `word(codes, size)`: one integer per place that tells the
# whole word of a place, so that two places have the same integer exactly if all their codes agree.
# `codes` is an integer tensor (P, C), `size` is K. Use the first codebook as the most significant
# digit. With it, count the words in `codes.flatten(0, 1)`. Expected: about ten thousand different
# ones at 32,768 places, of 16,777,216 that could be.


# %% tags=["stub"]
def word(codes, size):
    return None  # your line


# %% tags=["solution"]
def word(codes, size):
    digits = size ** torch.arange(codes.shape[1] - 1, -1, -1, device=codes.device)
    return (codes * digits).sum(1)


# %% tags=["nbval-check-output"]
check.word_of_a_place(word)

# %% [markdown]
# ## Take away
#
# * C codebooks of K codes say K to the power C words with C K vectors: bits add up, vectors add up.
# * At equal bits one codebook draws better; several buy more bits for the same vectors.
# * Codebooks are views of a patch, not factors.
# * Slices that overlap train without a complaint. Shared information shows them; decibels only beside
#   those of a proper model.
#
# **What this does not show.** One run per model, two minutes of training each, one world. Whether
# an action is *done* better with more codebooks is another question than whether the image is drawn
# better: notebook 92, in the folder `reproduce`, has a table of sizes that asks it.
#
# ## Questions
#
# <details><summary>A model has 4 codebooks of 64 codes, and all 64 codes of each are in use. Are all
# 16,777,216 words in use?</summary>
#
# No. Each codebook may use all its codes while the combinations stay few: the codes of a place depend
# on each other. Exercise 3 counts them.
#
# </details>
#
# <details><summary>Why does the image suffer so little from overlapping slices?</summary>
#
# The encoder is trained together with the mistake. It puts what matters into the channels that are
# read. It is capacity that is lost, and one can only see that beside a model that has it.
#
# </details>
#
# <details><summary>Would 64 codebooks of 2 codes, one channel each, be best of all? They carry 64
# bits.</summary>
#
# They carry the most bits for the fewest vectors, and each channel becomes a switch. But every added
# code is one more thing that the causal transition has to predict, and one wrong code in 64 is enough
# to spoil a place. Bits are not free for the part that comes after.
#
# </details>
#
# ## References
#
# * Gendron, Witbrock, Dobbie: *Disentanglement of Latent Representations via Causal Interventions*,
#   IJCAI 2023, [arXiv 2302.00869](https://arxiv.org/abs/2302.00869): the model with several codebooks.
# * van den Oord, Vinyals, Kavukcuoglu: *Neural Discrete Representation Learning*, NeurIPS 2017,
#   [arXiv 1711.00937](https://arxiv.org/abs/1711.00937): the quantised autoencoder.
# * Jégou, Douze, Schmid: *Product Quantization for Nearest Neighbor Search*, PAMI 2011: slices with
#   codebooks of their own.
#
# Next: [learn a causal graph](04_learn_a_causal_graph.ipynb).
