"""Hubs: a few rows are neighbors of many others, and many rows (antihubs) are neighbors of none."""

from __future__ import annotations

from fullrank.diagnosis.kinds.duplicates import LESS
from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule

_NO_ZEROS = Gate("zero_rows", "below", LESS, or_missing=True)  # half of them are everyone's neighbors

RULES = (
    Rule(
        "hubs",
        "hubs",
        (
            Evidence(
                # ours: "much above the null"; 4,096 ReLU features have up to 2.5. Other nulls move it by some tenths.
                Graded("hub_excess", "above", 3.0, band=0.15),
                "a few rows are neighbors of many others: skewness {hub_skewness:.1f}, {hub_excess:.1f} above that "
                "of a Gaussian cloud of this spectrum; {antihub_share:.0%} of the rows are antihubs, found by none",
                (Gate("hub_skewness", "above", 2.0), _NO_ZEROS),
            ),
            Evidence(  # of few rows: of 96, the skewness is at most 2.6
                Graded("antihub_excess", "above", 0.2, band=0.15),
                "{antihub_share:.0%} of the rows are antihubs, found by none, {antihub_excess:.0%} more than in a "
                "Gaussian cloud of this spectrum: a few rows are neighbors of many (skewness {hub_skewness:.1f})",
                (_NO_ZEROS,),
            ),
        ),
        Advice(
            "A few rows are found for almost every query, and many are never found.",
            (
                Cause("popular items", "the hubs are the most frequent ones", of=("recommender",)),
                Cause("a cone, or a mean that all share", "the skewness falls when the rows are centered"),
                Cause("short rows, which a common mean outweighs", "the hubs are the shortest rows"),
            ),
            (
                Remedy("center the embeddings before they are compared", "z = z - z.mean(0)"),
                Remedy(
                    "correct for hubs at retrieval (CSLS)",
                    "u = torch.nn.functional.normalize(z - z.mean(0), dim=1)\ncosines = u @ u.T\n"
                    "near = cosines.topk(11).values[:, 1:].mean(1)\nscores = 2 * cosines - near - near[:, None]",
                ),
            ),
            "The skewness falls to that of a Gaussian cloud of the same spectrum.",
        ),
        least=64,
        most="warn",
    ),
)
