"""The flags of `fullrank evaluate`; importing them loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score the frozen encoder of a run by kNN and a linear probe, into its result.json and report."""

    run: Positional[Path]
    """Folder of a finished run."""
    k: int = 20
    """Neighbours that vote."""
    temperature: float = 0.07
    """Divides the cosine in a neighbour's weight."""
    baselines: bool = False
    """Also score raw pixels and the untrained encoder."""
    validation: bool = False
    """Score on a held-out tenth of the training labels instead of the test set, and write nothing: for choosing
    settings."""
    data_root: Path | None = None
    """Folder of the named data set, if it has moved."""
