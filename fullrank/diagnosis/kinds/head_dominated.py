"""A head-dominated spectrum: one to three directions outweigh all the others, while the rest may be healthy."""

from __future__ import annotations

from fullrank.diagnosis.kinds.dimensional import HEAD_HEAVY, JUMP, SHARE_FAILS, SHARE_WARNS
from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule

_ROGUE = Graded("rogue_dimension", "above", 10.0, 50.0)  # of the mean variance, as in vecscope
_STEADY = Gate("head_error", "below", 0.5, or_missing=True)  # ours: the largest eigenvalue is two errors from 0
_HEAD = (Gate("rank_share", "above", SHARE_WARNS), _STEADY)  # the rest is more than noise
_ALONE = (Gate("dimension_gap", "above", JUMP), Gate("rank_share", "above", SHARE_FAILS), _STEADY)

RULES = (
    Rule(
        "head-dominated spectrum",
        "head-dominated",
        (
            Evidence(
                _ROGUE,
                "one dimension has {rogue_dimension:.0f} times the mean variance, and only therefore the eigenvalues "
                "decay like a power law of exponent {decay_exponent:.2f} (healthy: about 1)",
                (Gate("head_weight", "above", HEAD_HEAVY),),
            ),
            Evidence(
                _ROGUE,
                "one dimension has {rogue_dimension:.0f} times the mean variance; behind it, or two more, the variance "
                "falls {dimension_gap:.0f} times",
                _ALONE,  # of fewer rows than dimensions, one of them alone lowers the rank
            ),
            Evidence(
                Graded("head_weight", "above", HEAD_HEAVY),
                "a few large directions stand before the rest of the spectrum (weight of the head {head_weight:.2f})",
            ),
            Evidence(
                Graded("head_gap", "above", JUMP),
                "up to three directions stand before the rest: the variance falls {head_gap:.0f} times after them",
                _HEAD,
            ),
        ),
        Advice(
            "A few directions outweigh all the others in every distance, while the rest may be healthy.",
            (
                Cause(
                    "rogue dimensions with massive activations",
                    "the largest standard deviations of single dimensions",
                    proof=(Gate("dimension_gap", "above", JUMP),),
                ),
                Cause("what is left of a cone or a modality gap", "two groups along the first direction"),
                Cause(
                    "one nuisance (length, brightness, batch) rules",
                    "the first component correlates with it",
                ),
            ),
            (
                Remedy("standardize the dimensions", "z = (z - z.mean(0)) / z.std(0)"),
                Remedy(
                    "take the first direction off (all-but-the-top)",
                    "z = z - z.mean(0)\ntop = torch.linalg.eigh(z.T @ z).eigenvectors[:, -1:]\nz = z - z @ top @ top.T",
                ),
                Remedy(
                    "normalize before the output",
                    "norm = torch.nn.LayerNorm(z.shape[1], elementwise_affine=False)",
                    of=("language model", "two-branch", "contrastive"),
                ),
            ),
            "The jump among the first eigenvalues falls below 10, and the weight of the head below 0.25.",
        ),
        title="to a few directions that outweigh the rest",
        least=32,
        silences=("hubs",),
        because="one large direction makes everything's neighbors",
    ),
)
