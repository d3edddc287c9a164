"""A head-dominated spectrum: one to three directions, or few dimensions, outweigh all the others."""

from __future__ import annotations

from fullrank.diagnosis.kinds.dimensional import HEAD_HEAVY, LEARNS, SHARE_WARNS, STEADY
from fullrank.diagnosis.rule import Advice, Cause, Evidence, Gate, Graded, Remedy, Rule
from fullrank.metrics.outweighing import OUTWEIGHS

HEAD_FALL = OUTWEIGHS  # times that the variance falls among the first eigenvalues; loudness makes it fall 11 times
_ROGUE = Graded("rogue_dimension", "above", 10.0, 50.0)  # of the mean variance, as in vecscope
_OUTWEIGHS = Graded("outweighing_share", "above", 0.5, 0.98)  # ours: half of every distance, and nearly all of it
_HEAD = (Gate("rank_share", "above", SHARE_WARNS), STEADY)  # the rest is more than noise
_REST = Gate("share_behind", "above", SHARE_WARNS)
_OTHERS = (
    "{which_have} {outweighing_share:.1%} of the variance, and the largest dimension is {rogue_dimension:.0f} times "
    "the mean one; the others use {rank_behind:.1f} directions, {share_behind:.0%} of what is possible"
)
_HEAVY = Graded("head_weight", "above", HEAD_HEAVY)
_WEIGHS = "a few large directions dominate the spectrum (weight of the head {head_weight:.2f})"
_IS_HEAVY = Gate("head_weight", "above", HEAD_HEAVY)  # itself: of equal eigenvalues its interval is wide
_NUISANCE = (
    "the variance falls on behind them, as of pictures by their brightness: see what of the inputs the first "
    "direction follows"
)
_STANDARDIZE = Remedy(
    "standardize the dimensions",
    "spread = z.std(0)\nz = ((z - z.mean(0)) / spread)[:, spread > 1e-6 * spread.max()]",
)

RULES = (
    Rule(
        "dimensions that outweigh the rest",
        "head-dominated",
        (
            Evidence(_ROGUE, _OTHERS, (_REST, STEADY)),
            Evidence(_OUTWEIGHS, _OTHERS, (_REST, STEADY)),
            Evidence(
                Graded("rogue_dimension", "above", 20.0, 50.0),  # ours: counts of words have up to 18
                "{which_have} up to {rogue_dimension:.0f} times the mean variance, which alone makes the spectrum "
                "decay like a power law of exponent {decay_exponent:.2f} (healthy: about 1)",
                (Gate("head_weight", "above", HEAD_HEAVY), Gate("dimension_gap", "above", OUTWEIGHS, or_missing=True)),
            ),
        ),
        Advice(
            "A few dimensions decide every distance and cosine, and hide all the others.",
            (
                Cause(
                    "massive activations: a network writes a huge number into few dimensions",
                    "the same dimensions are huge for every input, before the last norm layer too",
                ),
                Cause(
                    "dimensions in different units, such as a count beside features",
                    "their values are those of a quantity",
                ),
                Cause("a norm layer is missing at the output", "with it, the largest variance is near the mean"),
            ),
            (
                _STANDARDIZE,
                Remedy("drop these dimensions", "spread = z.std(0)\nz = z[:, spread < 3 * spread.median()]"),
                Remedy(
                    "normalize before the output",
                    "norm = torch.nn.LayerNorm(z.shape[1], elementwise_affine=False)",
                    of=("language model", "two-branch", "contrastive"),
                ),
            ),
            "No dimension has more than ten times the mean variance.",
        ),
        title="to a few dimensions that outweigh the rest",
        least=32,
        silences=("head-dominated spectrum", "hubs"),
        because="a few dimensions cause it: standardize them and measure again",
        excused=LEARNS,
    ),
    Rule(
        "head-dominated spectrum",
        "head-dominated",
        (
            Evidence(_HEAVY, _WEIGHS, (STEADY, Gate("head_gap", "above", HEAD_FALL, or_missing=True))),
            Evidence(_HEAVY, _WEIGHS, (STEADY, _IS_HEAVY), doubt=_NUISANCE),
            Evidence(
                Graded("head_gap", "above", HEAD_FALL),
                "up to three directions dominate the spectrum: after them the variance falls {head_gap:.0f} times",
                _HEAD,
            ),
        ),
        Advice(
            "A few directions outweigh all the others in every distance, while the rest may be healthy.",
            (
                Cause("what is left of a cone or a modality gap", "two groups along the first direction"),
                Cause(
                    "one nuisance (length, brightness, batch) dominates",
                    "the first component correlates with it",
                ),
            ),
            (
                Remedy(
                    "remove the first direction (all-but-the-top)",
                    "z = z - z.mean(0)\ntop = torch.linalg.eigh(z.T @ z).eigenvectors[:, -1:]\nz = z - z @ top @ top.T",
                ),
                _STANDARDIZE,
            ),
            "The jump among the first eigenvalues falls below 20, and the weight of the head below 0.25.",
        ),
        least=32,
        silences=("hubs",),
        because="one large direction decides the neighbors of every row",
    ),
)
