"""Single rows: zero vectors, and a few rows that hold most of the energy; everything else is judged without them.

Rows that carry nothing are a fact about the data, and a note: the verdict is that of the others.
"""

from __future__ import annotations

from fullrank.diagnosis.kinds.dimensional import SHARE_WARNS
from fullrank.diagnosis.kinds.duplicates import MANY
from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule
from fullrank.metrics.head import UNSTEADY
from fullrank.metrics.outweighing import OUTWEIGHS
from fullrank.metrics.spread import FEW_NEGATIVE

_ALIKE = 0.5  # ours: of the others' spread, below which rows that are far are a group and no single rows

_ZEROS = Advice(
    "A zero vector has no direction: its cosines are undefined.",
    (
        Cause("empty or unreadable inputs", "the inputs of these rows"),
        Cause(
            "a ReLU killed the whole row",
            "the layer before",
            needs=(Gate("negative_share", "below", FEW_NEGATIVE, or_missing=True),),
        ),
    ),
    (Remedy("leave the rows out", "z = z[z.norm(dim=1) > 0]"),),
    "No row is 0.",
)
_UNSTEADY = Graded("head_error", "above", UNSTEADY)
_MAKE = "{which_have} most of the variance along the first direction"
_MOST = 0.5  # ours: of the variance, from which what holds it decides the rank
_DECIDE = "these decide the rank: leave them out and measure again"

RULES = (
    Rule(
        "rows of zeros",
        "single rows",
        (Evidence(Graded("zero_rows", "above", MANY), "{zero_rows:.2%} of the rows are 0"),),
        _ZEROS,
        most="warn",
    ),
    Rule(
        "some rows of zeros",
        "single rows",
        (  # ours: any
            Evidence(
                Graded("zero_rows", "above", 0.0),
                "{zero_rows:.2%} of the rows are 0; the others are judged without them",
                (Gate("zero_rows", "below", MANY),),
            ),
        ),
        _ZEROS,
        most="note",
    ),
    Rule(
        "near-empty rows",
        "single rows",
        (
            Evidence(
                Graded("near_empty_rows", "above", 0.0),  # what counts as near-empty, the sketch decides
                "{near_empty_rows:.2%} of the rows are shorter than a thousandth of the median row; the others are "
                "judged without them",
            ),
        ),
        Advice(
            "Scaled to length 1, such a row is noise as long as any other row.",
            (
                Cause("inputs with next to no content", "the inputs of these rows"),
                Cause("rows that were never trained", "how often their items occur", of=("recommender",)),
            ),
            (Remedy("leave the rows out", "norms = z.norm(dim=1)\nz = z[norms > 0.001 * norms.median()]"),),
            "No row is a thousandth of the others.",
        ),
        most="note",  # never many, by what the sketch counts as near-empty
    ),
    Rule(
        "exploded rows",
        "single rows",
        (
            Evidence(
                Graded("energy_share", "above", 0.0),  # what counts as exploded, the sketch decides
                "{which_have} {energy_share:.1%} of the energy (the sum of the squared norms), being far longer than "
                "the others",
                (Gate("far_spread", "above", _ALIKE, or_missing=True),),
            ),
        ),
        Advice(
            "The verdict leaves them out; with them, they dominate every mean, distance and spectrum.",
            (
                Cause("broken or unusual inputs", "the inputs of these rows"),
                Cause("a division by a norm near 0, or an overflow", "the rows before the last normalization"),
            ),
            (
                Remedy("leave the rows out", "norms = z.norm(dim=1)\nz = z[norms < 10 * norms.median()]"),
                Remedy("scale all rows to length 1", "z = torch.nn.functional.normalize(z, dim=1)"),
            ),
            "No row is many times as long as the others.",
        ),
        most="warn",
    ),
    Rule(
        "rows that make the first direction",
        "single rows",
        (
            Evidence(
                _UNSTEADY,
                f"{_MAKE}, and among the first directions the variance falls {{head_gap:.0f}} times",
                (Gate("head_gap", "above", OUTWEIGHS), Gate("nesum", "below", 1 / _MOST)),
                doubt=_DECIDE,
            ),
            Evidence(
                _UNSTEADY,
                f"{_MAKE}, and a few dimensions {{outweighing_share:.1%}} of all variance",
                (Gate("outweighing_share", "above", _MOST), Gate("share_behind", "above", SHARE_WARNS)),
                doubt=_DECIDE,
            ),
        ),
        Advice(
            "The rank and the spectrum are those of these rows, and tell nothing of the others.",
            (
                Cause("broken or unusual inputs", "the inputs of these rows"),
                Cause("lengths with a heavy tail", "with the rows scaled to length 1 the rank is another"),
            ),
            (
                Remedy("leave the longest rows out", "norms = z.norm(dim=1)\nz = z[norms < norms.quantile(0.99)]"),
                Remedy("scale all rows to length 1", "z = torch.nn.functional.normalize(z, dim=1)"),
            ),
            "No few rows hold most of the variance along the first direction.",
        ),
        least=32,
    ),
    Rule(
        "a far group",
        "single rows",
        (
            Evidence(
                Graded("energy_share", "above", 0.0),
                "a few rows lie together, far from all others, with {far_spread:.0%} of the others' spread; they hold "
                "{energy_share:.1%} of the energy (the sum of the squared norms)",
                (Gate("far_spread", "below", _ALIKE),),
            ),
        ),
        Advice(
            "They are a population of their own, or share one fault. The verdict leaves them out; "
            "with them, the direction to them is the largest in every mean and spectrum.",
            (
                Cause("a small part of the data is of another kind or source", "the inputs of these rows"),
                Cause("one input that repeats with small changes, such as a template", "the inputs of these rows"),
                Cause("a part of the rows was scaled or pooled in another way", "the norms by source or batch"),
            ),
            (
                Remedy("diagnose the group separately", "norms = z.norm(dim=1)\nz = z[norms < 10 * norms.median()]"),
                Remedy("scale all rows to length 1", "z = torch.nn.functional.normalize(z, dim=1)"),
            ),
            "The group is expected, or has gone.",
        ),
        most="warn",
    ),
)
