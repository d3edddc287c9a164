"""Weights: encoders (a thin door to timm and torchvision), heads, and the file of a trained encoder."""

from __future__ import annotations

from fullrank.nn.directclr_heads import directclr_head
from fullrank.nn.encoder import Encoder, encoder
from fullrank.nn.encoder_file import SavedEncoder, encoder_bytes, load_encoder
from fullrank.nn.evaluating import evaluating
from fullrank.nn.heads import Prototypes, mlp

__all__ = [
    "Encoder",
    "Prototypes",
    "SavedEncoder",
    "directclr_head",
    "encoder",
    "encoder_bytes",
    "evaluating",
    "load_encoder",
    "mlp",
]
