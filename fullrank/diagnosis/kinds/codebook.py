"""Codebook: rows take few values, as those of a quantizer do; what counts is how evenly they are used."""

from __future__ import annotations

from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule

_ADVICE = Advice(
    "Codes that are hardly used carry nothing, and the few that are used tell few inputs apart.",
    (
        Cause("codes that were never near an input get no gradient", "count the unused entries over the training"),
        Cause(
            "the commitment loss is too weak or too strong",
            "compare the perplexity at a quarter and at four times its weight",
        ),
    ),
    (
        Remedy(
            "replace unused codes with rows of the batch",
            "codes, use = z.unique(dim=0, return_counts=True)\n"
            "codes[use <= 1] = z[torch.randint(len(z), (int((use <= 1).sum()),))]",
        ),
        Remedy("spread the rows before they are quantized", 'loss = loss + 0.1 * fullrank.losses.koleo(views)["loss"]'),
    ),
    "The perplexity of the codes approaches their number.",
)
FEW = 15  # ours: so many values, or fewer, are not a codebook, but a few points
LONE = 0.25  # ours: where more rows have a value of their own, they are data with copies
REPEAT = 0.75  # ours: where no more rows repeat another, values are taken at most four times
ALONE = 0.05  # ours: share of other copies, below which one vector repeats and nothing else, five errors from none
_USED = "the rows take {different_rows:.0f} values, as those of a codebook, and use {code_use:.0%} of them"
_CODES = (
    Gate("duplicate_rows", "above", REPEAT),
    Gate("lone_rows", "below", LONE),
    Gate("different_rows", "above", FEW),
    Gate("other_copies", "above", ALONE, or_missing=True),
)

RULES = (
    Rule(
        "unused codes",
        "codebook",
        (Evidence(Graded("code_use", "below", 0.5, 0.1), _USED, _CODES),),  # ours
        _ADVICE,
        title="to a few codes",
        least=64,
        silences=("codes",),
        because="the codes are not used evenly",
    ),
    Rule(
        "codes",
        "codebook",
        (Evidence(Graded("different_rows", "above", FEW), _USED, _CODES),),
        _ADVICE,
        least=64,
        most="note",
    ),
)
