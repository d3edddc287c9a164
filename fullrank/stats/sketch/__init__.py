"""Sketches: one pass over embeddings of any size gives exact moments in groups, a seeded sample of rows, and row
hashes.
"""

from fullrank.stats.sketch.apart import Outliers
from fullrank.stats.sketch.bulk import group_count
from fullrank.stats.sketch.kept import Sketch
from fullrank.stats.sketch.one_pass import HASHES, SAMPLE, load_sketch, merge_sketches, sketch

__all__ = [
    "HASHES",
    "SAMPLE",
    "Outliers",
    "Sketch",
    "group_count",
    "load_sketch",
    "merge_sketches",
    "sketch",
]
