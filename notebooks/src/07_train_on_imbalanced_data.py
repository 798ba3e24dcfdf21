# %% [markdown]
# # 07 Train on imbalanced data
#
# *Does it hold when some values are rare?*
#
# | | |
# | --- | --- |
# | you will do | draw a skewed sample, score someone who knows nothing, train the same small transition on even and on skewed data, see who pays, resample, and see what the cure costs |
# | you will be able to | choose the accuracy that shows a skew, and say when resampling helps and when it cannot |
# | you need | [lesson 06](06_retrieve_the_action.ipynb): retrieval, posterior, macro accuracy; [lesson 01](01_make_a_world_with_causes.ipynb): transitions |
# | time | read 30 minutes, exercises 25 minutes; run about 40 seconds on two cores |
# | it writes | nothing |
# | papermill | `-p seed 1` draws other pairs and weights; `-p steps 1000` trains longer; `-p skew zipf:1` skews less. What the text says of the figures holds for the defaults |

# %% tags=["parameters"]
seed = 0  # draws pairs, weights and batches
pairs = 3000  # training transitions
steps = 250  # of each training
skew = "zipf:2"  # how the hue of the object is drawn in the skewed data
device = "auto"  # auto, cpu, cuda, mps

# %%
import numpy as np
import torch

from cvq_tutorial import (
    CausalTransition,
    CausalVQ,
    Sampling,
    check,
    draw,
    explore,
    load_or_train,
    sample_transitions,
    to_float,
    transition_loss,
)
from cvq_tutorial.data import Transitions, balanced_chances, effective_size
from cvq_tutorial.measure import metrics
from cvq_tutorial.training import start_from

shipped, world, _ = load_or_train(device=device)
space, here = world.factors, shipped.device
hue = space.factor_id("object_hue")
hues = [space.factors[hue].label(v) for v in range(10)]

# %% [markdown]
# So far all data were *even*: each value of each factor equally often. Data that people bring are *skewed*. A
# common shape of skew is **Zipf's law**: value number v has a weight of 1 / v, or with exponent 2, as here, of
# 1 / v squared. The first hue is then 100 times as frequent as the tenth. Everything else stays even.


# %%
def drawn(sampling):
    """Training transitions, each also backwards, as the package does."""
    half = sample_transitions(space, pairs // 2, "train", seed, sampling=sampling)
    back = half.reversed(space)
    both = ((half.x, back.x), (half.y, back.y), (half.actions, back.actions))
    return Transitions(*(np.concatenate(two) for two in both))


skewed_world = Sampling(values={"object_hue": skew})
train = {"even": drawn(None), "skewed": drawn(skewed_world)}
draw.sample_balance(space, train["skewed"], skewed_world)

# %% [markdown]
# In the figure above, the panel `object_hue` falls off steeply: the dashed line is an even share. (Mind that each
# panel has a scale of its own.) The other panels stay close to their lines, apart from the ends of a range, where
# one direction of actions is missing. The
# map at the lower right shows the two factors that go together most; its *Cramér's V* (0: they tell nothing of
# each other, 1: everything) is hardly above what chance gives. So this is a skew of one factor and nothing else.
#
# ## Step 1: an accuracy that is not fooled
#
# **Predict.** Somebody is asked for the hue of the object and answers "red" (value 0) without looking. The figure
# tells how often that is right. What is it if the ten hues are scored one by one and then averaged?
#
# **By hand.** *Plain* accuracy is the share of right answers. *Macro* accuracy is the mean of the accuracies of
# the values, so that a rare value counts as much as a frequent one.


# %% tags=["nbval-check-output"]
def plain(right):
    return right.mean()


def macro(right, values):
    return np.mean([right[values == v].mean() for v in np.unique(values)])


true = train["skewed"].x[:, hue]
red = true == 0  # where the answer "red" is right
print(f"always red: plain accuracy {plain(red):.2f}, macro accuracy {macro(red, true):.2f} - chance: "
      f"{1 / 10}")  # fmt: skip

# the package has macro accuracy over actions; here the ten hues stand in for actions
package = metrics.retrieval(true, np.zeros_like(true), None, 0, n_actions=10)
print(
    f"by the package: {package['action_accuracy']:.2f} and {package['macro_action_accuracy']:.2f}"
)

# %% [markdown]
# Plain accuracy praises ignorance as soon as the data are skewed: always naming the most frequent value, the
# *majority baseline*, is right more than half of the time. Macro accuracy gives it what a guess deserves. (By
# Zipf's law alone, red would have 0.65. Each edit of the hue itself has its two ends, and one of them is
# another hue.)
#
# ## Step 2: the same training on two samples
#
# Now the method. The autoencoder is the shipped one, which saw *even* images: only the second part is trained
# here, a small **transition** (lessons 04 and 05) that learns what an action does to codes. Codes are computed
# once. Both trainings have the same number of pairs, steps, and the same starting weights.
#
# The next cell is that training, folded; skip it at first.


# %% tags=["machinery"]
def codes_of(values):
    parts = np.array_split(values, max(1, len(values) // 250))
    return torch.cat([shipped.encode(to_float(world.render(part)).to(here)) for part in parts])


def encoded(t):
    return codes_of(t.x), torch.from_numpy(t.actions).to(here), codes_of(t.y)


def encoded_both_ways(t):  # the second half has the same images as the first
    x, y = (codes_of(v[: pairs // 2]) for v in (t.x, t.y))
    return torch.cat([x, y]), torch.from_numpy(t.actions).to(here), torch.cat([y, x])


data = {name: encoded_both_ways(t) for name, t in train.items()}


def fit(data, chances=None):
    """A small transition, trained on rows that are drawn by `chances` (None: all alike)."""
    x, actions, y = data
    torch.manual_seed(seed)
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    small = CausalTransition(shipped.n_nodes, shipped.n_codebooks, shipped.n_codes,
                             shipped.n_actions, width=32, reads=1).to(here)  # fmt: skip
    start_from(small, shipped.autoencoder.quantizer.vectors, noise)
    adam = torch.optim.AdamW(small.parameters(), 4e-3, betas=(0.9, 0.99))
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 4e-3, steps)
    for step in range(steps):
        rows = torch.from_numpy(rng.choice(len(x), 32, p=chances)).to(here)
        rise = min(1, step / (0.4 * steps))  # prices rise slowly, as in the package
        out = small(x[rows], actions[rows], generator=noise)
        loss = transition_loss(out, y[rows], mask_price=0.1 * rise, edge_price=0.02 * rise).total
        adam.zero_grad()
        loss.backward()
        adam.step()
        rate.step()
    return CausalVQ(shipped.autoencoder, small, shipped.action_names).eval()


models = {name: fit(data[name]) for name in ("even", "skewed")}

# %% [markdown]
# Each is tested on three samples of the *test split*: one drawn evenly; one as skewed as the training data,
# which is what somebody with only such data would have; and one that is even but only edits the hue, so that
# each hue occurs often enough to be scored alone.
#
# **Predict.** Which of the two models is better on the skewed test? And on the even one?

# %%
only_hue = Sampling(factors={name: float(name == "object_hue") for name in space.names})
tests = {  # the skewed one is larger, because small differences will be asked of it
    name: sample_transitions(space, n, "test", seed, sampling=sampling)
    for name, n, sampling in (
        ("even", 300, None),
        ("skewed", 1200, skewed_world),
        ("hue", 300, only_hue),
    )
}
asked = {name: encoded(t) for name, t in tests.items()}
named = {}  # (model, test) -> actions


def test(name):
    for where, (x, _, y) in asked.items():
        named[name, where] = models[name].retrieve(x, y).actions.cpu().numpy()


def right(name, where):
    return named[name, where] == tests[where].actions


for name in models:
    test(name)
    row = [f"{where} {right(name, where).mean():.2f}" for where in tests]
    print(f"trained on {name:7} accuracy on test:", ", ".join(row), " (chance 0.08)")
differ = right("even", "skewed").astype(float) - right("skewed", "skewed")
noise = 2 * differ.std() / len(differ) ** 0.5  # two standard errors of the mean
print(f"two standard errors of their difference on the skewed test: {noise:.2f}")

# %% tags=["nbval-check-output", "gate"]
both = [right(name, "skewed").mean() for name in ("even", "skewed")]
check.as_told(
    on_the_skewed_test_little_seems_wrong=min(both) >= 0.75 and both[1] >= both[0] - 0.1,
    its_noise_is_small=noise <= 0.04,
    on_even_edits_it_falls_behind=right("even", "hue").mean() - right("skewed", "hue").mean()
    >= 0.1,
)

# %% [markdown]
# On a test that is skewed like the training data, little seems to be wrong: the rare hues are as rare in the test,
# and the two models differ by about as much as 1200 pairs leave to chance. On an even test of hues the model that was
# trained on skewed data falls far behind. Where?

# %%
of_hue = {
    name: metrics.per_value(tests["hue"].x, tests["hue"].actions, named[name, "hue"],
                            space.sizes, space.names)["object_hue"]["action_accuracy"]
    for name in models
}  # fmt: skip
share = np.bincount(true, minlength=10) / len(true)
draw.accuracy_by_value(
    share, of_hue, hues, chance=1 / 12, title="Edits of the hue, by the hue before"
)

# %% [markdown]
# In the figure above, the bars are how often each hue occurs in the skewed training data. Below them is the
# accuracy of naming an action that starts from this hue. The grey squares, trained on even data, are the control:
# the hues on the right are not harder than the others. The blue circles fall with the bars: high for the hues on the
# left, far lower for the five on the right (their means are printed below). The order within these five says little,
# as each point is a few dozen edits. The model knows what `object_hue+` does to red; for cyan it has seen a few pairs
# and never learned what comes next.

# %%
rare = tests["hue"].x[:, hue] >= 5  # cyan to pink
print(f"share of the five rare hues in training: {share[5:].sum():.2f}")
for name in models:
    of = right(name, "hue")
    print(f"trained on {name:7} frequent hues {of[~rare].mean():.2f}, rare hues {of[rare].mean():.2f} "
          f"(of {rare.sum()} edits)")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
check.as_told(
    rare_hues_are_rare=bool(share[5:].sum() < 0.1),
    even_data_teach_them=bool(right("even", "hue")[rare].mean() >= 0.85),
    skewed_data_do_not=bool(right("skewed", "hue")[rare].mean() <= 0.7),
    frequent_hues_are_fine=bool(right("skewed", "hue")[~rare].mean() >= 0.8),
)

# %% [markdown]
# ## Step 3: the cure
#
# The usual cure is **resampling**: draw rows of the training data with other chances, so that each value comes
# equally often. Nothing new is seen that way. A row of a rare value is only seen more often. The price is the
# **effective size**: rows that are drawn again and again say the same each time, so one asks how many rows, all
# drawn equally often, would be worth as much (Kish's formula, exercise 3).
#
# **Predict.** With one column it is one line: a row's chance falls with the count of its value. How many times as
# often as a pair with a red object is then one with the rarest hue drawn? And what are 3000 pairs worth?
#
# **By hand,** and with the package:

# %% tags=["nbval-check-output"]
count = np.bincount(true, minlength=10)
by_hand = 1 / count[true]
by_hand /= by_hand.sum()
package = balanced_chances([true])
print("chances that the package gives otherwise:", int((~np.isclose(by_hand, package)).sum()), "of",
      len(package))  # fmt: skip
print("a pair with the rarest hue is drawn", round(package.max() / package.min()),
      "times as often as one with red")  # fmt: skip

balanced = balanced_chances([train["skewed"].actions, *train["skewed"].x.T])
worth = effective_size(balanced)
print(f"with all columns even, {pairs} pairs are worth {round(worth, -1):.0f}")

# %%
draw.sample_balance(space, train["skewed"], skewed_world, chances=balanced)

# %% [markdown]
# In the figure above, the orange diamonds are the shares after resampling. All of them lie on the dashed lines, also
# in the other panels: making one column even can tilt another, so `balanced_chances` goes round all columns (values of
# each factor, and actions) until little moves; that is called *raking*.
#
# **Predict.** Will the rare hues recover? What will happen to the accuracy on the skewed test?

# %%
models["resampled"] = fit(data["skewed"], balanced)
test("resampled")
of_hue["resampled"] = metrics.per_value(
    tests["hue"].x, tests["hue"].actions, named["resampled", "hue"], space.sizes, space.names
)["object_hue"]["action_accuracy"]
for name in models:
    row = [f"{where} {right(name, where).mean():.2f}" for where in tests]
    row.append(f"rare hues {right(name, 'hue')[rare].mean():.2f}")
    by_value = macro(right(name, "hue"), tests["hue"].x[:, hue])
    print(f"{name:9} accuracy on test: {', '.join(row)}; macro over hues {by_value:.2f}")
won = right("resampled", "skewed").astype(float) - right("skewed", "skewed")
noise = 2 * won.std() / len(won) ** 0.5
print(f"resampling changes the skewed test by {won.mean():+.2f}; two standard errors: {noise:.2f}")
red_edits = tests["hue"].x[:, hue] == 0
print(f"the points of red are {red_edits.sum()} edits each: one is {1 / red_edits.sum():.2f}")
draw.accuracy_by_value(share, of_hue, hues, chance=1 / 12, title="The same, with the cure")

# %% tags=["nbval-check-output", "gate"]
gained = right("resampled", "hue")[rare].mean() - right("skewed", "hue")[rare].mean()
tops = [macro(right(name, "hue"), tests["hue"].x[:, hue]) for name in models]
changed = right("resampled", "skewed").mean() - right("skewed", "skewed").mean()
check.as_told(
    rare_hues_come_back=bool(right("resampled", "hue")[rare].mean() >= 0.7 and gained >= 0.15),
    the_skewed_one_is_worst_over_hues=int(np.argmin(tops)) == 1,
    on_the_skewed_test_little_changes=bool(abs(changed) <= 0.1),
)

# %% [markdown]
# In the figure above, the orange diamonds have come back on the rare hues, although nothing was added to the data:
# the few pairs of each are enough to learn a hue, if only they are seen often. And what does it cost? Red, on the left,
# is now only a tenth of what is drawn. Where its point falls, it falls by an edit or two of about a dozen, and that may
# be luck.
#
# On data of the training's own kind, the *test* "skewed", the printed change is small beside what the rare hues have
# gained, and one training cannot tell whether it is a gain or a loss. Whoever will only be asked about such data has
# no reason to resample. Half of the cure may be the better bargain (exercise 2).

# %% [markdown]
# ## Explore
#
# The model that was trained on skewed data, as an *action pad* ([lesson 00](00_start_here.ipynb)): buttons are actions; on the left is what
# the model imagines, beside it the truth. It starts at cyan, the first of the rare hues. **Try this:** press
# `step back` and compare other actions: `wall_hue+` is learned, `object_hue+` is not. Then make a second pad with
# `explore.ActionPad(models["even"], world, START)`. Watch the PSNR fall with each further action, for both: so short
# a training is enough to *name* actions, but hardly to imagine several in a row. In the stored picture the object
# should have turned from cyan to blue. Is the imagined one better than doing nothing? The line below it tells.

# %% tags=["explorer"]
START = (1, 6, 5, 4, 1, 7)  # floor, wall, object hue (cyan), scale, shape, orientation
pad = explore.ActionPad(models["skewed"], world, START)
pad.buttons["object_hue+"].click()
pad

# %%
other = explore.ActionPad(models["even"], world, START)
other.buttons["object_hue+"].click()
truth = to_float(world.render(np.array([pad.values]))).to(here)
before = to_float(world.render(np.array([START]))).to(here)
quality = [
    metrics.psnr(float((models[n].intervene(before, "object_hue+").images - truth).square().mean()))
    for n in ("even", "skewed")
]
copy = metrics.psnr(float((before - truth).square().mean()))  # the control: do nothing
print(f"true hue now: {hues[pad.values[hue]]}; imagined, trained on even data {quality[0]:.1f} dB, on "
      f"skewed data {quality[1]:.1f} dB; doing nothing {copy:.1f} dB")  # fmt: skip

# %% tags=["nbval-check-output", "gate"]
errors = (pad.last_error, other.last_error)
other.reset_button.click()
check.as_told(
    trained_on_even_data_it_is_ahead_of_a_copy=quality[0] >= 22 and quality[0] > copy,
    on_skewed_data_worse=quality[1] <= quality[0] - 2,
    no_error=errors == (None, None),
    reset=len(other.actions) == 0,
)

# %% [markdown]
# ## Break it on purpose: a value that never occurs
#
# Rare is one thing, absent another. Below, pink has a weight of 0 and everything else is even.
#
# **Predict.** What does resampling do for pink? And what would a macro accuracy over the values *that occur* say?

# %% tags=["nbval-check-output"]
absent = Sampling(values={"object_hue": (1,) * 9 + (0,)})
without = sample_transitions(space, pairs, "train", seed, sampling=absent)
repaired = balanced_chances([without.actions, *without.x.T])
after = np.bincount(without.x[:, hue], repaired, minlength=10)
print("pairs with pink:", int((without.x[:, hue] == 9).sum()))
print(
    "share of pink after resampling:", after[9], "- of each other hue:", after[:9].round(2).tolist()
)
print("hues that a macro accuracy over this sample counts:", len(np.unique(without.x[:, hue])))

# %% [markdown]
# Nothing can be drawn from nothing, and a test with the same gap does not even ask. Macro accuracy must be taken
# over the values that *should* occur, on test data that have them. [Lesson 09](09_know_when_it_fails.ipynb) keeps
# combinations out and asks about them.
#
# In a whole run, `cvq train shapes3d --set value_weights=object_hue=zipf:2 --set resample=1` trains both parts on
# such data, the autoencoder too. Its `metrics.json` is always measured on even test data, and has the skewed test
# (`retrieval.skewed`) and the accuracy of each value (`retrieval.per_value`) beside it.

# %% [markdown]
# ## Exercises
#
# **1. Warm-up \*** (2 minutes). Four shapes have shares of 0.7, 0.1, 0.1 and 0.1. Somebody always names the most
# frequent one. What is the macro accuracy over the four?

# %% tags=["stub"]
macro_of_the_majority = None  # your answer, a number

# %% tags=["solution"]
macro_of_the_majority = (1 + 0 + 0 + 0) / 4

# %% tags=["nbval-check-output"]
check.macro_of_the_majority(macro_of_the_majority)

# %% [markdown]
# **2. Core \*\*** (10 minutes). Write `chances_to_draw(column, strength)`: for integers (n,), chances (n,) that add up to
# one; strength 1 makes the values equally frequent, 0 leaves all rows alike, 0.5 lies between: the
# inverse of the count, to the power of the strength. Then train once more with
# `balanced**0.5`, made to add up to one. Expected: the rare hues come back about as far, and red stays near 1.


# %% tags=["stub"]
def chances_to_draw(column, strength):
    return None  # your lines


# %% tags=["solution"]
def chances_to_draw(column, strength):
    chances = np.bincount(column)[column] ** -float(strength)
    return chances / chances.sum()


# %% tags=["nbval-check-output"]
check.chances_to_draw(chances_to_draw)

# %% [markdown]
# **3. Stretch \*\*\*** (12 minutes). What is a sample worth in which row i is drawn with chance p[i]? Four rows with equal
# chances are worth 4; if one has all the chance, 1. Kish: the squared sum of the chances over the sum of their squares.
# Write `worth_of_a_sample(p)` for p (n,), and plot it for strengths from 0 to 1. Expected: with `true` as
# the column it falls from 3000 to between 500 and 600.


# %% tags=["stub"]
def worth_of_a_sample(p):
    return None  # your line


# %% tags=["solution"]
def worth_of_a_sample(p):
    return p.sum() ** 2 / (p**2).sum()


# %% tags=["nbval-check-output"]
check.worth_of_a_sample(worth_of_a_sample)

# %% [markdown]
# ## Take away
#
# * Plain accuracy on skewed data praises whoever knows the frequent values. Report macro accuracy, and each value.
# * A test that is skewed like the training data cannot show what was not learned. Test evenly.
# * What is rare is learned badly or late: the rare hues were named far worse, and the frequent ones hid it.
# * Resampling brought the rare hues back; it costs effective size, and what was frequent may suffer.
# * It cannot bring back what never occurs.
#
# **What this does not show.** Training here is short on purpose, with one seed. More steps see the rare rows more
# often, too: run it with `-p steps 1000` and see how much is left to cure. The autoencoder saw even data here; what
# it does to images of rare hues if it does not was not measured. One factor was skewed, a simple one. That rare
# shapes or rare *combinations* come back as easily does not follow.
#
# ## Questions
#
# <details><summary>On the skewed test the two models were close. Why is that no contradiction?</summary>
#
# The five rare hues make up less than a tenth of that test, and it is mostly the edits of the hue that suffer, one in
# six. Even if all of those were wrong, plain accuracy would fall by less than two points. Any further difference is
# the noise of 1200 pairs and of two trainings.
#
# </details>
#
# <details><summary>Instead of drawing rare rows more often, one can multiply their loss. Is that the same?</summary>
#
# In expectation the gradient is the same. In a batch it is not: a weight of 50 on one row in a hundred batches makes a
# few huge steps, drawing it often makes many small ones. That is why drawing is the default here.
#
# </details>
#
# <details><summary>Your users will send data as skewed as your training data. Should you resample?</summary>
#
# Not for the accuracy they will measure. Yes, if a mistake on a rare value matters as much as one on a frequent
# one. It is a question about what an error costs, not about statistics.
#
# </details>
#
# ## References
#
# * Gendron, Witbrock, Dobbie, IJCAI 2023, [arXiv 2302.00869](https://arxiv.org/abs/2302.00869): action retrieval under
#   imbalanced data is one of its questions.
# * Deming, Stephan: *On a Least Squares Adjustment of a Sampled Frequency Table*, Annals of Mathematical
#   Statistics 1940: raking.
# * Kish: *Survey Sampling*, Wiley 1965: effective sample size.
#
# Next: [measure disentanglement](08_measure_disentanglement.ipynb).
