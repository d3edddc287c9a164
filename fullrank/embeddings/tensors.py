"""Readers of .safetensors and of .pt, .pth and .ckpt files; of the latter only tensors are read, never code."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fullrank.embeddings.source import EmbeddingFile, equally_wide, from_slices, pick
from fullrank.errors import UserError, first_line
from fullrank.runs.arrays import begins_as_saved, grows


def read_safetensors(path: Path, key: str | None) -> EmbeddingFile:
    """One tensor of a .safetensors file, in slices."""
    name = str(path)
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {entry: tuple(file.get_slice(entry).get_shape()) for entry in file.keys()}  # noqa: SIM118
            entry = pick(name, key, list(shapes), [entry for entry, shape in shapes.items() if len(shape) == 2])
            dtype = _DTYPES.get(file.get_slice(entry).get_dtype(), "unknown numbers")
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{name} is not a .safetensors file, or it is damaged ({error}): write it again.") from None

    def take(first: int, last: int) -> Tensor:
        with safe_open(path, framework="pt") as file:
            rows: Tensor = file.get_slice(entry)[first:last]
        return rows

    return from_slices(f"{name}::{entry}", shapes[entry], dtype, 4, take)


_DTYPES = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool"},
    **{"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"},
    **{f"{kind}{bits}": f"{word}{bits}" for kind, word in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)},
}


def read_torch(path: Path, key: str | None) -> EmbeddingFile:
    """One tensor of a file that torch.save wrote, also inside nested dicts (a.b.c); loaded with weights_only."""
    name = str(path)
    try:
        tensors = dict(_tensors(_loaded(path), ""))
    except (OverflowError, RuntimeError) as error:
        raise UserError(f"{name} holds numbers beyond any float ({first_line(error)[:120]}): rescale them.") from None
    if not tensors:
        raise UserError(f"{name} holds no tensor: save the embeddings with torch.save(z, file).")
    entry = pick(name, key, list(tensors), [entry for entry, found in tensors.items() if _is_matrix(found)])
    spot = f"{name}::{entry}" if entry else name
    found = tensors[entry]
    if isinstance(found, Tensor):
        z = _plain(spot, found)
        return from_slices(spot, z.shape, _dtype(z), 4, lambda first, last: z[first:last].clone())
    rows = [_plain(spot, row) for row in found]
    _refuse_batches(spot, rows)
    shape = (len(rows), len(rows[0]))
    return from_slices(spot, shape, _dtype(rows[0]), 4, lambda first, last: torch.stack(rows[first:last]))


def _refuse_batches(spot: str, rows: Sequence[Tensor]) -> None:
    """Raise a UserError for a list of tensors that are not rows of one width and one type."""
    if any(row.ndim != 1 for row in rows):
        shapes = " and ".join(dict.fromkeys(str(tuple(row.shape)) for row in rows[:9]))
        how = ": save torch.stack(list)" if all(row.ndim == 0 for row in rows) else ": save torch.cat(list)"
        if len({row.shape[1:] if row.ndim else None for row in rows}) > 1:  # such as embeddings and their labels
            how = ", which cannot be joined: save the embeddings alone"
        raise UserError(f"{spot} is a list of tensors of the shape {shapes}{how}, as (samples, D).")
    equally_wide(spot, [len(row) for row in rows])
    if len(kinds := sorted({_dtype(row) for row in rows})) > 1:
        raise UserError(f"{spot} is a list of rows of {' and '.join(kinds)}: save all of them in one type.")


def torch_columns(path: Path) -> dict[str, Tensor | list[int | str]]:
    """What in a file of torch.save could be a column, by its place: tensors of one axis, and lists of labels."""
    return {
        place: _plain(f"{path}::{place}" if place else str(path), found) if isinstance(found, Tensor) else found
        for place, found in _columns(_loaded(path), "")
    }


def _columns(content: Any, place: str) -> Iterator[tuple[str, Tensor | list[int | str]]]:
    is_list = isinstance(content, list | tuple) and all(type(value) in (int, str) for value in content)
    if isinstance(content, Tensor) and max(content.shape, default=0) == content.numel():
        yield place, content.reshape(-1)
    elif is_list and content:
        yield place, [*content]
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _columns(value, f"{place}.{key}" if place else str(key))


def _loaded(path: Path) -> Any:
    if held := grows(path):  # it could be a bomb
        raise UserError(f"{path} holds {held}, which torch.save does not write of tensors: write it again.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # an unpickler of broken bytes raises whatever it comes upon
        raise _unreadable(str(path), path, error) from None


def _unreadable(name: str, path: Path, error: Exception) -> UserError:
    """Why torch could not load a file."""
    if not begins_as_saved(path):
        return UserError(
            f"{name} is not a file of torch.save, which begins otherwise: write it with torch.save(z, file)."
        )
    if isinstance(error, pickle.UnpicklingError):
        return UserError(
            f"{name} holds more than tensors, and reading the rest could run code: save the embeddings with "
            "torch.save(z, file), or as .safetensors."
        )
    return UserError(
        f"{name} is not a file of torch.save, or it is damaged ({first_line(error)[:120]}): write it again."
    )


def _plain(name: str, z: Tensor) -> Tensor:
    """A dense tensor that is as large as it says."""
    z = z.detach()
    if z.is_sparse or z.is_quantized or z.layout != torch.strided:
        raise UserError(f"{name} is {z.layout}: save z.to_dense().")
    if z.numel() * z.element_size() > z.untyped_storage().nbytes():
        raise UserError(f"{name} is an expanded view of fewer numbers: save z.contiguous().")
    return z


def _dtype(z: Tensor) -> str:
    return str(z.dtype).removeprefix("torch.")


def _is_matrix(found: Tensor | list[Tensor]) -> bool:
    return found.ndim == 2 if isinstance(found, Tensor) else found[0].ndim == 1


def _tensors(content: Any, place: str) -> Iterator[tuple[str, Tensor | list[Tensor]]]:
    """The tensors, and the lists of rows, by where they are."""
    if isinstance(content, Tensor):
        yield place, content
    elif isinstance(content, list | tuple) and content:
        if all(isinstance(row, Tensor) for row in content):
            yield place, list(content)
        elif all(isinstance(row, list | tuple) and row and _is_numbers(row) for row in content):
            whole = all(type(number) is int for row in content for number in row)
            yield place, [torch.tensor(row, dtype=None if whole else torch.get_default_dtype()) for row in content]
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _tensors(value, f"{place}.{key}" if place else str(key))


def _is_numbers(row: Sequence[Any]) -> bool:
    return all(type(number) in (int, float) for number in row)
