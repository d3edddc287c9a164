"""Every kind of collapse, one file each, in the order in which they are checked: what explains others comes first."""

from __future__ import annotations

from fullrank.diagnosis.kinds import (
    cluster,
    codebook,
    complete,
    cone,
    dimensional,
    duplicates,
    head_dominated,
    hubs,
    labels,
    modality_gap,
    scale,
    single_rows,
    views,
)
from fullrank.diagnosis.rule import Rule

RULES: tuple[Rule, ...] = (
    *complete.RULES,
    *scale.RULES,
    *cluster.RULES,
    *modality_gap.RULES,
    *codebook.RULES,
    *duplicates.RULES,
    *head_dominated.RULES,
    *dimensional.RULES,
    *single_rows.RULES,
    *cone.RULES,
    *hubs.RULES,
    *views.RULES,
    *labels.RULES,
    *cluster.OF_CLASSES,
)
