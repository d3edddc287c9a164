"""What is measured of a set, kept as JSON beside it, so that a rule can be judged again within seconds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import fullrank
from fullrank.embeddings.arrays import as_views, chunked, codes
from fullrank.metrics.measure import Measured, measure
from fullrank.stats.sketch import sketch

from .sets import Set

_FIELDS = {field.name for field in fields(Measured)}


@cache
def code() -> str:
    """Names the code that measures: two runs with one name measure the same."""
    root = Path(fullrank.__file__).parent
    files = sorted([*(root / "stats").rglob("*.py"), *(root / "metrics").rglob("*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def measured(folder: Path, one: Set, *, again: bool = False) -> dict[str, Measured]:
    """The measurements of a set, as `fullrank.diagnose` makes them; from its file where there is one.

    again: not from a file that other code has made.
    """
    path = folder / "measurements" / f"{Path(one.file).stem}.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["code"] == code() or not again:
            return {name: _from_json(value) for name, value in kept["measured"].items()}
    found = _measure(folder, one)
    path.parent.mkdir(exist_ok=True)
    whole = {"code": code(), "measured": {name: asdict(value) for name, value in found.items()}}
    path.write_text(json.dumps(whole, default=float), encoding="utf-8")
    return found


def _measure(folder: Path, one: Set) -> dict[str, Measured]:
    x = as_views(np.load(folder / one.file), None)
    labels = None if one.labels is None else codes(np.load(folder / one.labels), x.shape[1], "labels")
    return dict(measure(sketch(chunked(x), seed=0), labels=labels, seed=0))


def _from_json(value: dict[str, Any]) -> Measured:
    known: dict[str, Any] = {name: value[name] for name in _FIELDS & value.keys()}
    known |= {name: tuple(one) for name, one in known.items() if isinstance(one, list)}
    return Measured(**known)
