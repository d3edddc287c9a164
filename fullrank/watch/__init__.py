"""Room 3: watching a training that is not ours."""

from __future__ import annotations

from fullrank.watch.monitor import Alarm, CollapseMonitor, CollapseWarning
from fullrank.watch.schedule import Cost
from fullrank.watch.signs import Reading, Rules

__all__ = ["Alarm", "CollapseMonitor", "CollapseWarning", "Cost", "Reading", "Rules"]
