"""Room 1: embeddings z (V, N, D) of V views of N samples -> named terms and their weighted sum; a paper a file."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from fullrank.losses.alignment import alignment
from fullrank.losses.barlow_twins import barlow_twins
from fullrank.losses.byol import byol
from fullrank.losses.corinfomax import CorInfoMax, log_determinant_mutual_information
from fullrank.losses.infonce import infonce
from fullrank.losses.intl import intl, intl_beta
from fullrank.losses.moco import MoCo
from fullrank.losses.nnclr import NNCLR
from fullrank.losses.nt_xent import nt_xent
from fullrank.losses.simsiam import simsiam
from fullrank.losses.terms import Terms, combine, embedding_loss
from fullrank.losses.uniformity import uniformity
from fullrank.losses.vicreg import vicreg
from fullrank.losses.w2 import w2

LOSSES: tuple[Callable[..., Terms], ...] = (
    alignment,
    barlow_twins,
    infonce,
    intl,
    log_determinant_mutual_information,
    nt_xent,
    uniformity,
    vicreg,
    w2,
)
STATEFUL_LOSSES: tuple[type[nn.Module], ...] = (CorInfoMax,)  # Loss(features, views)(z) -> Terms

PAIR_LOSSES: tuple[Callable[..., Callable[..., Terms] | Terms], ...] = (byol, MoCo, NNCLR, simsiam)
"""Losses of predictions and targets, both (V, N, D)."""

__all__ = [
    "LOSSES",
    "STATEFUL_LOSSES",
    "CorInfoMax",
    "NNCLR",
    "PAIR_LOSSES",
    "MoCo",
    "Terms",
    "alignment",
    "barlow_twins",
    "byol",
    "combine",
    "embedding_loss",
    "infonce",
    "intl",
    "intl_beta",
    "log_determinant_mutual_information",
    "nt_xent",
    "simsiam",
    "uniformity",
    "vicreg",
    "w2",
]
