"""What is known in addition to the measurements: the objective, the training so far, the other layer, the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fullrank.diagnosis.loss_plateau import CONTRASTIVE, LossValue, parts_of_loss
from fullrank.diagnosis.rule import Objective

_OF_LOSS: dict[str, Objective] = {  # every other loss has two branches and no negatives
    **dict.fromkeys(("triplet", "soft_margin"), "metric learning"),
    **dict.fromkeys(CONTRASTIVE, "contrastive"),
    "mnrl": "language model",
}


@dataclass(frozen=True)
class Known:
    """What the judge may use in addition to measurements; everything may be missing.

    Attributes:
        objective: What made the embeddings.
        of_run: Whether they are those of a run of `fullrank train`, so that its flags are of use.
        young: Why it is too early to judge, such as "10 steps, 10 passes over the data".
        rising: Why it is too early to call a rank low.
        numbers: For the gates of rules: "steps"; "rank_since_start" and "knn_since_start", the effective rank over
            that of the untrained network and the kNN accuracy less its; "backbone_healthy", 1 or 0; those of
            `parts_of` and `parts_of_loss`.
        loss: Its name, value and settings; `known_of` adds the parts that the name tells.
    """

    objective: Objective | None = None
    of_run: bool = False
    young: str | None = None
    rising: str | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    loss: LossValue | None = None

    @property
    def trained_by(self) -> Objective | None:
        """The objective, which the name of the loss tells best."""
        return _OF_LOSS.get(self.loss.loss, "two-branch") if self.loss is not None else self.objective


NOTHING = Known()


def known_of(loss: LossValue) -> Known:
    """What the name, the value and the settings of a loss tell."""
    return Known(numbers=parts_of_loss(loss.loss), loss=loss)


# Ours: steps before which it is early, because a network still shows its start: 336 photographs at 60 steps still rose.
# A run is judged at its end, however short it was, and waits for YOUNG. A monitor goes on, so it can wait for GRACE,
# but no longer than until the numbers settle or fall; an alarm for nothing costs more than a late one. With YOUNG it
# said the same of the trainings that its rules were made on, and on fresh seeds it warned of one more that was healthy,
# at step 240; with none it warned of 3 (benchmarks/watch_rule.py --grace).
YOUNG, GRACE = 200, 500
# Ours: times an earlier effective rank from which a low rank is on its way up. A run is compared with half its steps. A
# monitor, which looks at single batches and at any frequency, with its lowest so far, which chance alone lowers more.
RISES, RISEN = 1.1, 1.25


_LEARNED_HEADS = ("linear", "mlp", "orthogonal", "diagonal", "low-rank")  # of directclr; the others choose features
_APART = ("w2", "uniformity", "energy", "coding_rate")  # weights of regularizers


def parts_of(recipe: str, settings: Mapping[str, Any]) -> dict[str, float]:
    """Which parts a run of `fullrank train` has, by its recipe's name and settings: 1 or 0, for the gates of advice.

    "has_target": an output without gradient, from a teacher or beside a predictor. "keeps_apart": any term of the
    objective that one point does not minimize, or another part that does its work; of a recipe of one's own it is known
    only where it has a regularizer.

    >>> parts = parts_of("simsiam", {"projector": [512, 256], "predictor": [64], "weight_decay": 0.0})
    >>> [name for name, has in parts.items() if has]
    ['has_projector', 'has_predictor', 'has_target', 'keeps_apart']
    """
    head, widths = settings.get("head"), settings.get("projector") or ()
    learned = head in _LEARNED_HEADS if head is not None else len(widths) > 0
    teacher, predictor = settings.get("teacher") is not None, "predictor" in settings
    has = {
        "has_projector": learned,
        "has_linear_projector": learned and (len(widths) == 1 if head is None else head != "mlp"),
        "has_predictor": predictor,
        "has_teacher": teacher,
        "has_target": teacher or predictor,
        "has_prototypes": "prototypes" in settings,
        "has_temperature": settings.get("temperature") is not None,
        "has_variance_term": "variance" in settings,
        "has_weight_decay": bool(settings.get("weight_decay", 1)),
        "keeps_apart": recipe != "invariance" or any(settings.get(name) for name in _APART),
    }
    if recipe.endswith(".py") and not any(settings.get(name) for name in _APART):
        del has["keeps_apart"]
    return {name: float(value) for name, value in has.items()}


def since_start(first: Mapping[str, float], last: Mapping[str, float]) -> dict[str, float]:
    """Rank and spread of a monitor row as shares of those of the first row, where these are above 0.

    >>> since_start({"effective_rank": 20.0, "relative_spread": 0.0}, {"effective_rank": 5.0, "relative_spread": 1.0})
    {'rank_since_start': 0.25}
    """
    named = (("rank_since_start", "effective_rank"), ("spread_since_start", "relative_spread"))
    return {name: last[of] / first[of] for name, of in named if first.get(of, 0) > 0}
