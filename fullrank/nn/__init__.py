"""Weights: encoders (a thin door to timm and torchvision), heads, weights to begin from, a trained encoder's file."""

from __future__ import annotations

from fullrank.nn.begin import Begun, begin_from
from fullrank.nn.directclr_heads import directclr_head
from fullrank.nn.encoder import Encoder, Stem, encoder
from fullrank.nn.encoder_file import SavedEncoder, encoder_bytes, load_encoder, pixels_of
from fullrank.nn.evaluating import evaluating
from fullrank.nn.heads import Prototypes, mlp
from fullrank.nn.layers import freeze, has_statistics, layers, rates
from fullrank.nn.weights import Weights, open_weights

__all__ = [
    "Begun",
    "Encoder",
    "Prototypes",
    "SavedEncoder",
    "Stem",
    "Weights",
    "begin_from",
    "directclr_head",
    "encoder",
    "encoder_bytes",
    "evaluating",
    "freeze",
    "has_statistics",
    "layers",
    "load_encoder",
    "mlp",
    "open_weights",
    "pixels_of",
    "rates",
]
