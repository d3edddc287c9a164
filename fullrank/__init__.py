"""FullRank: self-supervised representation learning that uses every dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullrank.diagnosis.comparison import compare as compare
    from fullrank.diagnosis.diagnose import diagnose as diagnose

__version__ = "0.1.0"

_LAZY = {  # name -> module that holds it: importing fullrank loads no torch
    "compare": "fullrank.diagnosis.comparison",
    "diagnose": "fullrank.diagnosis.diagnose",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fullrank' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
