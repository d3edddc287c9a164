"""A loss that stays at one number says that all embeddings are equal: the value of one point, by loss."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real

from fullrank.errors import UserError, suggest
from fullrank.losses import LOSSES, PAIR_LOSSES, STATEFUL_LOSSES
from fullrank.losses.declaration import Point, declaration, sibling

CONTRASTIVE = {  # losses and recipes with negatives
    *("infonce", "nt_xent", "simclr", "dcl", "clip", "moco", "moco_v3", "nnclr", "directclr", "spectral_contrastive"),
    *("align_uniform",),
}
_NEGATIVES = {*CONTRASTIVE, "mnrl"}
SETTINGS = ("batch_size", "local_batch", "prototypes", "margin")  # of a loss, that people pass
_NEAR = 0.01  # of the plateau, or of 1 where that is less


@dataclass(frozen=True)
class LossValue:
    """What is known of a loss: its name and value, and the settings that its plateau needs.

    An unknown name, a value that is not a number, and a setting that is none, cannot be, or on which the plateau does
    not depend, raise a UserError. The local batch is a part of the batch, of a loss with negatives.
    """

    loss: str
    value: float
    batch_size: int | None = None
    local_batch: int | None = None
    prototypes: int | None = None
    margin: float | None = None
    dims: int | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.loss, str) and _is_number(self.value, Real)):
            raise UserError(f"The loss is {self.loss!r}, {self.value!r}: pass its name and a number.")
        if self.loss not in _PLATEAUS:
            other = sibling(self.loss, _PUBLIC)
            known = f"pass one of {', '.join(sorted(_PLATEAUS))}."
            hint = f"did you mean {other.lower()}?" if other else suggest(self.loss, _PLATEAUS, otherwise=known)
            raise UserError(f"There is no plateau of a loss {self.loss!r}: {hint}")
        _, useful = settings_of(self.loss)
        for name in SETTINGS:
            value = getattr(self, name)
            if value is not None and name not in useful:
                raise UserError(f"The plateau of {self.loss} does not depend on {name}: leave it out.")
            if value is not None:
                _check_setting(name, value)
        if self.local_batch and self.batch_size and self.local_batch > self.batch_size:
            part = f"{self.local_batch} of a batch of {self.batch_size}"
            raise UserError(f"local_batch is {part}: pass the share of one process, or leave it out.")


_PUBLIC: tuple[Callable[..., object], ...] = (*LOSSES, *STATEFUL_LOSSES, *PAIR_LOSSES)
_BY_NAME = {loss.__name__.lower(): loss for loss in _PUBLIC}
_SAME = {"clip": "infonce", "mnrl": "infonce", "simclr": "nt_xent", "msn": "dino"}  # other people's names
_OURS = {name: declaration(loss).point for name, loss in _BY_NAME.items()}
_OTHERS: dict[str, Point] = {
    **{name: _OURS[ours] for name, ours in _SAME.items()},
    "triplet": Point(lambda margin: margin, "{margin}"),
    "soft_margin": Point(lambda: math.log(2), "ln 2"),
}
_PLATEAUS = _OURS | _OTHERS


def settings_of(loss: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The settings that the plateau of a loss depends on, and those with all that say something of it.

    >>> settings_of("infonce")
    (('batch_size',), ('batch_size', 'local_batch'))
    """
    needed = _PLATEAUS[loss].needs
    return needed, (*needed, "local_batch") if "batch_size" in needed and loss in _NEGATIVES else needed


_PREDICTED = ("byol", "moco_v3", "nnclr", "simsiam")
_TAUGHT = ("byol", "dino", "intl_with_teacher", "moco", "moco_v3", "simdino")


def parts_of_loss(loss: str) -> dict[str, float]:
    """Which parts a training by this loss has, 1 or 0, as far as the name tells: those of `known.parts_of`.

    >>> [name for name, has in parts_of_loss("byol").items() if has]
    ['keeps_apart', 'has_predictor', 'has_teacher', 'has_target']
    """
    name = _SAME.get(loss, loss)
    settings = inspect.signature(_BY_NAME[name]).parameters if name in _BY_NAME else {}
    has = {
        "has_prototypes": "prototypes" in _PLATEAUS[loss].needs,
        "has_temperature": "temperature" in settings,
        "has_variance_term": "variance" in settings,
        "keeps_apart": name != "alignment",
    }
    if has["keeps_apart"]:  # else a predictor or a teacher may do its work
        predictor, teacher = name in _PREDICTED, name in _TAUGHT
        has |= {"has_predictor": predictor, "has_teacher": teacher, "has_target": predictor or teacher}
    return {part: float(value) for part, value in has.items()}


def _is_number(value: object, kind: type) -> bool:
    """Whether a value is a number of this kind, and no larger than a float can be."""
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    return not isinstance(value, int) or abs(value) <= sys.float_info.max


def _check_setting(name: str, value: object) -> None:
    """Raise a UserError for a margin that is not a number, and for another setting that is not whole, or below 2."""
    if name == "margin":
        if not (_is_number(value, Real) and math.isfinite(value)):  # type: ignore[arg-type]
            raise UserError(f"{name} is {value!r}: pass a number.")
    elif not _is_number(value, Integral):
        raise UserError(f"{name} is {value!r}: pass a whole number.")
    elif value < 2:  # type: ignore[operator]
        raise UserError(f"{name} is {value}: pass 2 or more.")


def at_plateau(training: LossValue) -> str | None:
    """The sentence about a loss at the value of constant embeddings, to 1 %, or that is not a number; else None.

    It knows the losses of `fullrank.losses` with their defaults, whose declarations say the value, and clip, mnrl (as
    infonce), simclr (as nt_xent), msn (as dino), triplet and soft_margin. Those of prototypes are recognized at 0 too.
    A setting that is needed and missing raises a UserError. Every loss starts near its plateau: ask after the warm-up.

    >>> at_plateau(LossValue("infonce", 5.545, batch_size=256))
    'infonce stands at 5.545, and 5.545 = ln 256 is its value when all embeddings are equal'
    """
    if not math.isfinite(training.value):
        return f"{training.loss} is {training.value}: the training has diverged"
    point = _PLATEAUS[training.loss]
    settings = _settings(training, point)
    plateau = point(settings)
    said = f"{training.loss} stands at {training.value:.3f}, and"
    if _near(training.value, plateau):
        return f"{said} {_written(point, settings)} is its value when all embeddings are equal"
    if "prototypes" in point.needs and _near(training.value, 0.0):
        return f"{said} 0 is its value when every sample has the same prototype"
    return None


def not_gathered(training: LossValue) -> str | None:
    """The sentence about a loss with negatives at the plateau of one process's share of a batch; None if it is not.

    >>> not_gathered(LossValue("infonce", 4.159, batch_size=256, local_batch=64))
    'infonce stands at 4.159 = ln 64, that of the local batch: the negatives of other processes are not gathered'
    """
    point = _PLATEAUS[training.loss]
    if training.local_batch is None:
        return None
    settings = {**_settings(training, point), "batch_size": training.local_batch}
    if not _near(training.value, point(settings)):
        return None
    return (
        f"{training.loss} stands at {_written(point, settings)}, that of the local batch: the negatives of other "
        "processes are not gathered"
    )


def _settings(training: LossValue, point: Point) -> dict[str, float]:
    """The settings that the value of one point needs."""
    found: dict[str, float] = {}
    for name in point.needs:
        value: float | None = getattr(training, name)
        if value is None:
            raise UserError(f"The plateau of {training.loss} depends on {name}: pass {name}=.")
        found[name] = value
    return found


def _near(value: float, plateau: float) -> bool:
    return abs(value - plateau) <= _NEAR * max(abs(plateau), 1.0)


def _written(point: Point, settings: Mapping[str, float]) -> str:
    """The value of one point, and how it comes about."""
    words = point.written(settings)
    return f"{point(settings):.3f}" + (f" = {words}" if words else "")
