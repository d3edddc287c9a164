"""Dimensional collapse: the embeddings fill few of their dimensions; some are dead, copies, or fewer than classes."""

from __future__ import annotations

from fullrank.diagnosis.kinds.cluster import JUMPS
from fullrank.diagnosis.rule import Advice, Cause, Evidence, Excuse, Gate, Graded, Remedy, Rule, having, lacking
from fullrank.metrics.head import UNSTEADY
from fullrank.metrics.spread import FEW_NEGATIVE

SHARE_WARNS, SHARE_FAILS = 0.25, 0.10  # rank over min(n - 1, D), where the spectrum is cut off or the rank fell
SMOOTH_WARNS, SMOOTH_FAILS = 0.08, 0.05  # ours: the same of a spectrum that falls smoothly, as few photographs' does
CLIFF = 500.0  # ours: what is behind such a fall is noise of 4 % or less
CUT = 30.0  # ours: fall of variance after at most three directions; smooth spectra have up to 14
DECAY_DOUBTS, DECAY_WARNS, DECAY_FAILS = 1.7, 2.25, 2.5  # exponent a of eigenvalues j^-a; photographs have 1.6 to 2
HEAD_HEAVY = 0.25  # eigenvalues that seem to decay faster than singular values by this: a few large ones, no decay
APART = 0.9  # ours: of neighbors of the same class, from which the classes are told apart all the same
FELL = 0.8  # ours: share of the rank of the untrained network
JUMP = 10.0  # ours: between two of the first four eigenvalues, of which no power law is; j^-3 has 8

_SHARE = Graded("rank_share", "below", SHARE_WARNS, SHARE_FAILS)
_CUT = Graded("rank_share", "below", SHARE_WARNS, 0.14)  # ours
_CLIFF = Graded("rank_share", "below", SHARE_WARNS, SHARE_WARNS)
_SPREAD = "the singular values spread over {rankme_centered:.1f} directions, {rank_share:.0%} of what is possible"
_SMOOTH = (
    "the spectrum falls smoothly, and few or similar inputs make it so, too: compare with the rank of the inputs or of "
    "an untrained network, by passing either as `before`"
)
_DECAY = Graded("decay_exponent", "above", DECAY_WARNS, DECAY_FAILS)
_DECAYS = (
    "the participation ratio is {participation_ratio:.1f}, and the eigenvalues decay like a power law of exponent "
    "{decay_exponent:.2f} (healthy: about 1)"
)
_ENOUGH = Gate("dims", "above", 7.5)  # ours: an exponent of fewer eigenvalues means little
_BEHIND = Gate("share_behind", "below", SHARE_WARNS, or_missing=True)  # or a few dimensions alone are the trouble
_NOT_HEAD = (
    _BEHIND,
    _ENOUGH,
    Gate("head_gap", "below", JUMP, or_missing=True),
    Gate("head_weight", "below", HEAD_HEAVY, or_missing=True),
)
_NO_REST = (
    _BEHIND,
    _ENOUGH,
    Gate("rank_share", "below", SHARE_WARNS),
)  # what is behind the head decays as well
_NO_CLUSTERS = Gate("neighbor_jump", "below", JUMPS, or_missing=True)  # or the directions are those of their centers
STEADY = Gate("head_error", "below", UNSTEADY, or_missing=True)  # the largest eigenvalue is two errors from 0
_POSITIVE = Gate("negative_share", "below", FEW_NEGATIVE)
FEW_ZERO = 0.01  # ours: share of the values that are exactly 0, above which a ReLU made them
RECTIFIED = Gate("zero_values", "above", FEW_ZERO, or_missing=True)
UNRECTIFIED = Gate("zero_values", "below", FEW_ZERO)
_SIGNED = Gate("negative_share", "above", FEW_NEGATIVE, or_missing=True)

_SINCE = "the effective rank is {rank_since_start:.2g} times that before training"
_FELL = Gate("rank_since_start", "below", FELL)
LEARNS = (  # the inputs or the untrained network had this rank already, or the features have learned
    Excuse(Gate("rank_since_start", "above", FELL), _SINCE),
    Excuse(  # ours: two standard errors of what two networks tell of the same 500 samples
        Gate("knn_since_start", "above", 0.04),
        "neighbors tell the class of {knn_since_start:.0%} more of the samples than before training",
    ),
)

_RANK = Advice(
    "Most dimensions carry nothing that the others do not: classes that differ in the missing directions are lost.",
    (
        Cause(
            "the low rank is confined to the projector's output",
            "the backbone, which people use, is healthy",
            needs=(Gate("backbone_healthy", "above", 0.5), having("has_projector")),
            proof=(Gate("backbone_healthy", "above", 0.5),),
        ),
        Cause(
            "the network is at its first steps",
            "the rank rises over the first hundreds of steps",
            needs=(Gate("steps", "below", 1000),),
        ),
        Cause(
            "the augmentation is stronger than the signal",
            "with weaker crops and colors the rank rises",
            of=("two-branch", "contrastive"),
        ),
        Cause(
            "a linear projector's bias to low rank",
            "without the projector the rank rises (DirectCLR)",
            of=("contrastive",),
            needs=(having("has_linear_projector"),),
        ),
        Cause("too few negatives", "a larger batch raises the rank", of=("contrastive", "language model")),
        Cause(
            "a high temperature",
            "a lower temperature raises the rank",
            of=("contrastive", "language model"),
            needs=(having("has_temperature"),),
        ),
        Cause(
            "the objective needs no more directions than it has classes",
            "the rank is near the number of classes",
            of=("classification", "metric learning"),
        ),
        Cause("a strong weight decay or L2", "without it the rank rises", needs=(having("has_weight_decay"),)),
        Cause(
            "the data has no more directions",
            "the rank of the inputs, or of an untrained network, is as low",
            proof=(Gate("rank_since_start", "above", FELL),),
        ),
    ),
    (
        Remedy(
            "add a term that penalizes missing directions, by a flag of `fullrank train`",
            "--w2 0.5",
            of=("two-branch", "contrastive"),
        ),
        Remedy(
            "add a term that penalizes missing directions, in a loop of your own",
            'loss = loss + 0.5 * fullrank.losses.w2(views)["loss"]',
        ),
        Remedy("maximize the rank itself", 'loss = loss + 0.1 * fullrank.losses.hill_entropy(views)["loss"]'),
        Remedy(
            "train on a part of the representation, without a projector",
            "fullrank train directclr --like RUN --head first",
            of=("contrastive",),
            needs=(having("has_projector"),),
        ),
    ),
    "The participation ratio rises and its exponent falls towards 1, at the backbone too.",
)

_DEAD = Advice(
    "Storage and compute go to dimensions that are the same for every input.",
    (
        Cause(
            "a ReLU at the output",
            "the dead dimensions are exactly 0; right for a backbone",
            needs=(_POSITIVE, RECTIFIED),
        ),
        Cause("a bad initialization, or batch norm's weights went to 0", "the weights of the last layer and its norm"),
        Cause("the weight decay killed them", "they were alive early in the training"),
    ),
    (
        Remedy(
            "add a variance term",
            'loss = fullrank.losses.vicreg(views)["loss"]',
            needs=(lacking("has_variance_term"),),
        ),
        Remedy("drop them", "z = z[:, z.std(0) > 0]"),
    ),
    "Their share is 0.",
)

_COPIED = Advice(
    "Dimensions that repeat others carry nothing of their own.",
    (
        Cause("weights are tied, or were initialized equal", "the rows of the last layer's weight are equal"),
        Cause("no term decorrelates the dimensions", "their correlation rose while training"),
    ),
    (
        Remedy("add a term against correlation", 'loss = loss + fullrank.losses.barlow_twins(views)["loss"]'),
        Remedy(
            "drop the copies",
            "copies = torch.corrcoef(z.T).abs().triu(1).gt(0.999).any(0)\nz = z[:, ~copies]",
        ),
    ),
    "No two dimensions have a correlation above 0.999.",
)

_CLASSES = Advice(
    "Classes share directions: with as few as these, some lie between others.",
    (
        Cause("several classes have become one cluster", "the confusion between classes is high within a cluster"),
        Cause("the loss was minimized by ignoring some classes", "the accuracy of the rare classes"),
    ),
    (Remedy("keep neighbors apart", 'loss = loss + 0.1 * fullrank.losses.koleo(views)["loss"]'),),
    "The effective rank reaches the logarithm (base 2) of the number of classes, or more.",
)

RULES = (
    Rule(
        "dimensional collapse",
        "dimensional",
        (
            Evidence(Graded("rank_share", "below", SMOOTH_WARNS, SMOOTH_FAILS), _SPREAD, (_BEHIND,)),
            Evidence(_CUT, _SPREAD, (_BEHIND, _NO_CLUSTERS, Gate("head_gap", "above", CUT), STEADY)),
            Evidence(_CLIFF, _SPREAD, (_BEHIND, _NO_CLUSTERS, Gate("head_gap", "above", CLIFF), STEADY)),
            Evidence(_SHARE, _SPREAD, (_BEHIND, _FELL), since=_SINCE),
            Evidence(_SHARE, _SPREAD, (_BEHIND,), doubt=_SMOOTH),
            Evidence(  # ours
                Graded("signal_share", "below", 0.3, SHARE_FAILS),
                "{signal_rank:.0f} directions, {signal_share:.0%} of what is possible, stand above the noise",
                (_BEHIND, _NO_CLUSTERS),
            ),
            Evidence(_DECAY, _DECAYS, _NOT_HEAD),
            Evidence(_DECAY, _DECAYS, _NO_REST),
            Evidence(
                Graded("decay_exponent", "above", DECAY_DOUBTS, 1.8),
                _DECAYS,
                (*_NOT_HEAD, _FELL),
                since=_SINCE,
            ),
            Evidence(Graded("decay_exponent", "above", DECAY_DOUBTS), _DECAYS, _NOT_HEAD, doubt=_SMOOTH),
        ),
        _RANK,
        title="to few dimensions",
        least=32,
        silences=("copied dimensions",),
        because="there are few directions, so that many dimensions are alike",
        excused=LEARNS,
    ),
    Rule(
        "fewer directions than classes",
        "dimensional",
        (
            Evidence(
                Graded("class_directions", "below", 0.7, 0.5),  # ours: classifiers of 10 and 62 classes have 0.98
                "the effective rank of {effective_rank:.1f} is {class_directions:.0%} of the directions that "
                "{classes:.0f} classes need, if each tells two halves of them apart",
                (Gate("neighbor_labels", "below", APART, or_missing=True),),
            ),
        ),
        _CLASSES,
        title="to fewer directions than there are classes",
        least=64,
        excused=LEARNS,
    ),
    Rule(
        "dead dimensions",
        "dimensional",
        (
            *(
                Evidence(
                    Graded("dead_dimensions", "above", 0.01, 0.10),
                    "{dead_dimensions:.1%} of the dimensions are dead",
                    (gate,),
                )
                for gate in (_SIGNED, UNRECTIFIED)
            ),
            Evidence(  # ours: behind a ReLU they are waste, and no collapse of the others
                Graded("dead_dimensions", "above", 0.25),
                "{dead_dimensions:.1%} of the dimensions are dead behind a ReLU",
                (_POSITIVE, RECTIFIED),
            ),
        ),
        _DEAD,
        title="to the dimensions that are alive",
        least=16,
    ),
    Rule(
        "dimensions that a ReLU left dead",
        "dimensional",
        (
            Evidence(
                Graded("dead_dimensions", "above", 0.01),
                "{dead_dimensions:.1%} of the dimensions are dead, as a ReLU leaves some",
                (_POSITIVE, RECTIFIED, Gate("dead_dimensions", "below", 0.25)),
            ),
        ),
        _DEAD,
        least=16,
        most="note",
    ),
    Rule(
        "copied dimensions",
        "dimensional",
        (
            *(
                Evidence(
                    Graded("duplicate_dimensions", "above", 0.01, 0.25),  # the failing value is ours
                    "{duplicate_dimensions:.1%} of the dimensions repeat another one",
                    (gate,),
                )
                for gate in (_SIGNED, UNRECTIFIED)
            ),
            Evidence(
                Graded("duplicate_dimensions", "above", 0.25, 0.25),
                "{duplicate_dimensions:.1%} of the dimensions repeat another one",
                (_POSITIVE,),
            ),
        ),
        _COPIED,
        title="to copies of dimensions",
        least=16,
    ),
    Rule(
        "dimensions that agree behind a ReLU",
        "dimensional",
        (
            Evidence(  # ours: those that are 0 but for the same one row are copies by their correlation
                Graded("duplicate_dimensions", "above", 0.01),
                "{duplicate_dimensions:.1%} of the dimensions repeat another one, as behind a ReLU that lets several "
                "of them through for the same few rows only",
                (_POSITIVE, RECTIFIED, Gate("duplicate_dimensions", "below", 0.25)),
            ),
        ),
        _COPIED,
        least=16,
        most="note",
    ),
)
