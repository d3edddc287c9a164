"""FullRank: self-supervised representation learning that uses every dimension.

Importing it loads no torch: what a name stands for is loaded when the name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fullrank import diagnosis as diagnosis
    from fullrank import losses as losses
    from fullrank import metrics as metrics
    from fullrank import nn as nn
    from fullrank import recipes as recipes
    from fullrank import testing as testing
    from fullrank import watch as watch
    from fullrank.detection.api import detect as detect
    from fullrank.diagnosis.comparison import compare as compare
    from fullrank.diagnosis.diagnose import diagnose as diagnose
    from fullrank.engine.gather import gather as gather
    from fullrank.training.api import embed as embed
    from fullrank.training.api import export as export
    from fullrank.training.api import load as load
    from fullrank.training.api import resume as resume
    from fullrank.training.api import train as train
    from fullrank.transfer.api import evaluate as evaluate
    from fullrank.transfer.api import finetune as finetune

    __version__: str

__all__ = [
    "__version__",
    "compare",
    "detect",
    "diagnose",
    "embed",
    "evaluate",
    "export",
    "finetune",
    "gather",
    "load",
    "losses",
    "metrics",
    "nn",
    "recipes",
    "resume",
    "testing",
    "train",
    "watch",
]

_FUNCTIONS = {  # name -> the file that holds it
    "compare": "fullrank.diagnosis.comparison",
    "detect": "fullrank.detection.api",
    "diagnose": "fullrank.diagnosis.diagnose",
    "embed": "fullrank.training.api",
    "evaluate": "fullrank.transfer.api",
    "export": "fullrank.training.api",
    "finetune": "fullrank.transfer.api",
    "gather": "fullrank.engine.gather",
    "load": "fullrank.training.api",
    "resume": "fullrank.training.api",
    "train": "fullrank.training.api",
}
_ROOMS = ("diagnosis", "losses", "metrics", "nn", "recipes", "testing", "watch")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        return import_module("importlib.metadata").version("fullrank")
    if name in _FUNCTIONS:
        return getattr(import_module(_FUNCTIONS[name]), name)
    if name in _ROOMS:
        return import_module(f"fullrank.{name}")
    raise AttributeError(f"module 'fullrank' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
