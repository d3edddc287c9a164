"""Embeddings z (V, N, D) of V views of N samples -> named terms and their weighted sum; one paper per file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from fullrank.errors import suggest
from fullrank.losses.alignment import Alignment, alignment
from fullrank.losses.barlow_twins import BarlowTwins, barlow_twins
from fullrank.losses.byol import BYOL, byol
from fullrank.losses.coding_rate import CodingRate, coding_rate
from fullrank.losses.corinfomax import CorInfoMax, LogDeterminantMutualInformation, log_determinant_mutual_information
from fullrank.losses.cw_rgp import CWRGP, cw_rgp
from fullrank.losses.dcl import DCL, dcl
from fullrank.losses.declaration import sibling
from fullrank.losses.dino import DINO
from fullrank.losses.energy import compressive_energy, hyperspherical_energy, layer_energy
from fullrank.losses.frossl import FroSSL, frossl
from fullrank.losses.hill_entropy import HillEntropy, hill_entropy
from fullrank.losses.infonce import InfoNCE, infonce
from fullrank.losses.intl import INTL, INTLWithTeacher, intl, intl_beta, intl_with_teacher
from fullrank.losses.koleo import KoLeo, koleo
from fullrank.losses.matrix_ssl import MatrixSSL, matrix_ssl
from fullrank.losses.mec import MEC, mec
from fullrank.losses.mmcr import MMCR, mmcr
from fullrank.losses.moco import MoCo
from fullrank.losses.moco_v3 import MoCoV3, moco_v3
from fullrank.losses.nnclr import NNCLR
from fullrank.losses.nt_xent import NTXent, nt_xent
from fullrank.losses.sigreg import SIGReg, sigreg
from fullrank.losses.simdino import SimDINO, simdino
from fullrank.losses.simsiam import SimSiam, simsiam
from fullrank.losses.spectral import SpectralTransformation, spectral_transformation
from fullrank.losses.spectral_contrastive import SpectralContrastive, spectral_contrastive
from fullrank.losses.ssl_hsic import SSLHSIC, ssl_hsic
from fullrank.losses.swav import SwAV
from fullrank.losses.terms import Terms, combine, embedding_loss
from fullrank.losses.tico import TiCo
from fullrank.losses.uniformity import Uniformity, uniformity
from fullrank.losses.vibcreg import VIbCReg, vibcreg
from fullrank.losses.vicreg import VICReg, vicreg
from fullrank.losses.visreg import VISReg, visreg
from fullrank.losses.vne import VNE, vne
from fullrank.losses.w2 import W2, w2
from fullrank.losses.w_mse import WMSE, w_mse
from fullrank.losses.zero_cl import ZeroCL, zero_cl

LOSSES: tuple[Callable[..., Terms], ...] = (
    alignment,
    barlow_twins,
    coding_rate,
    cw_rgp,
    dcl,
    frossl,
    hill_entropy,
    infonce,
    intl,
    koleo,
    log_determinant_mutual_information,
    matrix_ssl,
    mec,
    mmcr,
    nt_xent,
    sigreg,
    spectral_contrastive,
    spectral_transformation,
    ssl_hsic,
    uniformity,
    vibcreg,
    vicreg,
    visreg,
    vne,
    w2,
    w_mse,
    zero_cl,
)
STATEFUL_LOSSES: tuple[type[nn.Module], ...] = (CorInfoMax, SwAV, TiCo)  # Loss(features, views)(z) -> Terms

PAIR_LOSSES: tuple[Callable[..., Callable[..., Terms] | Terms], ...] = (
    byol,
    DINO,
    intl_with_teacher,
    MoCo,
    moco_v3,
    NNCLR,
    simdino,
    simsiam,
)
"""Losses of predictions and targets, both (V, N, D)."""

__all__ = [
    "BYOL",
    "CWRGP",
    "DCL",
    "DINO",
    "INTL",
    "LOSSES",
    "MEC",
    "MMCR",
    "NNCLR",
    "PAIR_LOSSES",
    "SSLHSIC",
    "STATEFUL_LOSSES",
    "VNE",
    "W2",
    "WMSE",
    "Alignment",
    "BarlowTwins",
    "CodingRate",
    "CorInfoMax",
    "FroSSL",
    "HillEntropy",
    "INTLWithTeacher",
    "InfoNCE",
    "KoLeo",
    "LogDeterminantMutualInformation",
    "MatrixSSL",
    "MoCo",
    "MoCoV3",
    "NTXent",
    "SIGReg",
    "SimDINO",
    "SimSiam",
    "SpectralContrastive",
    "SpectralTransformation",
    "SwAV",
    "Terms",
    "TiCo",
    "Uniformity",
    "VICReg",
    "VISReg",
    "VIbCReg",
    "ZeroCL",
    "alignment",
    "barlow_twins",
    "byol",
    "coding_rate",
    "combine",
    "compressive_energy",
    "cw_rgp",
    "dcl",
    "embedding_loss",
    "frossl",
    "hill_entropy",
    "hyperspherical_energy",
    "infonce",
    "intl",
    "intl_beta",
    "intl_with_teacher",
    "koleo",
    "layer_energy",
    "log_determinant_mutual_information",
    "matrix_ssl",
    "mec",
    "mmcr",
    "moco_v3",
    "nt_xent",
    "sigreg",
    "simdino",
    "simsiam",
    "spectral_contrastive",
    "spectral_transformation",
    "ssl_hsic",
    "uniformity",
    "vibcreg",
    "vicreg",
    "visreg",
    "vne",
    "w2",
    "w_mse",
    "zero_cl",
]

if not TYPE_CHECKING:  # a type checker knows the names

    def __getattr__(name: str) -> object:
        known = [] if name.startswith("_") else __all__
        other = sibling(name, (*LOSSES, *STATEFUL_LOSSES, *PAIR_LOSSES)) if known else None
        hint = f"did you mean {other}?" if other else suggest(name, known, otherwise="")
        raise AttributeError(f"module 'fullrank.losses' has no attribute {name!r}" + (f": {hint}" if hint else ""))
