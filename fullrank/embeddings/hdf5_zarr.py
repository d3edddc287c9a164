"""Readers of .h5, .hdf5, .h5ad (obsm/X_pca, or X) and .zarr; dense matrices only, read in slices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fullrank.embeddings.source import EmbeddingFile, from_slices, need, pick
from fullrank.errors import UserError


def read_hdf5(path: Path, key: str | None) -> EmbeddingFile:
    """One data set of an HDF5 file, such as obsm/X_pca of an AnnData file."""
    name = str(path)
    need("h5py", name)
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found: dict[str, tuple[tuple[int, ...], str]] = {}
            places: dict[str, str | bytes] = {}  # by how they are shown; a name in a file may be no text

            def note(at: str | bytes, item: Any) -> None:
                place = at if isinstance(at, str) else at.decode("utf-8", "backslashreplace")
                places[place] = at
                if isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual:
                    found.update(_matrices(place, item.shape or (), item.dtype))
                    _bounded(f"{name}::{place}", item.chunks, item.dtype.itemsize)

            file.visititems(note)
            sparse = [place for place, item in file.items() if isinstance(item, h5py.Group) and "indptr" in item]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{name} is not an HDF5 file, or it is damaged ({error}): write it again.") from None
    if key in sparse:
        raise UserError(f"{name}::{key} is sparse: write it as a dense matrix, or pass an entry of obsm.")
    entry = pick(name, key, list(found), _suitable(path, found))
    shape, dtype = found[entry]

    def take(first: int, last: int) -> Any:
        try:
            with h5py.File(path, "r") as file:
                if entry in places:
                    return file[places[entry]][first:last]
                place, _, field = entry.rpartition("/")
                return file[places[place]].fields(field)[first:last]
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(f"{name}::{entry} is damaged ({error}): write it again.") from None

    return from_slices(f"{name}::{entry}", shape, dtype, 8, take)


def _matrices(place: str, shape: tuple[int, ...], dtype: Any) -> Iterator[tuple[str, tuple[tuple[int, ...], str]]]:
    """A data set, or the fields of one that is a compound array, as obsm of AnnData before 0.7 is."""
    if dtype.names is None:
        yield place, (shape, dtype.name)
    for field in dtype.names or ():
        yield f"{place}/{field}", ((*shape, *dtype[field].shape), dtype[field].base.name)


def _suitable(path: Path, found: Mapping[str, tuple[tuple[int, ...], str]]) -> list[str]:
    """The matrices that can be meant without a key: of AnnData those of the cells alone, obsm before X."""
    matrices = [place for place, (shape, _) in found.items() if len(shape) == 2]
    if path.suffix.lower() != ".h5ad":
        return matrices
    return [place for place in matrices if place.startswith("obsm/")] + [place for place in matrices if place == "X"]


def read_zarr(path: Path, key: str | None) -> EmbeddingFile:
    """One matrix of a zarr store, or the store if it is an array."""
    name, array = zarr_array(path, key, axes=2)

    def take(first: int, last: int) -> Any:
        try:
            return array[first:last]
        except Exception as error:  # whatever a codec raises
            raise UserError(f"{name} is damaged ({error}): write it again.") from None

    return from_slices(name, array.shape, str(array.dtype), 8, take)


def zarr_array(path: Path, key: str | None, *, axes: int) -> tuple[str, Any]:
    """The array of a zarr store that a key names, or the only one of so many axes, or the store, with its name.

    Raises UserError if there is none, for a chunk that is too large, and for one that would be unpickled.
    """
    name = str(path)
    need("zarr", name)
    import zarr

    try:
        store = zarr.open(str(path), mode="r")
        if isinstance(store, zarr.Group):
            arrays = {place: item for place, item in store.members(max_depth=None) if isinstance(item, zarr.Array)}
            entry = pick(name, key, list(arrays), [place for place, item in arrays.items() if item.ndim == axes])
            array, name = arrays[entry], f"{name}::{entry}"
        else:
            array = store
        _bounded(name, array.chunks, array.dtype.itemsize)
        codecs = array.filters, array.compressors if hasattr(array, "compressors") else array.compressor
        if "pickle" in repr(codecs).lower():
            raise UserError(f"{name} holds pickled objects, which could run code: write it with a type of numbers.")
    except UserError:
        raise
    except Exception as error:  # zarr raises errors of its own, of its codecs and of the JSON that it reads
        raise UserError(f"{name} is not a zarr store, or it is damaged ({error}): write it again.") from None
    return name, array


def _bounded(name: str, chunk: Sequence[int] | None, itemsize: int) -> None:
    """Raise a UserError if one chunk, which is unpacked whole, is larger than a gigabyte."""
    if chunk is not None and math.prod(chunk) * itemsize > 2**30:
        raise UserError(f"{name} has chunks of {tuple(chunk)}, over a gigabyte each: write it with smaller chunks.")
