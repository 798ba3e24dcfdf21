"""Recipes: every number that a training run needs, as frozen data.

A recipe is all that a run depends on besides the world and the seed. `get("lesson",
autoencoder_steps=500)` overrides by name and refuses a name that does not exist, so that a typing
error cannot pass for an experiment.

* `nano`: seconds, for tests and for cells that train before the reader's eyes; it shows mechanisms,
  not quality;
* `lesson`: minutes on two cores; the numbers in the README are its;
* `paper`: the same method with more of everything, for one GPU.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.data.augment import AUGMENTS
from cvq_tutorial.data.sampling import Sampling
from cvq_tutorial.method.causal_transition import CausalTransition
from cvq_tutorial.method.published import SWITCHES, Variant

MOST_CODES = 2**15  # codes of a data set are kept as int16


@dataclass(frozen=True)
class Recipe:
    """All settings of one run. Counts are positive integers, prices are nats, learning rates are of
    AdamW.

    Autoencoder: `codebooks` C, `codes` K, `code_width` D (a multiple of C), `decoder_width`,
    `decoder_blocks`, `commitment` weight of the pull of the encoder to its codes, `warmup_share` of
    the steps before the codebooks start (the map passes unquantised, so the codebooks start from
    vectors that already mean something). Transition: `transitions` pairs encoded once, `width`,
    `reads` (how often a node reads its causes), `mask_price` (nats per set code) and `edge_price`
    (nats per edge into a set node), both rising from 0 over the first `price_warmup` of the steps;
    `retrieval_weight` of the optional cross-entropy of the action posterior. `prune_tolerance`
    (nats that cutting edges may cost an effect; 0 = no pruning), `prune_transitions` per action to
    judge by. Codes worlds have no autoencoder; their sizes come from the world. Variants: `rule`,
    `slices`, `layout` (nodes are "places", or the published "codebook_places":
    one node per codebook and place), and those of `published.Variant`. Imbalance of the training
    data: `value_weights`, `factor_weights`, `correlations`, `held_out`, texts as in `sampling`;
    `resample` is the cure, the share of the imbalance that drawing with other chances undoes (see
    `balance`). Few pictures: `augment` moves those of the training, and no others (see `augment`).
    Evaluation, always balanced: `test_transitions`, `judge_steps`.
    """

    name: str
    # autoencoder
    codebooks: int = 4
    codes: int = 64
    code_width: int = 64
    decoder_width: int = 96
    decoder_blocks: int = 3
    commitment: float = 0.25
    warmup_share: float = 0.1
    autoencoder_steps: int = 3000
    autoencoder_batch: int = 32
    autoencoder_lr: float = 2e-3
    # transition
    transitions: int = 40_000
    width: int = 96
    reads: int = 2
    transition_steps: int = 4000
    transition_batch: int = 32
    transition_lr: float = 2.5e-3
    mask_price: float = 0.1
    edge_price: float = 0.02
    price_warmup: float = 0.4
    retrieval_weight: float = 0.0
    prune_tolerance: float = 0.0
    prune_transitions: int = 64
    # published variants
    rule: str = "ema"
    slices: str = "split"
    layout: str = "places"
    retrieval: str = "sum"
    eval_edges: str = "threshold"
    unset: str = "copy"
    scores: str = "bilinear"
    action_node: str = "none"
    # imbalance of the training data
    value_weights: str = "uniform"
    factor_weights: str = "uniform"
    correlations: str = ""
    held_out: str = ""
    resample: float = 0.0
    # few pictures
    augment: str = "none"
    # evaluation
    test_transitions: int = 2400
    judge_steps: int = 300

    def __post_init__(self) -> None:
        for f in fields(self):
            value: Any = getattr(self, f.name)
            kind: Any = {"int": int, "float": (int, float), "str": str}[str(f.type)]
            if isinstance(value, bool) or not isinstance(value, kind):
                raise TypeError(f"recipe {f.name}: expected {f.type}, found {value!r}")
            if f.type == "int" and value < 1:
                raise ValueError(f"recipe {f.name}: must be at least 1, found {value}")
            if f.type == "float" and not 0 <= value < float("inf"):
                raise ValueError(f"recipe {f.name}: must be finite and not negative, found {value}")
        for name, known in (
            *((name, SWITCHES[name]) for name in ("rule", "slices", "layout")),
            ("augment", AUGMENTS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"recipe {name}: one of {known}, found {getattr(self, name)!r}")
        for name in ("warmup_share", "price_warmup", "resample"):
            if getattr(self, name) > 1:
                raise ValueError(f"recipe {name}: a share in [0, 1], found {getattr(self, name)}")
        for name, least in (("codes", 2), ("decoder_width", 2)):
            if getattr(self, name) < least:
                found = getattr(self, name)
                raise ValueError(f"recipe {name}: must be at least {least}, found {found}")
        if self.codes > MOST_CODES:
            raise ValueError(f"recipe codes: at most {MOST_CODES}, found {self.codes}")
        if self.width % CausalTransition.HEADS:
            raise ValueError(
                f"recipe width: a multiple of {CausalTransition.HEADS}, found {self.width}"
            )
        if self.code_width % self.codebooks:
            raise ValueError(
                f"recipe code_width: a multiple of codebooks={self.codebooks}, "
                f"found {self.code_width}"
            )
        _ = self.variant, self.sampling  # raise for what they do not know

    @property
    def variant(self) -> Variant:
        """The published switches of the transition."""
        return Variant(**{f.name: getattr(self, f.name) for f in fields(Variant)})

    @property
    def sampling(self) -> Sampling | None:
        """How the training data are drawn; None where they are balanced."""
        wanted = Sampling.from_text(
            self.value_weights, self.factor_weights, self.correlations, self.held_out
        )
        return None if wanted == Sampling() else wanted

    def to_json(self) -> dict:
        """Plain dict, the inverse of `Recipe(**...)`."""
        return asdict(self)


_NANO = Recipe(
    "nano",
    codebooks=2,
    codes=16,
    code_width=16,
    decoder_width=32,
    decoder_blocks=1,
    warmup_share=0.5,
    autoencoder_steps=480,
    autoencoder_batch=16,
    autoencoder_lr=4e-3,
    transitions=2000,
    width=32,
    reads=1,
    transition_steps=160,
    transition_batch=32,
    test_transitions=200,
    prune_transitions=4,
    judge_steps=40,
)
_LESSON = Recipe("lesson")
_PAPER = Recipe(
    "paper",
    codes=128,
    code_width=128,
    decoder_width=256,
    decoder_blocks=6,
    autoencoder_steps=40_000,
    autoencoder_batch=256,
    autoencoder_lr=1e-3,
    transitions=400_000,
    width=256,
    reads=3,
    transition_steps=40_000,
    transition_batch=256,
    transition_lr=1e-3,
    test_transitions=20_000,
    judge_steps=5_000,
)
RECIPES = {r.name: r for r in (_NANO, _LESSON, _PAPER)}

# What a world needs differently from the others: (world, recipe) -> changed settings.
_FOR_WORLD: dict[tuple[str, str], dict] = {
    # Few nodes, each edge necessary or not: what cutting an edge costs tells them apart exactly. On
    # images many places say the same, and 32 transitions per action were too few to tell which of
    # them can go (test nll 109 -> 117 nats), so there it is off.
    ("codes", "nano"): {"prune_tolerance": 0.02, "transition_steps": 300},
    ("codes", "lesson"): {"prune_tolerance": 0.02, "transition_steps": 2500},
    ("codes", "paper"): {"prune_tolerance": 0.02, "width": 128, "transition_steps": 10_000},
    # Nine factors, more pictures than can be seen: more of everything. With 8000 transition steps
    # the macro action accuracy on visible edits was 0.925, with 12,000 it was 0.933.
    ("sprites", "lesson"): {
        "autoencoder_steps": 5000,
        "transitions": 100_000,
        "transition_steps": 8000,
        "judge_steps": 600,
    },
    # The usual rate broke down as the prices rose: held-out action accuracy 0.95, then 0.15.
    # 32 x 32 positions take the judge longer to read: with 300 steps it had all factors of a true
    # picture right in 0.011, with 1500 in 0.335.
    ("dsprites", "lesson"): {"transition_lr": 1.2e-3, "judge_steps": 1500},
    # 3200 pictures to learn from, and 46 actions.
    ("faces", "lesson"): {"augment": "mirror_shift", "transition_lr": 1.2e-3},
}


def get(name: str, world: str | None = None, /, **overrides: object) -> Recipe:
    """The recipe `name`, adjusted to `world` where that needs it, with settings overridden by name.

    Raises ValueError for an unknown recipe or setting (close names are given), TypeError or
    ValueError for a bad value.
    """
    if name not in RECIPES:
        raise ValueError(close_match("recipe", name, RECIPES))
    known = [f.name for f in fields(Recipe) if f.name != "name"]
    for key in overrides:
        if key not in known:
            raise ValueError(close_match("recipe setting", key, known))
    return replace(RECIPES[name], **{**_FOR_WORLD.get((world or "", name), {}), **overrides})
