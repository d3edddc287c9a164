"""Names in runs that version 0.1.0 made, and what they are called today."""

from __future__ import annotations

ARRAYS = {"neighbours": "neighbors", "neighbour_labels": "neighbor_labels"}  # of samples.npz
NUMBERS = {  # of a monitor row in metrics.jsonl and result.json
    "std": "dimension_std",
    "w2": "w2_uniformity",
    "dead": "dead_dimensions",
    "dims90": "dims_for_variance",
}
