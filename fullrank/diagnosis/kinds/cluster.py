"""Clusters: a few tight clusters and nothing between them; with labels, classes that are one point each."""

from __future__ import annotations

from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule, having

CROWDED = 2.5  # ours: times the crowding of a Gaussian cloud; healthy sets have up to 2.2, clusters 5 and more
BAND = 0.03  # ours: of samples of 2,048 of 6,000 rows, six standard deviations of the contrast by their seeds

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
        Remedy(
            "add an instance-level loss, such as SimCLR's", "fullrank train simclr", of=("two-branch", "contrastive")
        ),
        Remedy(
            "spread the directions, by a flag of `fullrank train`", "--uniformity 1", of=("two-branch", "contrastive")
        ),
        _SPREAD,
        Remedy("keep neighbors apart", 'loss = loss + 0.1 * fullrank.losses.koleo(views)["loss"]'),
    ),
    "The relative contrast falls towards that of a Gaussian cloud of this spectrum, and the crowding towards 1.",
)

_CLASSES = Advice(
    "Each class has collapsed to a point: good for a closed set of classes; transfer and fine retrieval suffer.",
    (Cause("trained to the end on these classes", "NC1 (variance within classes) fell, the accuracy did not rise"),),
    (_SPREAD,),
    "NC1 rises above 0.1 on classes that were not trained on.",
)

RULES = (
    Rule(
        "clusters",
        "cluster",
        (
            Evidence(
                Graded("relative_contrast", "above", 4.0, 10.0, band=BAND),  # the failing value is ours
                "the median distance is {relative_contrast:.1f} times that of nearest neighbors, and rows crowd "
                "{crowding:.1f} times as tightly as in a Gaussian cloud of this spectrum",
                (Gate("crowding", "above", CROWDED, band=BAND),),
            ),
        ),
        _CLUSTERS,
        title="to a few points",
        least=16,
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
