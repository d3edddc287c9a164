"""Names in runs and reports that version 0.1.0 made, and what they are called today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ARRAYS = {"neighbours": "neighbors", "neighbour_labels": "neighbor_labels"}  # of samples.npz
NUMBERS = {  # of a monitor row in metrics.jsonl and result.json, and of a measurement in report.json
    "std": "dimension_std",
    "w2": "w2_uniformity",
    "dead": "dead_dimensions",
    "dims90": "dims_for_variance",
    "tower_spread": "modality_spread",
}


def by_todays_names(row: Mapping[str, Any]) -> dict[str, Any]:
    """A monitor row, or the numbers of a layer in result.json, under the names of today.

    >>> by_todays_names({"w2": 0.5, "n": 9})
    {'w2_uniformity': 0.5, 'n': 9}
    """
    return {NUMBERS.get(name, name): value for name, value in row.items()}


def verdict(written: Mapping[str, object]) -> Mapping[str, object]:
    """The verdict of result.json with its state, which version 0.1.0 wrote as a kind and whether it was a collapse.

    >>> verdict({"kind": "dimensional", "collapsed": False})
    {'kind': 'dimensional', 'collapsed': False, 'state': 'degraded'}
    """
    if "state" in written or "kind" not in written:
        return written
    if written["kind"] in ("healthy", "undetermined"):
        return {**written, "state": written["kind"], "kind": None}
    return {**written, "state": "collapsed" if written.get("collapsed") else "degraded"}
