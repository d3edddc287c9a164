"""Duplicates: rows that repeat others."""

from __future__ import annotations

from fullrank.diagnosis.kinds.codebook import FEWEST, LONE, REPEAT
from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule

_COPIES = Graded("duplicate_rows", "above", 0.02, 0.5)  # the survey fails at 0.1; ours: copies are of inputs
_SAID = "{duplicate_rows:.1%} of the rows repeat another one"

RULES = (
    Rule(
        "duplicate rows",
        "duplicates",
        (  # of rows that are not a codebook's, each by one of its gates that is closed
            Evidence(_COPIES, _SAID, (Gate("lone_rows", "above", LONE, or_missing=True),)),
            Evidence(_COPIES, _SAID, (Gate("different_rows", "below", FEWEST),)),
            Evidence(_COPIES, _SAID, (Gate("duplicate_rows", "below", REPEAT),)),
        ),
        Advice(
            "Copies leak between training and test sets, are false negatives, and falsify every number about "
            "neighbors.",
            (
                Cause("the data holds copies", "the inputs of equal rows are equal"),
                Cause("constant inputs: empty texts, black images", "the most frequent row's inputs"),
                Cause("the sampler repeats", "the same inputs appear more often than in the data"),
            ),
            (Remedy("remove them", "z = z.unique(dim=0)"),),
            "The share is below 2 %.",
        ),
        title="to copies",
        least=16,
    ),
)
