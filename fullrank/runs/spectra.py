"""The eigenvalues of a run at every reading: appended to spectra.rows while it trains, packed into spectra.npz then."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.runs.arrays import DAMAGE, names_of, stored
from fullrank.runs.files import full_disk_is_an_error, replace, write_npz

_LARGEST = 2**30  # bytes of an array
_HEADER = 2**20  # bytes of the line that names the spectra

Spectra = dict[str, NDArray[Any]]  # "steps" (S,), and a name -> eigenvalues (S, K)


def append_spectra(run: Path, step: int, values: Mapping[str, NDArray[Any]]) -> None:
    """Add what was read at a step: a name -> eigenvalues (K,). What was not read before is NaN there."""
    path = run / "spectra.rows"
    kind = _kind({name: value[None] for name, value in values.items()})
    if not path.exists():
        write_spectra(run, {})
    if _kind_of(path) != kind:
        write_spectra(run, _widened(read_rows_of_spectra(path), values))
    with full_disk_is_an_error(path), path.open("ab") as file:
        file.write(_record(kind, step, values))


def read_spectra(run: Path) -> Spectra:
    """All that a run's folder keeps of its eigenvalues; empty where it keeps none. Raises what `DAMAGE` names."""
    rows = run / "spectra.rows"
    if rows.is_file():
        return read_rows_of_spectra(rows)
    if not (run / "spectra.npz").is_file():
        return {}
    with zipfile.ZipFile(run / "spectra.npz") as archive:
        return {name: stored(archive, name, _LARGEST) for name in names_of(archive)}


def read_rows_of_spectra(path: Path) -> Spectra:
    """The rows of a spectra.rows; one that is damaged, or that a killed process left half-written, is left out."""
    kind = _kind_of(path)
    if kind is None:
        return {}
    with path.open("rb") as file:
        file.readline(_HEADER)
        content = file.read()
    whole = len(content) // kind.itemsize
    records = [content[at * kind.itemsize : (at + 1) * kind.itemsize] for at in range(whole)]
    good = [each for each in records if zlib.crc32(each[:-4]) == int.from_bytes(each[-4:], "little")]
    found = np.frombuffer(b"".join(good), dtype=kind)
    return {name: found[name].copy() for name in kind.names or () if name != "check"}


def write_spectra(run: Path, spectra: Spectra) -> None:
    """Let spectra.rows hold these, in place of what it held."""
    steps = spectra.get("steps", np.empty(0, dtype=np.int64))
    others = {name: values for name, values in spectra.items() if name != "steps"}
    kind = _kind(others)
    head = json.dumps({name: [values.dtype.str, values.shape[1]] for name, values in others.items()})
    rows = [_record(kind, int(step), {name: others[name][at] for name in others}) for at, step in enumerate(steps)]
    content = head.encode() + b"\n" + b"".join(rows)
    replace(run / "spectra.rows", lambda beside: beside.write_bytes(content))


def pack_spectra(run: Path) -> None:
    """Make spectra.npz of spectra.rows, which is deleted."""
    path = run / "spectra.rows"
    if path.exists():
        if spectra := read_rows_of_spectra(path):
            write_npz(run / "spectra.npz", spectra)
        path.unlink()


def _kind(spectra: Mapping[str, NDArray[Any]]) -> np.dtype[Any]:
    """How a row lies in the file: the step, the eigenvalues by name, and a sum of both."""
    parts: list[Any] = [(name, values.dtype.str, (values.shape[1],)) for name, values in spectra.items()]
    return np.dtype([("steps", "<i8"), *parts, ("check", "<u4")])


def _kind_of(path: Path) -> np.dtype[Any] | None:
    """The same of a file, None if it does not say it."""
    with suppress(*DAMAGE, AttributeError), path.open("rb") as file:
        said = json.loads(file.readline(_HEADER))
        parts: list[Any] = [(name, np.dtype(dtype), (int(width),)) for name, (dtype, width) in said.items()]
        kind = np.dtype([("steps", "<i8"), *parts, ("check", "<u4")])
        if not kind.hasobject and kind.itemsize <= _LARGEST:
            return kind
    return None


def _record(kind: np.dtype[Any], step: int, values: Mapping[str, NDArray[Any]]) -> bytes:
    row = np.zeros(1, dtype=kind)
    row["steps"] = step
    for name, value in values.items():
        row[name] = value
    content = row.tobytes()[:-4]
    return content + zlib.crc32(content).to_bytes(4, "little")


def _widened(spectra: Spectra, values: Mapping[str, NDArray[Any]]) -> Spectra:
    """The spectra with these names alone; what was not read before is NaN."""
    steps = spectra.get("steps", np.empty(0, dtype=np.int64))

    def known(name: str, value: NDArray[Any]) -> NDArray[Any]:
        before = spectra.get(name)
        if before is not None and before.shape[1:] == value.shape:
            return before.astype(value.dtype)
        return np.full((len(steps), len(value)), np.nan, dtype=value.dtype)

    return {"steps": steps, **{name: known(name, value) for name, value in values.items()}}
