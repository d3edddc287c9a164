"""From what people pass to `fullrank.diagnose` to tensors of views, and from labels of any kind to numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from numbers import Integral

import numpy as np
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from fullrank.embeddings.source import as_labels, floating, measurable, tensor, whole
from fullrank.errors import UserError

_AT_ONCE = 2**25  # numbers of one chunk


def as_views(z: object, views: object) -> Tensor:
    """Embeddings as (V, N, D), without a copy where z allows it.

    Args:
        z: (N, D) or (V, N, D).
        views: How many views (N, D) holds, one after the other, or further arrays (N, D), or one; None where z says it.
    """
    x = as_tensor(z)
    if isinstance(views, Integral):
        return _split(x, int(views))
    if views is not None:
        if not isinstance(views, Iterable):
            raise UserError(f"views is a {type(views).__name__}: pass how many there are, or a list of further arrays.")
        others = [as_tensor(view) for view in ([views] if getattr(views, "ndim", None) == 2 else views)]
        shapes = [tuple(one.shape) for one in (x, *others)]
        if x.ndim != 2 or len(set(shapes)) != 1:
            raise UserError(f"The views have the shapes {shapes}: pass (samples, dimensions), all alike.")
        return torch.stack([x, *(other.to(x) for other in others)])
    return x if x.ndim == 3 else x[None]


def as_tensor(z: object) -> Tensor:
    """A matrix, or a stack of views, of floating-point numbers: torch, numpy, DLPack or __array__.

    Args:
        z: (N, D) or (V, N, D).

    Raises:
        UserError: It is of another shape, or not of floating-point numbers.
    """
    if isinstance(z, np.ma.MaskedArray) and bool(np.ma.getmaskarray(z).any()):
        raise UserError("The array has masked values: leave their rows out, with numpy.ma.compress_rows(z).")
    if isinstance(z, Tensor):
        x = z.detach()
    elif hasattr(z, "__array__"):
        array = np.asarray(z)
        floating("The array", array.dtype.name)
        x = tensor(array)
    elif hasattr(z, "__dlpack__"):
        x = from_dlpack(z)
    else:
        remedy = "pass numpy, torch, or anything with DLPack or __array__"
        raise UserError(f"A {type(z).__name__} is not an array: {remedy}.")
    if x.is_meta:
        raise UserError("The embeddings are on the device meta, which holds no numbers: compute them on a real one.")
    if x.layout != torch.strided:
        raise UserError(f"The embeddings are sparse ({x.layout}): pass them dense.")
    floating("The array", str(x.dtype).removeprefix("torch."))
    if x.ndim not in (2, 3) or 0 in x.shape:
        raise UserError(
            f"The embeddings have the shape {tuple(x.shape)}: pass (samples, dimensions) or (views, samples, "
            "dimensions), at least 1 of each."
        )
    return tensor(x)


def chunked(x: Tensor) -> Iterator[Tensor]:
    """x (V, N, D) in pieces of its samples, on the CPU.

    Args:
        x: Views (V, N, D).
    """
    step = max(1, _AT_ONCE // (x.shape[0] * x.shape[2]))
    for start in range(0, x.shape[1], step):
        yield measurable(x[:, start : start + step].cpu(), "The embeddings")


def codes(values: object, n: int, what: str) -> Tensor:
    """Numbers (N,) from 0 for whole numbers or names (N,) of what a sample belongs to.

    Args:
        values: Whole numbers, also as floats, or names (N,).
        n: How many there must be.
        what: What they are called in an error.

    Raises:
        UserError: They are of another length or kind, or ids fall together in their floats.
    """
    if isinstance(values, np.ma.MaskedArray) and bool(np.ma.getmaskarray(values).any()):
        raise UserError(f"The {what} have masked values: give each of the {n} samples a whole number or a name.")
    if isinstance(values, Tensor):
        values = as_labels(f"The {what} hold", values) if not values.is_meta else None
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        array = np.empty(0, dtype=object)
    one_by_one = array.flat if array.dtype.kind in "OfM" and array.ndim == 1 else ()
    empty = sum(map(_is_missing, values if isinstance(values, list | tuple) else one_by_one))
    empty = empty or (int((array == array.dtype.type()).sum()) if array.dtype.kind in "US" else 0)
    if empty:
        raise UserError(f"The {what} are missing for {empty} of {n} samples: give each a whole number or a name.")
    if array.dtype.kind == "O" and array.ndim == 1:
        array = np.asarray([str(value) for value in array])
    array = whole(f"The {what} hold", array)
    if array.shape != (n,) or array.dtype.kind not in "iubUS":
        raise UserError(
            f"The {what} have the shape {array.shape} and the type {array.dtype}: pass a whole number or a name for "
            f"each of the {n} samples."
        )
    return torch.from_numpy(np.unique(array, return_inverse=True)[1].astype(np.int64))


def _is_missing(value: object) -> bool:
    """Whether a label is None, NaN, an empty name, or pandas' NA or NaT, which are told by their types' names."""
    lacks = value is None or type(value).__name__ in ("NAType", "NaTType")
    return (
        lacks
        or (isinstance(value, float | np.datetime64) and value != value)
        or (isinstance(value, str | bytes) and not value)
    )


def require_classes(codes: Tensor, what: str, flag: str) -> None:
    """Raise a UserError if labels, as codes (N,) from 0, put all rows into one class, or each into one of its own.

    >>> require_classes(torch.tensor([0, 1, 2]), "ids.txt", "--labels")
    Traceback (most recent call last):
    fullrank.errors.UserError: ids.txt holds a class for each row: pass classes of several rows, or leave out --labels.
    """
    count = len(codes.unique())
    if count < 2:
        raise UserError(f"{what} holds one class only: pass two or more classes, or leave out {flag}.")
    if count == len(codes):
        raise UserError(f"{what} holds a class for each row: pass classes of several rows, or leave out {flag}.")


def _split(x: Tensor, views: int) -> Tensor:
    if x.ndim == 3 and x.shape[0] == views:
        return x
    if x.ndim == 3 or views < 1 or x.shape[0] % views:
        raise UserError(f"The shape {tuple(x.shape)} does not hold {views} views: stack them as (views, samples, D).")
    return x.view(views, -1, x.shape[1]) if x.is_contiguous() else x.reshape(views, -1, x.shape[1])
