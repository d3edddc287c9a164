"""Modality gap: two groups, such as images and texts, that lie apart."""

from __future__ import annotations

from fullrank.diagnosis.kinds.cluster import APART, BAND, TWO_GROUPS
from fullrank.diagnosis.kinds.duplicates import MANY
from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule

_MODALITIES = Advice(
    "The two modalities live apart, and the gap hides matches: retrieval is better once each modality is centered.",
    (
        Cause(
            "two untrained encoders start in two cones, and a low temperature keeps them there", "it is there at step 0"
        ),
        Cause("one modality has too few or mismatched pairs", "retrieval is poor after centering, too"),
    ),
    (
        Remedy("center each modality with its own mean, at inference", "views = views - views.mean(1, keepdim=True)"),
        Remedy(
            "keep a learned temperature at 0.02 or more",
            "with torch.no_grad():\n    logit_scale.clamp_(max=math.log(50))",
        ),
        Remedy("share the last projection", "projection = torch.nn.Linear(z.shape[1], z.shape[1])"),
    ),
    "Retrieval without centering reaches that with it; a distance of zero is not an aim.",
)

_GROUPS = Advice(
    "Two groups that differ in one direction dominate every comparison across them.",
    (
        Cause(
            "they are two modalities, sources or languages", "the sign of the first component tells the group of a row"
        ),
        Cause(
            "half of the rows were processed differently (another pooling, prefix or normalization)",
            "look at the order of the rows in the file",
        ),
    ),
    (
        Remedy(
            "center each group (N,) with its own mean",
            "for one in group.unique():\n    z[group == one] -= z[group == one].mean(0)",
        ),
    ),
    "The first direction has no two peaks any more.",
)

_SEVERAL = Advice(
    "Groups that lie apart decide every comparison across them.",
    (
        Cause("they are the classes", "the group of a row tells its class", of=("classification", "metric learning")),
        Cause("they are sources, languages or batches of the data", "the group of a row tells its source"),
    ),
    _GROUPS.remedies,
    "The first directions have no two peaks any more.",
)

_NO_CLUSTERS = Gate("neighbor_jump", "below", round(APART * (1 + BAND), 2), or_missing=True)  # where they are sure

_NOT_ONE_VECTOR = Gate("commonest_row", "below", MANY, or_missing=True)  # or it is one of the two groups

RULES = (
    Rule(
        "modality gap",
        "modality gap",
        (
            Evidence(
                Graded("gap_gain", "above", 0.02),  # ours
                "the two means are {gap_distance:.2f} apart, {gap_separable:.0%} of the rows lie on the side of their "
                "modality, and retrieval gains {gap_gain:.1%} when each modality is centered",
                (Gate("gap_separable", "above", 0.99),),
            ),
        ),
        _MODALITIES,
        least=16,
        most="warn",
        silences=("modality gap of two groups", "head-dominated spectrum", "dimensional collapse", "cone", "hubs"),
        because="the gap between the modalities causes it",
    ),
    Rule(
        "modality gap of two groups",
        "modality gap",
        (
            Evidence(
                Graded("bimodality", "above", TWO_GROUPS),
                "the rows form two groups along the first direction (1 / kurtosis {bimodality:.2f}; a normal has 0.33)",
                (Gate("side_bimodality", "below", TWO_GROUPS, or_missing=True), _NO_CLUSTERS, _NOT_ONE_VECTOR),
            ),
        ),
        _GROUPS,
        least=16,
        most="warn",
        silences=("head-dominated spectrum", "cone", "hubs"),
        because="two groups, such as two modalities, cause it",
    ),
    Rule(
        "several groups",
        "cluster",
        (
            Evidence(
                Graded("bimodality", "above", TWO_GROUPS),
                "the rows form two groups along the first direction, and at least one of these falls into two again "
                "(1 / kurtosis {bimodality:.2f} and {side_bimodality:.2f}; a normal has 0.33)",
                (Gate("side_bimodality", "above", TWO_GROUPS), _NO_CLUSTERS),
            ),
        ),
        _SEVERAL,
        least=16,
        most="warn",
        silences=("head-dominated spectrum", "cone", "hubs"),
        because="the groups cause it: their centers span few directions",
    ),
)
