"""The doctor's table: which measurements, beyond which thresholds, mean which kind of collapse.

The words about each rule (why it matters, causes, remedies, how to verify) are in `advice`. The thresholds are those
of the project's survey: most were checked on synthetic clouds of known collapse, not on a population of trained
encoders; where ours differ, or are ours alone, the rule says so.
"""

from __future__ import annotations

from fullrank.diagnosis.rule import Evidence, Gate, Graded, Rule
from fullrank.diagnosis.verdict import (
    COSINE_FAILS,
    DECAY_FAILS,
    DECAY_WARNS,
    HEAD_HEAVY,
    SHARE_FAILS,
    SHARE_WARNS,
    SPREAD_FAILS,
    SPREAD_WARNS,
)
from fullrank.metrics.measure import FEW_NEGATIVE

_ROGUE_WARNS, _ROGUE_FAILS = 10.0, 50.0  # of the mean variance, as in vecscope
_JUMP = 10.0  # ours: between two of the first four eigenvalues, or variances of dimensions; j^-3 has 8
_NOT_HEAD = Gate("head_gap", "below", _JUMP), Gate("head_weight", "below", HEAD_HEAVY, or_missing=True)
_NO_REST = (Gate("rank_share", "below", SHARE_WARNS),)  # what is behind the head decays as well
_HEAD = (
    Gate("rank_share", "above", SHARE_WARNS),  # the rest is no mere noise
    Gate("head_error", "below", 0.5),  # ours: the largest eigenvalue is two standard errors from 0, no single row
)
_POSITIVE = Gate("negative_share", "below", FEW_NEGATIVE)
_SIGNED = Gate("negative_share", "above", FEW_NEGATIVE)
_DECAY = Graded("decay_exponent", "above", DECAY_WARNS, DECAY_FAILS)
_DECAYS = "the eigenvalues decay like a power law of exponent {decay_exponent:.2f} (healthy: about 1)"
_ROGUE = "one dimension has {rogue_dimension:.0f} times the mean variance"
_CONE = 0.6  # ours: the survey warns at 0.3, which ReLU features exceed, and fails at 0.6
_TIGHT = Gate("contrast_excess", "above", 2.0)  # ours: few dimensions alone give contrast, to a Gaussian too

RULES: tuple[Rule, ...] = (
    Rule(
        "complete collapse",
        "complete",
        (
            Evidence(
                Graded("relative_spread", "below", SPREAD_WARNS, SPREAD_FAILS),
                "the spread around the mean is {relative_spread:.2%} of the norm and the mean cosine {mean_cosine:.3f}",
            ),
            Evidence(
                Graded("mean_cosine", "above", COSINE_FAILS, COSINE_FAILS),
                "all embeddings point in one direction: the mean cosine is {mean_cosine:.3f}",
            ),
            Evidence(
                Graded("tower_spread", "below", SPREAD_WARNS, SPREAD_FAILS),
                "one of the towers has a spread of {tower_spread:.2%} of its norm around its mean",
            ),
        ),
        silences=(
            *("duplicate rows", "clusters", "modality gap", "modality gap of two groups", "head-dominated spectrum"),
            *("dimensional collapse", "dead dimensions", "copied dimensions", "cone", "cone of positive features"),
            *("hubs", "unrelated views"),
            *("labels at chance", "collapsed classes", "weak class", "rows of zeros"),
        ),
        because="what is left beside one point is noise, and this would be measured on the noise",
        from_fail=True,
    ),
    Rule(
        "clusters",
        "cluster",
        (
            Evidence(
                Graded("relative_contrast", "above", 4.0, 10.0),  # the failing value is ours
                "rows lie {relative_contrast:.1f} times as far apart as nearest neighbors do, {contrast_excess:.1f} "
                "times as far as in a Gaussian cloud of this spectrum",
                (_TIGHT,),
            ),
        ),
        least=16,
        silences=(
            *("dimensional collapse", "head-dominated spectrum", "modality gap of two groups", "cone", "hubs"),
            *("copied dimensions",),
        ),
        because="clusters make it: their centers span few directions",
    ),
    Rule(
        "modality gap",
        "modality gap",
        (
            Evidence(
                Graded("gap_gain", "above", 0.02),  # ours
                "the towers' means are {gap_distance:.2f} apart, {gap_separable:.0%} of the rows lie on their side, "
                "and retrieval gains {gap_gain:.1%} when each tower is centered",
                (Gate("gap_separable", "above", 0.99),),
            ),
        ),
        least=16,
        silences=("modality gap of two groups", "head-dominated spectrum", "dimensional collapse", "cone", "hubs"),
        because="the gap between the towers makes it",
    ),
    Rule(
        "modality gap of two groups",
        "modality gap",
        (
            Evidence(
                Graded("bimodality", "above", 0.75),  # ours; a uniform gives 0.56
                "the rows form two groups along the first direction (1 / kurtosis {bimodality:.2f}; a normal has 0.33)",
                (Gate("contrast_excess", "below", 2.0),),
            ),
        ),
        least=16,
        silences=("head-dominated spectrum", "cone", "hubs"),
        because="two groups, as of two modalities, make it",
    ),
    Rule(
        "duplicate rows",
        "duplicates",
        (
            Evidence(
                Graded("duplicate_rows", "above", 0.02, 0.5),  # the survey fails at 0.1; ours: copies are of inputs
                "{duplicate_rows:.1%} of the rows repeat another one",
            ),
        ),
        least=16,
    ),
    Rule(
        "head-dominated spectrum",
        "head-dominated",
        (
            Evidence(
                Graded("rogue_dimension", "above", _ROGUE_WARNS, _ROGUE_FAILS),
                f"{_ROGUE}, and only therefore {_DECAYS}",
                (Gate("head_weight", "above", HEAD_HEAVY),),
            ),
            Evidence(
                Graded("rogue_dimension", "above", _ROGUE_WARNS, _ROGUE_FAILS),
                f"{_ROGUE}; behind it, or two more, the variance falls {{dimension_gap:.0f}} times",
                (Gate("dimension_gap", "above", _JUMP), *_HEAD),
            ),
            Evidence(
                Graded("head_weight", "above", HEAD_HEAVY),
                "a few large directions stand before the rest of the spectrum (weight of the head {head_weight:.2f})",
            ),
            Evidence(
                Graded("head_gap", "above", _JUMP),
                "up to three directions stand before the rest: the variance falls {head_gap:.0f} times after them",
                _HEAD,
            ),
        ),
        least=32,
        silences=("hubs",),
        because="one large direction makes everything's neighbors",
    ),
    Rule(
        "dimensional collapse",
        "dimensional",
        (
            Evidence(
                Graded("rank_share", "below", SHARE_WARNS, SHARE_FAILS),
                "{rankme_centered:.1f} directions carry the singular values, {rank_share:.0%} of what is possible",
            ),
            Evidence(_DECAY, f"the participation ratio is {{participation_ratio:.1f}}, and {_DECAYS}", _NOT_HEAD),
            Evidence(_DECAY, f"the participation ratio is {{participation_ratio:.1f}}, and {_DECAYS}", _NO_REST),
        ),
        least=32,
        silences=("copied dimensions",),
        because="few directions make them alike",
    ),
    Rule(
        "dead dimensions",
        "dimensional",
        (
            Evidence(
                Graded("dead_dimensions", "above", 0.01, 0.10),
                "{dead_dimensions:.1%} of the dimensions are dead",
                (_SIGNED,),
            ),
            Evidence(  # ours: behind a ReLU they are waste, and no collapse of the others
                Graded("dead_dimensions", "above", 0.01),
                "{dead_dimensions:.1%} of the dimensions are dead, as a ReLU leaves some",
                (_POSITIVE,),
            ),
        ),
        least=16,
    ),
    Rule(
        "copied dimensions",
        "dimensional",
        (
            Evidence(
                Graded("duplicate_dimensions", "above", 0.01, 0.25),  # the failing value is ours
                "{duplicate_dimensions:.1%} of the dimensions repeat another one",
            ),
        ),
        least=16,
    ),
    Rule(
        "rows of zeros", None, (Evidence(Graded("zero_rows", "above", 0.001), "{zero_rows:.1%} of the rows are 0"),)
    ),  # ours
    Rule(
        "cone",
        "cone",
        (
            Evidence(
                Graded("cosine_excess", "above", _CONE),
                "any two embeddings have a cosine of {mean_cosine:.2f} on average; the spread around their mean is "
                "{relative_spread:.1%} of the norm",
            ),
        ),
        silences=("hubs",),
        because="the cone makes them: center the embeddings and measure again",
    ),
    Rule(
        "cone of positive features",
        "cone",
        (
            Evidence(
                Graded("mean_cosine", "above", _CONE),
                "{negative_share:.1%} of the values are negative, as after a ReLU, and therefore any two embeddings "
                "have a cosine of {mean_cosine:.2f} on average (unrelated half-normals: 0.64)",
                (_POSITIVE, Gate("cosine_excess", "below", _CONE)),
            ),
        ),
        silences=("hubs",),
        because="the common mean makes them: center the embeddings and measure again",
    ),
    Rule(
        "hubs",
        "hubs",
        (
            Evidence(
                Graded("hub_skewness", "above", 2.0),
                "a few rows are everybody's neighbors: skewness {hub_skewness:.1f}, {hub_excess:.1f} above that of a "
                "Gaussian cloud of this spectrum; {antihub_share:.0%} of the rows are nobody's neighbor",
                (Gate("hub_excess", "above", 3.0),),  # ours: "much above the null"; 4,096 ReLU features have up to 2.5
            ),
            Evidence(  # of few rows: of 96, the skewness is at most 2.6
                Graded("antihub_excess", "above", 0.2),
                "{antihub_share:.0%} of the rows are nobody's neighbor, {antihub_excess:.0%} more than in a Gaussian "
                "cloud of this spectrum: a few rows are everybody's (skewness {hub_skewness:.1f})",
            ),
        ),
        least=64,
    ),
    Rule(
        "unrelated views",
        None,
        (
            Evidence(
                Graded("view_retrieval", "below", 0.1),  # ours
                "only {view_retrieval:.1%} of the views find their sample's other view, and their distance is "
                "{alignment:.2f} (2: unrelated)",
                (Gate("alignment", "above", 1.0),),  # ours: half way to unrelated
            ),
        ),
        least=32,
    ),
    Rule(
        "labels at chance",
        None,
        (
            Evidence(
                Graded("label_gain", "below", 0.02),  # ours
                "a row's neighbors have its label in {neighbor_labels:.1%} of the cases, hardly more than by chance",
            ),
        ),
        least=64,
    ),
    Rule(
        "collapsed classes",
        "cluster",
        (Evidence(Graded("nc1", "below", 0.1), "the variation within classes is {nc1:.1%} of that between them"),),
        least=64,
    ),
    Rule(
        "weak class",
        None,
        (
            Evidence(Graded("class_spread", "below", 0.25), "a class has {class_spread:.0%} of the median's spread"),
            Evidence(Graded("class_rank", "below", 0.25), "a class has {class_rank:.0%} of the median's rank"),
        ),
        least=64,
    ),
)
