"""Readers of embedding files: `path`, `path::key`, a folder or pattern of shards, a URL, or - for a .npy on stdin."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from fullrank.embeddings.hdf5_zarr import read_hdf5, read_zarr
from fullrank.embeddings.json_files import read_json, read_jsonl
from fullrank.embeddings.numpy_files import read_npy, read_npz, read_stdin, stream
from fullrank.embeddings.source import EmbeddingFile, ending, measurable, need
from fullrank.embeddings.tables import parquet, read_arrow, read_parquet, read_text
from fullrank.embeddings.tensors import read_safetensors, read_torch
from fullrank.errors import UserError, command, shell
from fullrank.runs.reading import is_run, require_file

__all__ = ["ENDINGS", "READERS", "TABLES", "EmbeddingFile", "open_embeddings"]

READERS: dict[str, Callable[[Path, str | None], EmbeddingFile]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".pt": read_torch,
    ".pth": read_torch,
    ".ckpt": read_torch,
    ".safetensors": read_safetensors,
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".h5ad": read_hdf5,
    ".zarr": read_zarr,
}
TABLES: dict[str, Callable[[Path, str | None, Collection[str]], EmbeddingFile]] = {
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".csv": read_text,
    ".tsv": read_text,
    ".txt": read_text,
}
ENDINGS = (*READERS, *TABLES)
_PACKED = (".npy", ".jsonl", ".json", ".csv", ".tsv", ".txt")  # what is read from a .gz


def open_embeddings(spec: str, *, without: Collection[str] = ()) -> EmbeddingFile:
    """The embeddings that a path names; only as much as says what they are is read, and no code in the file is run.

    Args:
        spec: `path`, `path::key`, a folder or a pattern of shards, a URL, or - for a .npy on standard input.
        without: Columns (file::key) that hold labels or groups, and are never dimensions.

    Raises:
        UserError: In one sentence with the remedy, for anything that is not a matrix of real numbers.

    >>> open_embeddings("nowhere.npy")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no file nowhere.npy: check the path.
    """
    file = _opened(spec, without)
    chunks = lambda start, stop: (measurable(rows, file.name) for rows in file.read(start, stop))  # noqa: E731
    return replace(file, read=chunks)


def _opened(spec: str, without: Collection[str]) -> EmbeddingFile:
    if spec == "-":
        return read_stdin()
    place, _, key = spec.partition("::")
    if "://" in place:
        remote = _remote(place, key or None)
        return replace(remote, parts=((spec, remote.n),))
    paths = shards(place)
    files = [_one(path, key or None, own) for path, own in zip(paths, own_columns(paths, without), strict=True)]
    names = [f"{path}::{key}" if key else str(path) for path in paths]
    file = files[0] if paths == [Path(place)] else _shards(spec, files)
    return replace(file, parts=tuple((name, one.n) for name, one in zip(names, files, strict=True)))


def shards(place: str, endings: Collection[str] = ENDINGS) -> list[Path]:
    """The files that a path, a folder or a pattern stands for, in the order of their names.

    Raises UserError if none does, and for what is not a file, such as a pipe.
    """
    found = _named(place, endings)
    for path in found:
        if not os.path.isdir(path):
            require_file(path)
    return found


def own_columns(paths: Sequence[Path], without: Collection[str]) -> list[tuple[str, ...]]:
    """Which columns (file::key) of `without` are in each of the files, by any name that leads to it."""
    taken: dict[tuple[int, int], dict[str, None]] = {}
    for place, _, column in (one.partition("::") for one in without if "::" in one):
        for found in filter(None, map(_which, shards(place))):
            taken.setdefault(found, {})[column] = None
    return [tuple(taken.get(_which(path) or (0, 0), ())) for path in paths]


def _which(path: Path) -> tuple[int, int] | None:
    """What tells a file from every other; None where there is none."""
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_dev, known.st_ino


def _named(place: str, endings: Collection[str]) -> list[Path]:
    if any(character in place for character in "*?[") and not os.path.exists(place):
        paths = sorted(glob.glob(place))
        if not paths:
            raise UserError(f"No file matches {place}: check the pattern.")
        return [Path(path) for path in paths]
    if os.path.isdir(place) and Path(place).suffix.lower() != ".zarr":
        return _folder(Path(place), endings)
    return [Path(place)]


def _folder(folder: Path, endings: Collection[str]) -> list[Path]:
    """The shards in a folder, in the order of their names; text and JSON only if there is nothing else."""
    kinds: dict[str, list[Path]] = {}
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}): ask its owner for the right to.") from None
    for path in inside:
        if ending(path) in endings and path.name[0] not in "._":
            kinds.setdefault(ending(path), []).append(path)
    plain = {kind: paths for kind, paths in kinds.items() if kind not in (".json", ".txt")} or kinds
    if len(plain) != 1:
        if is_run(folder):
            embed = command("embed", folder, "IMAGES", "--out", "FILE.npy")
            raise UserError(f"{folder} is a run and not a file of embeddings: `{embed}` makes one.")
        held = (
            f"files of the kinds {', '.join(plain)}" if plain else "no file that can be read (images: `fullrank embed`)"
        )
        within = _within(folder, ".npy")
        raise UserError(f"{folder} is a folder with {held}: pass a file, or a pattern such as {within}.")
    return next(iter(plain.values()))


def _within(folder: Path, suffix: str) -> str:
    """The pattern of the files in a folder that end so, as a shell takes it."""
    return shell(f"{glob.escape(str(folder))}/*{suffix}")


def _one(path: Path, key: str | None, without: Collection[str]) -> EmbeddingFile:
    if not path.exists():
        raise UserError(f"There is no file {path}: check the path.")
    kind = ending(path)
    if kind not in ENDINGS:
        raise UserError(f"{path} has an ending that cannot be read: pass one of {', '.join(ENDINGS)}.")
    if path.suffix.lower() == ".gz" and kind not in _PACKED:
        raise UserError(f"{path} can only be read unpacked: run gunzip on it first.")
    if path.is_dir() and kind != ".zarr":
        raise UserError(f"{path} is a folder: pass a file, or a pattern such as {_within(path, path.suffix)}.")
    if kind in TABLES:
        return TABLES[kind](path, key, without)
    return READERS[kind](path, key)


def _shards(name: str, files: list[EmbeddingFile]) -> EmbeddingFile:
    """Several files of one width, one after another in the order of their names."""
    odd = next((file for file in files if file.dims != files[0].dims), None)
    if odd is not None:
        raise UserError(f"{odd.name} has {odd.dims} dimensions, {files[0].name} has {files[0].dims}: pass one model's.")
    other = next((file for file in files if file.columns != files[0].columns), None)
    if other is not None:
        raise UserError(
            f"{other.name} has the columns {other.columns}, {files[0].name} has {files[0].columns}: pass files of one "
            "kind, or ::key."
        )
    whole = next((file for file in files if (file.dtype == "int8") != (files[0].dtype == "int8")), None)
    if whole is not None:
        kinds = f"{whole.name} holds {whole.dtype}, {files[0].name} holds {files[0].dtype}"
        raise UserError(f"{kinds}: pass files of one kind of numbers.")
    counts = [file.n for file in files if file.n is not None]
    n = sum(counts) if len(counts) == len(files) else None

    def read(start: int, stop: int | None) -> Iterator[Tensor]:
        at = 0
        for file in files:
            if file.n is not None and at + file.n <= start:
                at += file.n
                continue
            for chunk in file.read(0, None):
                low, high = max(start - at, 0), len(chunk) if stop is None else min(stop - at, len(chunk))
                if low < high:
                    yield chunk[low:high]
                at += len(chunk)
                if stop is not None and at >= stop:
                    return

    order = f"{len(files)} files from {Path(files[0].name).name} to {Path(files[-1].name).name}"
    said = f"{files[0].columns} of {order}" if files[0].columns else order
    return EmbeddingFile(name, n, files[0].dims, files[0].dtype, read, said, files[0].left_out)


def _remote(url: str, key: str | None) -> EmbeddingFile:
    """A .npy, read from its beginning to its end, or a .parquet at a URL that fsspec knows (s3://, gs://, https://)."""
    need("fsspec", url)
    import fsspec

    ending = Path(url).suffix.lower()
    if ending not in (".npy", ".parquet") or (ending == ".npy" and key is not None):
        raise UserError(f"{url} cannot be read from afar: pass a .npy or a .parquet, or copy it here first.")
    opened = lambda: fsspec.open(url, "rb").open()  # noqa: E731
    try:
        system, path = fsspec.core.url_to_fs(url)
        if not system.exists(path):
            raise UserError(f"There is no file {url}: check the address.")
        return stream(url, opened, None) if ending == ".npy" else parquet(url, opened, key)
    except (ImportError, ValueError, OSError) as error:
        raise UserError(f"{url} cannot be opened ({error}): check the address and your rights.") from None
