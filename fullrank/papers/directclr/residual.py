"""DirectCLR's tables 1 and 2 and figure 12 (Jing et al., 2022), of an encoder that ends in a residual block.

The paper's and, with --full, ResNet-18 end in one: through it what is not in the loss learns too (gradient.py).
"""

from __future__ import annotations

from dataclasses import replace

from fullrank.papers.directclr.projector import TABLE_1_PARTS, TABLE_2_PARTS, heads, projector
from fullrank.papers.directclr.sub_vector import figure_12, sub_vector
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.training import Size, usual_size


def _residual(settings: Settings, size: Size | None) -> Size:
    """The usual size with `tiny_residual`, unless the settings name an encoder."""
    chosen = size or usual_size(settings)
    return chosen if settings.full or settings.backbone else replace(chosen, backbone="tiny_residual")


def residual_projector(settings: Settings, size: Size | None = None) -> Outcome:
    """Table 1: no projector, a linear one, the first features alone (DirectCLR), and an MLP."""
    return projector(settings, _residual(settings, size))


def residual_heads(settings: Settings, size: Size | None = None) -> Outcome:
    """Table 2: linear projectors that are trainable, diagonal, or fixed and of low rank, or random features."""
    return heads(settings, _residual(settings, size))


def residual_sub_vector(settings: Settings, size: Size | None = None) -> Outcome:
    """Figure 12: the first d0 features in the loss, all of them (no projector) included, and the rest."""
    return sub_vector(settings, _residual(settings, size))


RESIDUAL_PROJECTOR = Experiment(
    name="directclr/residual-projector",
    paper="Jing et al. 2022, table 1, figures 2, 7, 9 and 10",
    title="Table 1 with an encoder that ends in a residual block",
    claim="Where the encoder ends in a residual block, as the paper's does, its representation loses dimensions "
    "without a projector, which a linear one, DirectCLR and an MLP prevent, and a linear probe ranks the four in this "
    "order.",
    minutes=15,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=residual_projector,
    caveat="In color, after 150 steps, no projector at all is best by the linear probe.",
    parts=TABLE_1_PARTS,
    data="fashion-mnist",
)

RESIDUAL_HEADS = Experiment(
    name="directclr/residual-heads",
    paper="Jing et al. 2022, table 2 and appendix F",
    title="Table 2 with an encoder that ends in a residual block",
    claim="Where the encoder ends in a residual block, as the paper's does, a linear projector need not be trained if "
    "it is of low rank: then it beats a trainable one, which a diagonal one equals; features drawn at random at each "
    "step are worse than all of them.",
    minutes=15,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=residual_heads,
    caveat="In gray a probe of the untrained encoder is within 1.5 points of the best, so that little is left to tell "
    "projectors apart.",
    parts=TABLE_2_PARTS,
    data="fashion-mnist",
)

RESIDUAL_SUB_VECTOR = Experiment(
    name="directclr/residual-sub-vector",
    paper="Jing et al. 2022, figures 10 and 12, appendices E and F",
    title="Figure 12 with an encoder that ends in a residual block",
    claim="Where the encoder ends in a residual block, what is not in the loss learns through it, so that a probe of "
    "the whole beats one of the trained sub-vector, and DirectCLR does best for a sub-vector that is neither too small "
    "nor the whole.",
    minutes=17,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=residual_sub_vector,
    caveat="In gray the rest gains as much in `directclr/sub-vector`, whose encoder ends in no residual block: it is "
    "not the block alone that lets it learn.",
    parts=figure_12("paper"),
    data="fashion-mnist",
)
