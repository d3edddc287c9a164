"""Watching a training that is not ours."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fullrank.watch.early_warning import Reading, Rules
from fullrank.watch.layer_monitor import ProbeMonitor
from fullrank.watch.monitor import Alarm, CollapseMonitor, CollapseWarning
from fullrank.watch.schedule import Cost

if TYPE_CHECKING:
    from fullrank.watch.huggingface import hf_monitor
    from fullrank.watch.lightning_monitor import LightningMonitor
    from fullrank.watch.torchmetric import (
        EffectiveRank,
        MomentsMetric,
        ParticipationRatio,
        RankMe,
        RelativeSpread,
        W2Uniformity,
        collapse_metrics,
    )

__all__ = [
    "Alarm",
    "CollapseMonitor",
    "CollapseWarning",
    "Cost",
    "EffectiveRank",
    "LightningMonitor",
    "MomentsMetric",
    "ParticipationRatio",
    "ProbeMonitor",
    "RankMe",
    "Reading",
    "RelativeSpread",
    "Rules",
    "W2Uniformity",
    "collapse_metrics",
    "hf_monitor",
]

# What loads a framework is loaded when it is asked for.
_LATER = {"LightningMonitor": "lightning_monitor", "hf_monitor": "huggingface"} | dict.fromkeys(
    [
        "EffectiveRank",
        "MomentsMetric",
        "ParticipationRatio",
        "RankMe",
        "RelativeSpread",
        "W2Uniformity",
        "collapse_metrics",
    ],
    "torchmetric",
)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"fullrank.watch.{_LATER[name]}"), name)
