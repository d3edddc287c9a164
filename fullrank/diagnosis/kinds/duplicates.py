"""Duplicates: rows that repeat others, which tells about the data before it tells about the encoder."""

from __future__ import annotations

import math

from fullrank.diagnosis.kinds.codebook import ALONE, FEW, LONE, REPEAT
from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule

# Ours. Copies of inputs have copies of embeddings under any encoder, and sets in use have up to 14 % of them (Lee et
# al., 2022, arXiv:2107.06499), so those are a note. From a quarter on only the inputs can tell, and with a half the
# usual row is not told from another. One vector for a twentieth of the rows is a large direction and a neighbor of its
# own, and for a quarter of them an answer that does not depend on the input.
NOTED, MANY, MOST, ONE = 0.02, 0.25, 0.5, 0.05
LESS = math.nextafter(MOST, 0.0)  # than a half of the rows: a half of zeros are not left out, but are the data
BAND = 0.2  # two standard deviations of the share in a sample of 2,048 rows
_SAID = "{duplicate_rows:.1%} of the rows repeat another one"
_MOSTLY, _REPEATED = Graded("duplicate_rows", "above", MOST, MOST), Graded("duplicate_rows", "above", MANY)
_INPUTS = "equal inputs have equal rows under any encoder, so look at theirs"
_NOT_CODES = (  # of rows that are not a codebook's, one of its gates is closed
    (Gate("lone_rows", "above", LONE, or_missing=True),),
    (Gate("different_rows", "below", FEW),),
    (Gate("duplicate_rows", "below", REPEAT),),
    (Gate("other_copies", "below", ALONE),),
)
# Below that share of repeats, draws of an even codebook leave a few rows alone, as do those of data with replacement.
ONCE = 0.01
_NO_DRAWS = tuple(
    (*gates, Gate("lone_rows", "below", ONCE)) if gates[0].name == "duplicate_rows" else gates for gates in _NOT_CODES
)
_ONE_CAUSES = 0.2  # ours: share of other copies, below which one vector is what is said; a sample of it moves by 0.2
_SEVERAL = (
    Gate("other_copies", "above", _ONE_CAUSES, or_missing=True),
    Gate("commonest_row", "below", ONE * (1 - BAND)),
)
_NOT_ZERO = Gate("zero_rows", "below", LESS, or_missing=True)  # or it is said of rows of zeros
_COPIES = Advice(
    "Copies leak between training and test sets, are false negatives, and falsify numbers about neighbors.",
    (
        Cause("the data holds copies", "the inputs of equal rows are equal"),
        Cause("constant inputs: empty texts, black images", "the most frequent row's inputs"),
        Cause("the sampler repeats", "the same inputs appear more often than in the data"),
        Cause("the encoder does not tell inputs apart", "the inputs of equal rows differ"),
    ),
    (Remedy("remove them, and judge what is left", "z = z.unique(dim=0)"),),
    "The share falls to that of equal inputs.",
)

_ONE_VECTOR = Advice(
    "That vector is an answer that does not depend on the input, and it is a large direction and everyone's neighbor.",
    (
        Cause("constant inputs: empty texts, black images, a default for what is missing", "their inputs"),
        Cause("the encoder gives one answer to what it does not know", "their inputs differ"),
    ),
    (Remedy("keep it once, and judge what is left", "z = z.unique(dim=0)"),),
    "No vector is that of a twentieth of the rows.",
)
_ONE_SAID = "{commonest_row:.1%} of the rows are one and the same vector"
_LARGE = ("head-dominated spectrum", "hubs")
_BECAUSE = "the vector that many rows share causes it: keep it once and measure again"

RULES = (
    Rule(
        "one vector for many rows",
        "duplicates",
        tuple(
            one
            for gates in _NOT_CODES
            for one in (
                Evidence(Graded("commonest_row", "above", MOST, MOST), _ONE_SAID, gates),
                Evidence(Graded("commonest_row", "above", MANY), _ONE_SAID, (*gates, _NOT_ZERO)),
            )
        ),
        _ONE_VECTOR,
        title="to copies",
        least=16,
        silences=_LARGE,
        because=_BECAUSE,
    ),
    Rule(
        "one vector for some rows",
        "duplicates",
        tuple(
            Evidence(
                Graded("commonest_row", "above", ONE, band=BAND),
                _ONE_SAID,
                (*gates, Gate("commonest_row", "below", MANY)),
            )
            for gates in _NOT_CODES
        ),
        _ONE_VECTOR,
        least=64,
        most="note",
        silences=_LARGE,
        because=_BECAUSE,
    ),
    Rule(
        "duplicate rows",
        "duplicates",
        tuple(
            one
            for several in _SEVERAL
            for one in (
                *(Evidence(_MOSTLY, _SAID, (*gates, several)) for gates in _NO_DRAWS),
                *(Evidence(_REPEATED, _SAID, (*gates, several), doubt=_INPUTS) for gates in _NOT_CODES),
            )
        ),
        _COPIES,
        title="to copies",
        least=16,
    ),
    Rule(
        "some duplicate rows",
        "duplicates",
        tuple(
            Evidence(Graded("duplicate_rows", "above", NOTED), _SAID, (Gate("duplicate_rows", "below", MANY), gate))
            for gate in _SEVERAL
        ),
        _COPIES,
        least=16,
        most="note",
    ),
)
