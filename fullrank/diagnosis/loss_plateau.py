"""A loss that stands still at one number says that all embeddings are equal: the value of one point, by loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from fullrank.errors import UserError

SETTINGS = ("batch_size", "local_batch", "prototypes", "margin")  # of a loss, that people pass
_NEAR = 0.01  # of the plateau, or of 1 where that is less


@dataclass(frozen=True)
class Training:
    """What is known of a loss: its name and value, and the settings that its plateau needs.

    UserError for a name that is none, and for a setting on which the plateau does not depend.
    """

    loss: str
    value: float
    batch_size: int | None = None
    local_batch: int | None = None
    prototypes: int | None = None
    margin: float | None = None
    dims: int | None = None

    def __post_init__(self) -> None:
        if self.loss not in _PLATEAUS:
            known = ", ".join(sorted(_PLATEAUS))
            raise UserError(f"There is no plateau of a loss {self.loss!r}: pass one of {known}.")
        needed = _PLATEAUS[self.loss][0]
        useful = (needed, "local_batch") if needed == "batch_size" else (needed,)
        for name in SETTINGS:
            if getattr(self, name) is not None and name not in useful:
                raise UserError(f"The plateau of {self.loss} does not depend on {name}: leave it out.")


Formula = Callable[[float], float]

# Name -> the setting that it needs (None: none), and the value of constant embeddings.
_PLATEAUS: dict[str, tuple[str | None, Formula]] = {
    "infonce": ("batch_size", math.log),
    "clip": ("batch_size", math.log),
    "mnrl": ("batch_size", math.log),
    "nt_xent": ("batch_size", lambda n: math.log(2 * n - 1)),
    "simclr": ("batch_size", lambda n: math.log(2 * n - 1)),
    "dcl": ("batch_size", lambda n: math.log(2 * n - 2)),
    "dino": ("prototypes", math.log),
    "swav": ("prototypes", math.log),
    "msn": ("prototypes", math.log),
    "triplet": ("margin", float),
    "soft_margin": (None, lambda _: math.log(2)),
    "byol": (None, lambda _: 0.0),
    "simsiam": (None, lambda _: -1.0),
    "vicreg": (None, lambda _: 24.75),
    "barlow_twins": ("dims", float),
    "w2": (None, lambda _: math.sqrt(2)),
    "uniformity": (None, lambda _: 0.0),
    "tico": (None, lambda _: 0.8),
}


def at_plateau(training: Training) -> str | None:
    """The sentence about a loss that has the value of constant embeddings, to 1 %; None if it has not.

    Knows InfoNCE (also as clip, mnrl): ln of the batch; NT-Xent (simclr): ln(2 B - 1); DCL: ln(2 B - 2); DINO, SwAV,
    MSN: ln of the prototypes, or 0; triplet: the margin; soft_margin: ln 2; byol: 0; simsiam: -1; vicreg: 24.75 by
    the authors' code; barlow_twins: D; w2: sqrt 2; uniformity: 0; tico: 0.8. A contrastive loss at the ln of the
    `local_batch` lacks the other processes' negatives. UserError for a setting that is needed and missing. Every loss
    starts near its plateau: mean it after the warm-up.

    >>> at_plateau(Training("infonce", 5.545, batch_size=256))
    'infonce stands at 5.545, and 5.545 = ln 256 is its value when all embeddings are equal'
    """
    if not math.isfinite(training.value):
        return f"{training.loss} is {training.value}: the training has diverged"
    needed, formula = _PLATEAUS[training.loss]
    setting = 0.0 if needed is None else _setting(training, needed)
    plateau = formula(setting)
    said = f"{training.loss} stands at {training.value:.3f}, and"
    if _near(training.value, plateau):
        what = f"{plateau:.3f}" + (f" = {_written(training.loss, setting)}" if needed else "")
        return f"{said} {what} is its value when all embeddings are equal"
    if needed == "prototypes" and _near(training.value, 0.0):
        return f"{said} 0 is its value when every sample has the same prototype"
    return None


def not_gathered(training: Training) -> str | None:
    """The sentence about a contrastive loss at the plateau of one process's share of the batch; None if it is not.

    >>> not_gathered(Training("infonce", 4.159, batch_size=256, local_batch=64))
    'infonce stands at 4.159 = ln 64, that of the local batch: the negatives of other processes are not gathered'
    """
    needed, formula = _PLATEAUS[training.loss]
    if needed != "batch_size" or training.local_batch is None or training.local_batch == training.batch_size:
        return None
    if not _near(training.value, formula(training.local_batch)):
        return None
    written = _written(training.loss, training.local_batch)
    return (
        f"{training.loss} stands at {training.value:.3f} = {written}, that of the local batch: the negatives of other "
        "processes are not gathered"
    )


def _setting(training: Training, name: str) -> float:
    value: float | None = getattr(training, name)
    if value is None:
        raise UserError(f"The plateau of {training.loss} depends on {name}: pass {name}=.")
    if name in ("batch_size", "prototypes") and value < 2:
        raise UserError(f"{name} is {value}: pass 2 or more.")
    return float(value)


def _near(value: float, plateau: float) -> bool:
    return abs(value - plateau) <= _NEAR * max(abs(plateau), 1.0)


def _written(loss: str, setting: float) -> str:
    if loss in ("nt_xent", "simclr", "dcl"):
        return f"ln(2 x {setting:.0f} - {2 if loss == 'dcl' else 1})"
    return f"{setting:g}" if loss in ("triplet", "barlow_twins") else f"ln {setting:.0f}"
