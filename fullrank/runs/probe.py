"""probe.npz: the rows that the last look at a training's probe images saw."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.errors import UserError, command
from fullrank.runs.arrays import DAMAGE, stored
from fullrank.runs.files import write_npz


@dataclass(frozen=True, eq=False)
class ProbeRows:
    """What a network made of the probe images (n) at a step; labels are known for all of them or None."""

    step: int
    backbone: NDArray[np.float32]  # (n, F)
    embedding: NDArray[np.float32]  # (n, D)
    labels: NDArray[np.int64] | None  # (n,)
    classes: tuple[str, ...]  # the names of the labels; empty without labels


def write_probe(run: Path, rows: ProbeRows) -> None:
    """Write probe.npz in place of the one before."""
    arrays: dict[str, NDArray[Any]] = {
        "step": np.array(rows.step, dtype=np.int64),
        "backbone": rows.backbone,
        "embedding": rows.embedding,
        "classes": np.array(rows.classes, dtype=np.str_),
    }
    write_npz(run / "probe.npz", arrays if rows.labels is None else {**arrays, "labels": rows.labels})


def read_probe(run: Path) -> ProbeRows:
    """Read probe.npz; nothing is unpickled, and no array takes more memory than the file is long.

    >>> read_probe(Path("no/such/folder"))
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/folder keeps no rows of its last look (there is no probe.npz; version 0.1.0...
    """
    path = run / "probe.npz"
    if not path.is_file():
        raise UserError(
            f"{run} keeps no rows of its last look (there is no probe.npz; version 0.1.0 wrote none): go on with an "
            f"unfinished run by `{command('train', '--resume', run)}`, see the verdict of a finished one with "
            f"`{command('report', run)}`, or train again."
        )
    try:
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            found = {name: stored(archive, name, size) for name in ("step", "backbone", "embedding", "classes")}
            labels = stored(archive, "labels", size) if "labels.npy" in archive.namelist() else None
        _check(**found, labels=labels)
    except DAMAGE as error:
        why = error.args[0] if isinstance(error, KeyError) else str(error)[:120]
        raise UserError(f"{path} is damaged ({why}): resume the run or train again.") from None
    classes = tuple(str(name) for name in found["classes"])
    return ProbeRows(int(found["step"]), found["backbone"], found["embedding"], labels, classes)


def _check(
    *,
    step: NDArray[Any],
    backbone: NDArray[Any],
    embedding: NDArray[Any],
    classes: NDArray[Any],
    labels: NDArray[Any] | None,
) -> None:
    """ValueError unless types and shapes are those that `write_probe` writes."""
    n = len(embedding) if embedding.ndim == 2 else 0
    for holds, sentence in (
        (step.dtype == np.int64 and step.ndim == 0, "step must be one whole number"),
        (n > 0 and embedding.dtype == np.float32, "embedding must be float32 (n, D)"),
        (backbone.ndim == 2 and len(backbone) == n and backbone.dtype == np.float32, "backbone must be float32 (n, F)"),
        (classes.ndim == 1 and classes.dtype.kind == "U", "classes must be names"),
        (labels is None or (labels.shape == (n,) and labels.dtype == np.int64), "labels must be int64 (n,)"),
        (labels is None or (labels.min() >= 0 and labels.max() < len(classes)), "a label without a class"),
    ):
        if not holds:
            raise ValueError(sentence)
