"""Recipes: every number that a training run needs, as frozen data.

A recipe is all that a run depends on besides the world and the seed. `get("lesson",
autoencoder_steps=500)` overrides by name and refuses a name that does not exist, so that a typing
error cannot pass for an experiment.

The settings stand in four parts, and each says what it means: `AutoencoderSettings` and
`DataSettings` are all that the first phase hangs on, `TransitionSettings` come to it in the second,
`EvaluationSettings` change no weight. Every setting has a flat name too, by which it is overridden,
written to JSON and read (`recipe.edge_price`): its own, or, where two parts have one of that name,
with the part before it (`autoencoder_steps`, `transition_steps`).

* `nano`: seconds, for tests and for cells that train before the reader's eyes; it shows mechanisms,
  not quality;
* `lesson`: minutes on two cores; the numbers in the README are its;
* `paper`: the same method with more of everything, for one GPU;
* `fine`: `lesson` with codes of 4 x 4 pixels, trained on pairs, for worlds where an edit is a few
  pixels. A step costs about half as much again in the first phase, twice as much in the second;
  long runs repay it, short ones do not (`figures/measured.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.data.augment import AUGMENTS
from cvq_tutorial.data.sampling import Sampling
from cvq_tutorial.method.autoencoder import PATCH
from cvq_tutorial.method.causal_transition import CausalTransition
from cvq_tutorial.method.published import SWITCHES, Variant

MOST_CODES = 2**15  # codes of a data set are kept as int16
RETIRED = {"retrieval_weight": 0.0}  # settings that are no more, at the value that did nothing
# Settings that the first run folders did not have yet.
YOUNGER = (
    "value_weights",
    "factor_weights",
    "correlations",
    "held_out",
    "resample",
    "augment",
    "edge_worth",
    "cause_dropout",
    "actions",
    "action_codes",
    "patch",
    "pair_weight",
    "action_pieces",
)


def setting(default: object, meaning: str, **limits: object) -> Any:
    """A field of a recipe. limits: `least`, `most`, `multiple` of a number, `one_of` for a text."""
    return field(default=default, metadata={"meaning": meaning, **limits})


@dataclass(frozen=True)
class Settings:
    """A part of a recipe. Whole numbers are 1 or more, others finite and not negative.

    Raises TypeError or ValueError, with the flat name of the setting, for what is not.
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            what, found = f"recipe {_flat(type(self), f.name)}", getattr(self, f.name)
            checked = _checked(what, found, str(f.type), f.metadata)
            object.__setattr__(self, f.name, checked)


@dataclass(frozen=True)
class AutoencoderSettings(Settings):
    """The first phase: pictures to codes and back."""

    patch: int = setting(
        PATCH, "pixels on a side of one place of the map; with 4, four places make a node",
        one_of=(4, PATCH),
    )  # fmt: skip
    codebooks: int = setting(4, "of a place, side by side; each has its slice of a vector")
    codes: int = setting(64, "K, codes in each of them", least=2, most=MOST_CODES)
    code_width: int = setting(64, "numbers of a vector, all slices together: a multiple of C")
    decoder_width: int = setting(96, "channels of the decoder", least=2)
    decoder_blocks: int = setting(3, "residual blocks of the decoder")
    commitment: float = setting(0.25, "weight of the pull of the encoder to its codes")
    warmup_share: float = setting(
        0.1, "share of the steps in which the map passes unquantised, so that the codebooks start "
        "from vectors that mean something", most=1,
    )  # fmt: skip
    steps: int = setting(3000, "of training")
    batch: int = setting(32, "pictures in a step")
    lr: float = setting(2e-3, "highest learning rate of AdamW")
    pair_weight: float = setting(
        0.0, "weight of the difference that a transition makes, drawn too: pictures come in pairs; "
        "0 asks none and draws them one by one",
    )  # fmt: skip
    rule: str = setting(
        "ema", "how codes follow their vectors, see `published`", one_of=SWITCHES["rule"]
    )
    slices: str = setting(
        "split", "which part each codebook sees, see `Quantizer`", one_of=SWITCHES["slices"]
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.code_width % self.codebooks:
            raise ValueError(
                f"recipe code_width: a multiple of codebooks={self.codebooks}, "
                f"found {self.code_width}"
            )
        if self.pair_weight and self.batch % 2:
            raise ValueError(
                f"recipe autoencoder_batch: even with a pair_weight, found {self.batch}"
            )


@dataclass(frozen=True)
class DataSettings(Settings):
    """What both phases learn from. Texts of an imbalance are in the form that `sampling` shows."""

    transitions: int = setting(40_000, "pairs of pictures, drawn and encoded once")
    value_weights: str = setting("uniform", "which values of the factors are frequent")
    factor_weights: str = setting("uniform", "which factors are edited often")
    correlations: str = setting("", "which factors go together")
    held_out: str = setting("", "combinations of values that never occur")
    resample: float = setting(
        0.0, "share of the imbalance that drawing with other chances undoes, see `balance`", most=1
    )
    augment: str = setting(
        "none", "how pictures of the training, and no others, are moved", one_of=AUGMENTS
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.sampling  # raises for what it does not know

    @property
    def sampling(self) -> Sampling | None:
        """How the training data are drawn; None where they are balanced."""
        wanted = Sampling.from_text(
            self.value_weights, self.factor_weights, self.correlations, self.held_out
        )
        return None if wanted == Sampling() else wanted


@dataclass(frozen=True)
class TransitionSettings(Settings):
    """The second phase: codes and an action to the codes after it."""

    width: int = setting(96, "numbers that describe a node", multiple=CausalTransition.HEADS)
    reads: int = setting(2, "how often a node reads its causes")
    steps: int = setting(4000, "of training")
    batch: int = setting(32, "transitions in a step")
    lr: float = setting(2.5e-3, "highest learning rate of AdamW")
    mask_price: float = setting(0.1, "nats per set code")
    edge_price: float = setting(0.02, "nats per edge into a set node")
    price_warmup: float = setting(
        0.4, "share of the steps over which both prices rise from 0", most=1
    )
    prune_tolerance: float = setting(
        0.0, "nats that cutting edges after training may cost an effect; 0 cuts none"
    )
    prune_transitions: int = setting(64, "per action, to judge by what may be cut")
    edge_worth: float = setting(
        0.0, "nats that an edge must cost when it alone is cut, or it goes, see `edges`; 0 asks "
        "none",
    )  # fmt: skip
    cause_dropout: float = setting(
        0.0, "share of a batch whose effects each miss a random share of their causes, once "
        "the prices are up", most=1,
    )  # fmt: skip
    layout: str = setting(
        "places", "what a node is: a place, or, as published, a place of one codebook",
        one_of=SWITCHES["layout"],
    )  # fmt: skip
    actions: str = setting(
        "named", "who says what an action is: the world, or none: they are learnt from the pairs, "
        "see `unnamed`", one_of=("named", "none"),
    )  # fmt: skip
    action_codes: int = setting(16, "M, of unnamed actions: how many codes there are for them")
    action_pieces: str = setting(
        "joined", "codes that are pieces of one unnamed action become one, or stay apart",
        one_of=("joined", "apart"),
    )  # fmt: skip
    variant: Variant = field(default=Variant())
    """The published switches of the transition."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.actions == "none" and self.variant != Variant():
            raise ValueError(
                "recipe actions: 'none' learns actions with our transition, expected no published "
                f"switch, found {self.variant}"
            )


@dataclass(frozen=True)
class EvaluationSettings(Settings):
    """What a trained model is measured by, always on balanced data; no weight hangs on it."""

    test_transitions: int = setting(2400, "of the test split")
    judge_steps: int = setting(300, "of training for the judge of decoded pictures")


PARTS: dict[str, type[Settings]] = {
    "autoencoder": AutoencoderSettings,
    "data": DataSettings,
    "transition": TransitionSettings,
    "evaluation": EvaluationSettings,
}


def _flat(part: type, name: str) -> str:
    """The flat name of a setting of a part."""
    shared = sum(name in (f.name for f in fields(kind)) for kind in PARTS.values()) > 1
    return f"{next(p for p, kind in PARTS.items() if kind is part)}_{name}" if shared else name


# Flat name -> where the setting stands, such as ("transition", "steps").
SETTINGS: dict[str, tuple[str, ...]] = {
    _flat(kind, f.name): (part, f.name)
    for part, kind in PARTS.items()
    for f in fields(kind)
    if f.name != "variant"
} | {f.name: ("transition", "variant", f.name) for f in fields(Variant)}


def _checked(what: str, value: Any, kind: str, limits: Mapping[str, Any]) -> Any:
    """The value of a setting; a whole number given for a float is that float."""
    kinds: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "Variant": Variant}
    if isinstance(value, bool) or not isinstance(value, kinds[kind]):
        raise TypeError(f"{what}: expected {kind}, found {value!r}")
    if kind == "int":
        least, most = limits.get("least", 1), limits.get("most", value)
        if value < least:
            raise ValueError(f"{what}: must be at least {least}, found {value}")
        if value > most:
            raise ValueError(f"{what}: at most {most}, found {value}")
        if value % limits.get("multiple", 1):
            raise ValueError(f"{what}: a multiple of {limits['multiple']}, found {value}")
    if kind == "float":
        if not 0 <= value < float("inf"):
            raise ValueError(f"{what}: must be finite and not negative, found {value}")
        if value > limits.get("most", value):
            raise ValueError(f"{what}: a share in [0, 1], found {value}")
        return float(value)
    if value not in limits.get("one_of", (value,)):
        raise ValueError(f"{what}: one of {limits['one_of']}, found {value!r}")
    return value


@dataclass(frozen=True, init=False)
class Recipe:
    """All settings of one run, in four parts.

    `Recipe("mine", edge_price=0.1)` takes settings by their flat names, whole parts, or both, and
    so does `dataclasses.replace`. Settings that are no more are let go where they did nothing.

    Raises TypeError or ValueError, in one line, for an unknown name or a bad value.
    """

    name: str
    autoencoder: AutoencoderSettings
    data: DataSettings
    transition: TransitionSettings
    evaluation: EvaluationSettings

    def __init__(self, name: str, **settings: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"recipe name: expected str, found {name!r}")
        changes: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
        switches: dict[str, Any] = {}
        parts = {part: settings.pop(part, kind()) for part, kind in PARTS.items()}
        for key, value in current(settings).items():
            if key not in SETTINGS:
                raise ValueError(close_match("recipe setting", key, SETTINGS))
            part, *inside = SETTINGS[key]
            (switches if len(inside) == 2 else changes[part])[inside[-1]] = value
        object.__setattr__(self, "name", name)
        for part, kind in PARTS.items():
            if not isinstance(parts[part], kind):
                found = parts[part]
                raise TypeError(f"recipe {part}: expected {kind.__name__}, found {found!r:.80}")
            if part == "transition" and switches:
                changes[part]["variant"] = replace(parts[part].variant, **switches)
            object.__setattr__(self, part, replace(parts[part], **changes[part]))

    def __getattr__(self, name: str) -> Any:
        """A setting by its flat name."""
        if name not in SETTINGS:
            raise AttributeError(f"a recipe has no {name!r}")
        found: Any = self
        for step in SETTINGS[name]:
            found = getattr(found, step)
        return found

    @property
    def sampling(self) -> Sampling | None:
        """How the training data are drawn; None where they are balanced."""
        return self.data.sampling

    def first_phase(self) -> dict[str, Any]:
        """The settings that the weights of the autoencoder hang on, by their flat names."""
        parts = ("autoencoder", "data")
        told = {flat: getattr(self, flat) for flat, at in SETTINGS.items() if at[0] in parts}
        if self.sampling is None and not self.data.resample:
            del told["transitions"]  # balanced pictures are drawn anew for each step
        return told

    def to_json(self) -> dict[str, Any]:
        """Plain dict of the name and all flat names, the inverse of `Recipe(**...)`."""
        return {"name": self.name} | {flat: getattr(self, flat) for flat in SETTINGS}


def current(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by flat names, without those that are no more.

    Raises ValueError if one of these has a value that did something.
    """
    for key, nothing in RETIRED.items():
        if settings.get(key, nothing) != nothing:
            raise ValueError(
                f"recipe {key}: no longer a setting, expected none or {nothing}, "
                f"found {settings[key]!r}"
            )
    return {key: value for key, value in settings.items() if key not in RETIRED}


def grown(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as JSON of any version has them, as those of this version: younger ones at their
    defaults, but for unnamed actions of before their pieces were joined. Raises as `current`.
    """
    usual = {key: getattr(_LESSON, key) for key in YOUNGER}
    if settings.get("actions") == "none":
        usual["action_pieces"] = "apart"
    return usual | current(settings)


_NANO = Recipe(
    "nano", codebooks=2, codes=16, code_width=16, decoder_width=32, decoder_blocks=1,
    warmup_share=0.5, autoencoder_steps=480, autoencoder_batch=16, autoencoder_lr=4e-3,
    transitions=2000, width=32, reads=1, transition_steps=160, transition_batch=32,
    prune_transitions=4, test_transitions=200, judge_steps=40,
)  # fmt: skip
_LESSON = Recipe("lesson")
_PAPER = Recipe(
    "paper", codes=128, code_width=128, decoder_width=256, decoder_blocks=6,
    autoencoder_steps=40_000, autoencoder_batch=256, autoencoder_lr=1e-3,
    transitions=400_000, width=256, reads=3, transition_steps=40_000, transition_batch=256,
    transition_lr=1e-3, test_transitions=20_000, judge_steps=5_000,
)  # fmt: skip
_FINE = Recipe(
    "fine", patch=4, codebooks=1, codes=512, decoder_width=64, pair_weight=0.1,
)  # fmt: skip
RECIPES = {r.name: r for r in (_NANO, _LESSON, _PAPER, _FINE)}

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
    # Own pictures are few, too; mirrored, they would teach the wrong side where a factor has one.
    ("pictures", "nano"): {"augment": "shift"},
    ("pictures", "lesson"): {"augment": "shift", "transition_lr": 1.2e-3},
    ("pictures", "paper"): {"augment": "shift"},
}
# What holds for `lesson` holds for `fine`, but for how long a step is.
_FOR_WORLD |= {(world, "fine"): v for (world, name), v in _FOR_WORLD.items() if name == "lesson"}
_FOR_WORLD["sprites", "fine"] = _FOR_WORLD["sprites", "lesson"] | {
    "autoencoder_steps": 4000,
    "transition_steps": 6000,
}


def get(name: str, world: str | None = None, /, **overrides: object) -> Recipe:
    """The recipe `name`, adjusted to `world` where that needs it, with settings overridden by name.

    Raises ValueError for an unknown recipe or setting (close names are given), TypeError or
    ValueError for a bad value.
    """
    if name not in RECIPES:
        raise ValueError(close_match("recipe", name, RECIPES))
    for key in overrides:
        if key not in SETTINGS and key not in RETIRED:
            raise ValueError(close_match("recipe setting", key, SETTINGS))
    return replace(RECIPES[name], **{**_FOR_WORLD.get((world or "", name), {}), **overrides})
