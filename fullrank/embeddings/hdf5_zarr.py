"""Readers of .h5, .hdf5, .h5ad (obsm/X_pca, or X) and .zarr: dense matrices, in slices, and single columns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.embeddings.source import MOST, EmbeddingFile, from_slices, need, pick, small
from fullrank.errors import UserError

Values = NDArray[Any]


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
            arrays |= _columns_of(arrays) if axes == 1 else {}
            fitting = [place for place, item in arrays.items() if item.ndim == axes]
            cells = _of_cells(fitting, store) if axes == 1 else []  # where it is of AnnData
            entry = pick(name, key, list(arrays) if key else cells or list(arrays), cells or fitting)
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


def hdf5_column(path: Path, key: str | None) -> Values:
    """A data set, or a column of AnnData's obs, whose categories or mask are stored apart from its codes or values."""
    name = str(path)
    need("h5py", name)
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found: list[str] = []
            file.visititems(lambda place, item: found.append(place) if _is_column(item) else None)
            cells = _of_cells(found, file) or found
            place = pick(name, key, found if key else cells, cells)
            item = file[place]
            if isinstance(item, h5py.Group) and "mask" in item:
                place, item = f"{place}/values", item["values"]
            if isinstance(item, h5py.Group):
                codes = _dataset(name, item["codes"])
                return np.asarray(_dataset(name, item["categories"]))[_present(f"{name}::{place}", codes, codes < 0)]
            values = _dataset(name, item)
            lacks = _lacks(place, values, item.parent, lambda: _dataset(name, item.parent["mask"]))
            return _present(f"{name}::{place}", values, lacks)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{name} is not an HDF5 file, or it is damaged ({error}): write it again.") from None


def _columns_of(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The codes or values of the columns of AnnData that are stored in several arrays, by the names of the columns."""
    pairs = (("codes", "categories"), ("values", "mask"))
    above = {place.rpartition("/")[0] for place in arrays} - {""}
    return {
        column: arrays[f"{column}/{first}"]
        for column in sorted(above)
        for first, second in pairs
        if {f"{column}/{first}", f"{column}/{second}"} <= arrays.keys()
    }


def zarr_column(path: Path, key: str | None) -> Values:
    """An array of a zarr store that is a column, or a column of AnnData's obs."""
    name, array = zarr_array(path, key, axes=1)
    import zarr

    small(name, array.shape, array.dtype.itemsize)
    if array.dtype.kind == "O":
        raise UserError(f"{name} holds objects: write it as whole numbers, or as words of zarr 3.")
    place = str(array.path)
    above = place.rpartition("/")[0]
    try:
        values = np.asarray(array[:])
        places = dict(zarr.open_group(str(path), mode="r").members(max_depth=None)) if above else {}
        beside = [one for one in ("categories", "mask") if f"{above}/{one}" in places]
        lacks = _lacks(place, values, beside, lambda: np.asarray(zarr_array(path, f"{above}/mask", axes=1)[1][:]))
    except UserError:
        raise
    except Exception as error:  # whatever a codec raises
        raise UserError(f"{name} is damaged ({error}): write it again.") from None
    words = np.array([*values], dtype=np.str_) if values.dtype.kind == "T" else values  # of any length
    present = _present(name, words, lacks)
    if not (name.endswith(f"::{above}") and place == f"{above}/codes"):
        return present
    categories = zarr_column(path, f"{above}/categories")
    if present.max(initial=0) >= len(categories):
        raise UserError(f"{name} is damaged (it has a code without a category): write it again.")
    return categories[present]


def _lacks(place: str, values: Values, beside: Collection[str], mask: Callable[[], Values]) -> Values:
    """Which rows of a column of AnnData lack a value: by their codes, or by the mask beside the values."""
    last = place.rpartition("/")[2]
    if last == "codes" and "categories" in beside:
        return np.asarray(values < 0)
    return mask().astype(bool) if last == "values" and "mask" in beside else np.zeros(len(values), bool)


def _present(name: str, values: Values, lacks: Values) -> Values:
    """The values; raises a UserError where some rows lack one.

    >>> _present("z.h5ad::donor", np.array([0, -1]), np.array([False, True]))
    Traceback (most recent call last):
    fullrank.errors.UserError: z.h5ad::donor has missing values in 1 of 2 rows: every row needs one.
    """
    if lacks.any():
        raise UserError(f"{name} has missing values in {lacks.sum()} of {len(values)} rows: every row needs one.")
    return values


def _is_column(item: Any) -> bool:
    if hasattr(item, "keys"):
        return {"codes", "categories"} <= set(item.keys()) or {"values", "mask"} <= set(item.keys())
    return hasattr(item, "shape") and len(item.shape or ()) == 1


def _of_cells(columns: Sequence[str], file: Any) -> list[str]:
    """The columns of AnnData's obs but its index, of which each cell has its own."""
    index = f"obs/{file['obs'].attrs.get('_index', '_index')}" if "obs" in file else ""
    return [place for place in columns if re.fullmatch("obs/[^/]+", place) and place != index]


def _dataset(name: str, item: Any) -> Values:
    import h5py

    if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual or item.nbytes > MOST:
        raise UserError(f"{name}::{item.name} is not a plain column of at most a gigabyte: write it as one.")
    is_text = h5py.check_string_dtype(item.dtype) is not None
    return np.array(list(item.asstr(errors="replace")[:]), dtype=np.str_) if is_text else np.asarray(item[:])
