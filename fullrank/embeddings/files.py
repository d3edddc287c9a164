"""Readers of embedding files: `path`, `path::key`, a pattern of shards, a URL, or - for a .npy on standard input."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from pathlib import Path

from torch import Tensor

from fullrank.embeddings.hdf5_zarr import read_hdf5, read_zarr
from fullrank.embeddings.numpy_files import read_npy, read_npz, read_stdin, stream
from fullrank.embeddings.source import EmbeddingFile, need
from fullrank.embeddings.tables import parquet, read_arrow, read_csv, read_jsonl, read_parquet
from fullrank.embeddings.tensors import read_safetensors, read_torch
from fullrank.errors import UserError

__all__ = ["READERS", "EmbeddingFile", "open_embeddings"]

READERS: dict[str, Callable[[Path, str | None], EmbeddingFile]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".pt": read_torch,
    ".pth": read_torch,
    ".ckpt": read_torch,
    ".safetensors": read_safetensors,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_jsonl,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".h5ad": read_hdf5,
    ".zarr": read_zarr,
}


def open_embeddings(spec: str) -> EmbeddingFile:
    """The embeddings that a path names; nothing but the header is read, and no code in the file is ever run.

    UserError, in one sentence with the remedy, for anything that is no matrix of real numbers.

    >>> open_embeddings("nowhere.npy")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no file nowhere.npy: check the path.
    """
    if spec == "-":
        return read_stdin()
    place, _, key = spec.partition("::")
    if "://" in place:
        return _remote(place, key or None)
    if any(character in place for character in "*?[") and not Path(place).exists():
        paths = sorted(glob.glob(place))
        if not paths:
            raise UserError(f"No file matches {place}: check the pattern.")
        return _shards(spec, [_one(Path(path), key or None) for path in paths])
    return _one(Path(place), key or None)


def _one(path: Path, key: str | None) -> EmbeddingFile:
    if not path.exists():
        raise UserError(f"There is no file {path}: check the path.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path} is of no kind that can be read: pass one of {', '.join(READERS)}.")
    if path.is_dir() and reader is not read_zarr:
        raise UserError(f"{path} is a folder: pass a file, or a pattern such as '{path}/*{path.suffix}'.")
    return reader(path, key)


def _shards(name: str, files: list[EmbeddingFile]) -> EmbeddingFile:
    """Several files of one width, one after another in the order of their names."""
    odd = next((file for file in files if file.dims != files[0].dims), None)
    if odd is not None:
        raise UserError(f"{odd.name} has {odd.dims} dimensions, {files[0].name} has {files[0].dims}: pass one model's.")
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

    return EmbeddingFile(name, n, files[0].dims, files[0].dtype, read)


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
