"""What an objective changes: which rules may fail, which only warn or note, and which thresholds differ."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fullrank.diagnosis.kinds.cluster import JUMPS
from fullrank.diagnosis.kinds.complete import COSINE_FAILS, COSINE_WARNS
from fullrank.diagnosis.kinds.dimensional import SHARE_WARNS
from fullrank.diagnosis.kinds.duplicates import MOST
from fullrank.diagnosis.rule import Gate, Objective, Severity
from fullrank.errors import UserError, suggest

Thresholds = tuple[float, float | None]  # warn, fail


@dataclass(frozen=True)
class Profile:
    """What made the embeddings: the most that each rule may say (rules that it does not name: their own), and
    thresholds.

    No rule lets a cone, hubs or a modality gap fail: each can be what the objective makes on purpose, and only a
    baseline tells.

    Attributes:
        thresholds: Its own thresholds, by rule and measurement.
        shown: Gates by rule, all of which must be open for `most` to hold.
        labels_tell: Rules that it makes a note of, although they are the worst that the rule knows; they are
            undetermined until labels are passed.
    """

    name: str
    about: str
    objective: Objective | None = None
    most: dict[str, Severity] = field(default_factory=dict)
    thresholds: dict[tuple[str, str], Thresholds] = field(default_factory=dict)
    labels_tell: bool = False
    shown: dict[str, tuple[Gate, ...]] = field(default_factory=dict)


UNTOLD = "training on classes causes this too: pass the labels (--labels, labels=) to tell it from a collapse"
_POINT = ("complete collapse", "mean_cosine")
_NO_COSINE: dict[tuple[str, str], Thresholds] = {_POINT: (1.0, None)}  # a cone of .99 is usual before fine-tuning
_OF_CLASS = 0.5  # ours: label_gain from which clusters are the classes
_UNTRAINED = 0.7  # ours: variation of the norms, from which the tight rows may be those that were never trained
_TIGHT = (  # clusters and, if labels tell, classes, between which the directions lie
    Gate("neighbor_jump", "above", JUMPS),
    Gate("nc1", "below", 0.1, or_missing=True),
)
_MONITOR: dict[tuple[str, str], Thresholds] = {_POINT: (COSINE_WARNS, COSINE_FAILS)}  # what the training monitor says

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("generic", "embeddings of which nothing is known"),
        Profile(
            "contrastive",
            "trained with negatives (SimCLR, MoCo, InfoNCE)",
            "contrastive",
            thresholds=_MONITOR,
        ),
        Profile(
            "non-contrastive",
            "trained without negatives (BYOL, SimSiam, VICReg, DINO, JEPA)",
            "two-branch",
            thresholds=_MONITOR,
        ),
        Profile(
            "supervised",
            "trained on classes: tight clusters are the aim for a closed set, and as many directions as classes",
            "classification",
            {
                **dict.fromkeys(
                    ("clusters", "dimensional collapse", "modality gap of two groups", "several groups"), "note"
                ),
                **dict.fromkeys(("copied dimensions", "dimensions that outweigh the rest"), "note"),
                "dead dimensions": "warn",
            },
            {("head-dominated spectrum", name): (math.inf, None) for name in ("head_weight", "head_gap")},
            labels_tell=True,
            shown={
                "clusters": (Gate("label_gain", "above", _OF_CLASS, or_missing=True),),
                "copied dimensions": (Gate("rank_share", "below", SHARE_WARNS), *_TIGHT),
                "dimensions that outweigh the rest": _TIGHT,
            },
        ),
        Profile(
            "text",
            "sentence or token embeddings: cones and rogue dimensions are usual",
            "language model",
            {"cone": "note", "dimensions that outweigh the rest": "warn"},
            _NO_COSINE,
        ),
        Profile(
            "clip",
            "two modalities that share a space; pass both as two views",
            "contrastive",
            dict.fromkeys(
                (
                    *(
                        "modality gap of two groups",
                        "several groups",
                        "dimensions that outweigh the rest",
                        "head-dominated spectrum",
                    ),
                    "cone",
                ),
                "note",
            ),
            _NO_COSINE,
        ),
        Profile(
            "recsys",
            "tables of item or user embeddings: rare rows stay near their start, popular ones are hubs, and rows of "
            "one history are equal",
            "recommender",
            {
                **dict.fromkeys(("one vector for many rows", "duplicate rows", "hubs"), "note"),
                **dict.fromkeys(("clusters", "dimensions that outweigh the rest"), "warn"),
            },
            _NO_COSINE,
            shown={
                "one vector for many rows": (Gate("commonest_row", "below", MOST),),
                "clusters": (Gate("norm_variation", "above", _UNTRAINED),),
            },
        ),
        Profile(
            "bio",
            "cells, sequences, molecules: clusters may be cell types, or donors and batches",
            "cells",
            {"clusters": "warn", "cone": "note"},
            _NO_COSINE,
        ),
    )
}


def find_profile(name: str) -> Profile:
    """A profile by its name; an unknown name raises a UserError.

    >>> find_profile("generik")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no profile 'generik': did you mean generic?
    """
    if name not in PROFILES:
        hint = suggest(name, PROFILES, otherwise=f"pass one of {', '.join(PROFILES)}.")
        raise UserError(f"There is no profile {name!r}: {hint}")
    return PROFILES[name]
