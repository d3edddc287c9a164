"""Cone: all embeddings lean in one direction."""

from __future__ import annotations

from fullrank.diagnosis.kinds.dimensional import FEW_ZERO, RECTIFIED, UNRECTIFIED
from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule, having
from fullrank.metrics.spread import FEW_NEGATIVE

_CONE = 0.92  # ours: features and codes of icons on white have up to 0.91
_MILD = 0.6  # ours: the survey warns at 0.3, which ReLU features exceed, and fails at 0.6
_POSITIVE = (Gate("negative_share", "below", FEW_NEGATIVE), Gate("cosine_excess", "below", _CONE))
_LEAN = (
    "any two embeddings have a cosine of {mean_cosine:.2f} on average; the spread around their mean is "
    "{relative_spread:.1%} of the norm"
)
_CENTER = Remedy("center the embeddings before they are compared", "z = z - z.mean(0)")

RULES = (
    Rule(
        "cone",
        "cone",
        (Evidence(Graded("cosine_excess", "above", _CONE), _LEAN),),
        Advice(
            "All cosines are high. The order of neighbors may be right all the same, but no fixed threshold works.",
            (
                Cause("a common mean that the objective never removed", "the mean cosine falls when rows are centered"),
                Cause(
                    "a low temperature causes it on purpose (E5, BGE)",
                    "if retrieval is good, it is not an error",
                    of=("language model", "contrastive"),
                    needs=(having("has_temperature"),),
                ),
                Cause(
                    "a loss without negatives on pairs of texts",
                    "CosineSimilarityLoss was used",
                    of=("language model",),
                ),
                Cause(
                    "a language model without fine-tuning", "the mean cosine was high before", of=("language model",)
                ),
            ),
            (
                _CENTER,
                Remedy(
                    "spread the directions, by a flag of `fullrank train`",
                    "--uniformity 1",
                    of=("two-branch", "contrastive"),
                ),
                Remedy("spread the directions", 'loss = loss + fullrank.losses.uniformity(views)["loss"]'),
                Remedy(
                    "take the threshold from pairs that are unrelated",
                    "u = torch.nn.functional.normalize(z, dim=1)\ncosines = (u * u.roll(1, 0)).sum(1)\n"
                    "threshold = cosines.mean() + 1.3 * cosines.std()",
                ),
            ),
            "The mean cosine is near 0 after centering, and retrieval did not suffer.",
        ),
        most="warn",
        silences=("hubs",),
        because="the cone causes them: center the embeddings and measure again",
    ),
    Rule(
        "slight cone",
        "cone",
        (
            Evidence(
                Graded("cosine_excess", "above", _MILD),
                _LEAN,
                (Gate("negative_share", "above", FEW_NEGATIVE, or_missing=True), Gate("cosine_excess", "below", _CONE)),
            ),
        ),
        Advice(
            "No fixed threshold on a cosine works. By itself this does not speak against the embeddings.",
            (
                Cause("the inputs share most of their pixels or words", "those of an untrained network lean, too"),
                Cause("a common mean that the objective never removed", "the mean cosine falls when rows are centered"),
            ),
            (_CENTER,),
            "The mean cosine is near 0 after centering.",
        ),
        most="note",
        silences=("hubs",),
        because="the common mean causes them: center the embeddings and measure again",
    ),
    Rule(
        "cone of positive features",
        "cone",
        (
            Evidence(
                Graded("mean_cosine", "above", _MILD),
                "{negative_share:.1%} of the values are negative, as after a ReLU, and therefore any two embeddings "
                "have a cosine of {mean_cosine:.2f} on average (unrelated half-normals: 0.64)",
                (*_POSITIVE, RECTIFIED),
            ),
            Evidence(
                Graded("mean_cosine", "above", _MILD),
                "{negative_share:.1%} of the values are negative, and any two embeddings have a cosine of "
                "{mean_cosine:.2f} on average (unrelated half-normals: 0.64)",
                (*_POSITIVE, UNRECTIFIED),
            ),
        ),
        Advice(
            "No fixed threshold on a cosine works. By itself this does not speak against the features.",
            (
                Cause("they are the output of a ReLU", "the mean cosine is lower before the ReLU", needs=(RECTIFIED,)),
                Cause(
                    "they are positive by themselves (counts, distances, averages of features), or by an offset",
                    "the mean cosine falls when rows are centered",
                    needs=(Gate("zero_values", "below", FEW_ZERO, or_missing=True),),
                ),
            ),
            (_CENTER,),
            "The mean cosine is near 0 after centering.",
        ),
        most="note",  # by its signs, not by its training
        silences=("hubs",),
        because="the common mean causes them: center the embeddings and measure again",
    ),
)
