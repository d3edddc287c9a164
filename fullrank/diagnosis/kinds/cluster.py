"""Clusters: a few tight clusters and nothing between them; with labels, classes that are one point each."""

from __future__ import annotations

from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule, having

JUMPS, APART = 3.0, 10.0  # ours: an evenly spread set has at most 3, healthy sets up to 1.9, clusters 3.2 and more
TWO_GROUPS = 0.75  # ours, of 1 / kurtosis along the first direction; a uniform gives 0.56
BAND = 0.03  # ours: of a jump by the rows that are drawn

_SPREAD = Remedy("spread the directions", 'loss = loss + fullrank.losses.uniformity(views)["loss"]')

_CLUSTERS = Advice(
    "The embeddings are a few tight points: this suits a closed set of classes, but nothing finer can be told apart.",
    (
        Cause(
            "trained on the classes for too long",
            "with labels: the clusters are the classes",
            of=("classification", "metric learning"),
            proof=(Gate("nc1", "below", 0.1),),
        ),
        Cause(
            "only a few prototypes are used",
            "the entropy of the mean assignment is far below ln K",
            of=("two-branch",),
            needs=(having("has_prototypes"),),
        ),
        Cause(
            "the clusters are batches, donors or sources of the data",
            "the cluster tells the source better than it should",
        ),
        Cause("many inputs are equal", "the rows of one cluster come from different inputs"),
    ),
    (
        Remedy("add an instance-level loss, such as SimCLR's", "fullrank train simclr --like RUN", of=("two-branch",)),
        Remedy(
            "spread the directions, by a flag of `fullrank train`", "--uniformity 1", of=("two-branch", "contrastive")
        ),
        _SPREAD,
        Remedy("keep neighbors apart", 'loss = loss + 0.1 * fullrank.losses.koleo(views)["loss"]'),
    ),
    "The jump at the edge of clusters falls below 2.",
)

_CLASSES = Advice(
    "Each class has collapsed to a point: good for a closed set of classes; transfer and fine retrieval suffer.",
    (Cause("trained to the end on these classes", "NC1 (variance within classes) fell, the accuracy did not rise"),),
    (_SPREAD,),
    "NC1 rises above 0.1 on classes that were not trained on.",
)

_JUMP = (
    "rows lie in clusters with little between them: those outside of a cluster are {neighbor_jump:,.1f} times as far "
    "as those inside (evenly spread rows: at most 3)"
)

RULES = (
    Rule(
        "clusters",
        "cluster",
        (
            Evidence(
                Graded("neighbor_jump", "above", JUMPS, APART, band=BAND),
                _JUMP,
                (Gate("bimodality", "below", TWO_GROUPS, or_missing=True),),  # or they are two groups
            ),
            Evidence(Graded("neighbor_jump", "above", APART, APART, band=BAND), _JUMP),
        ),
        _CLUSTERS,
        title="to a few points",
        least=32,  # by chance 16 rows on a line jump up to 6 times, and 32 of them up to 2.9
        silences=(
            *("dimensional collapse", "head-dominated spectrum", "modality gap of two groups", "cone", "hubs"),
            *("copied dimensions",),
        ),
        because="the clusters cause it: their centers span few directions",
    ),
)

OF_CLASSES = (
    Rule(
        "collapsed classes",
        "cluster",
        (Evidence(Graded("nc1", "below", 0.1), "the variation within classes is {nc1:.1%} of that between them"),),
        _CLASSES,
        least=64,
        most="note",
    ),
)
