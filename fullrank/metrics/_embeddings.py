"""What metrics compute on: embeddings as people pass them, checked, in float64, and free of rounding noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.stats import ROUNDING, Moments, normalize, spectrum

_WIDENED = {  # dtypes in which torch does not compute
    **dict.fromkeys((torch.uint16, torch.uint32), torch.int64),
    torch.uint64: torch.float64,
}


def as_tensor(z: object) -> Tensor:
    """A tensor as it is, and an array or lists of numbers as a tensor of their own, of a dtype that torch computes in.

    >>> as_tensor([[1.0, 2.0]]), as_tensor("ten")
    Traceback (most recent call last):
    fullrank.errors.UserError: The embeddings are of type str: pass rows (N, D) as a tensor, an array or lists.
    """
    x = z if isinstance(z, Tensor) else _of_array(z)
    if x.is_meta:
        raise UserError("The embeddings are on the device meta, which holds no numbers: compute them on a real one.")
    if x.layout != torch.strided:
        raise UserError(f"The embeddings are sparse ({x.layout}): pass them dense.")
    if x.is_complex():
        raise UserError(f"The embeddings are complex ({x.dtype}): pass their real parts or their magnitudes.")
    narrow = x.is_floating_point() and x.dtype.itemsize == 1
    return x.float() if narrow else x.to(_WIDENED.get(x.dtype, x.dtype))


def as_labels(labels: object) -> Tensor:
    """Labels or groups as a tensor; whole numbers of 64 bits without a sign keep their bits, so that all stay apart.

    >>> as_labels(np.array([1, 2**64 - 1], np.uint64))
    tensor([ 1, -1])
    """
    x = labels if isinstance(labels, Tensor) else _of_array(labels)
    return x.view(torch.int64) if x.dtype == torch.uint64 else as_tensor(x)


def _of_array(z: object) -> Tensor:
    if isinstance(z, np.ma.MaskedArray) and bool(np.ma.getmaskarray(z).any()):
        raise UserError("The array has masked values: leave their rows out, with numpy.ma.compress_rows(z).")
    try:
        array = np.array(z)
        known = array.dtype if array.dtype.kind != "f" or array.dtype.itemsize <= 8 else np.dtype(np.float64)
        return torch.from_numpy(array.astype(known.newbyteorder("="), copy=False))
    except (TypeError, ValueError, RuntimeError):
        raise UserError(
            f"The embeddings are of type {type(z).__name__}: pass rows (N, D) as a tensor, an array or lists."
        ) from None


def embeddings(z: Tensor) -> Tensor:
    """z (N, D) checked, detached, in float64, divided by its largest magnitude: every metric is scale-free.

    >>> embeddings(torch.tensor([[1e30, -2e30]]))
    tensor([[ 0.5000, -1.0000]], dtype=torch.float64)
    """
    z = as_tensor(z)
    x, largest = with_magnitude(z)
    if not largest > 0:
        return x
    return x / largest if x.data_ptr() == z.data_ptr() else x.div_(largest)  # a copy is ours


def with_magnitude(z: Tensor) -> tuple[Tensor, Tensor]:
    """z (N, D) checked, detached, in float64, and its largest magnitude.

    >>> with_magnitude(torch.tensor([[1, -2]], dtype=torch.int8))
    (tensor([[ 1., -2.]], dtype=torch.float64), tensor(2., dtype=torch.float64))
    """
    z = as_tensor(z)
    if z.ndim != 2 or 0 in z.shape:
        raise UserError(f"Embeddings have the shape {tuple(z.shape)}: pass (samples, dimensions), both at least 1.")
    x = z.detach()
    x = (x.cpu() if x.device.type == "mps" else x).double()  # mps has no float64
    least, most = x.aminmax()
    largest = torch.maximum(-least, most)
    _require_finite(largest)
    return x, largest


def on_one_scale(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (N, D) and (M, D) of two sets, checked, in float64, divided by the largest magnitude of both.

    >>> on_one_scale(torch.tensor([[1e30]]), torch.tensor([[-2e30]]))
    (tensor([[0.5000]], dtype=torch.float64), tensor([[-1.]], dtype=torch.float64))
    """
    x, y = as_tensor(x), as_tensor(y)
    require_one_width(x, y)
    (x, of_x), (y, of_y) = with_magnitude(x), with_magnitude(y)
    largest = max(float(of_x), float(of_y))
    return (x / largest, y / largest) if largest > 0 else (x, y)


def require_one_width(x: Tensor, y: Tensor) -> None:
    """Raise a UserError unless both are rows (N, D) and (M, D).

    >>> require_one_width(torch.ones(2, 3), torch.ones(2, 4))
    Traceback (most recent call last):
    fullrank.errors.UserError: The rows have the shapes (2, 3) and (2, 4): pass embeddings of one width.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise UserError(f"The rows have the shapes {(*x.shape,)} and {(*y.shape,)}: pass embeddings of one width.")


def unit_rows(z: Tensor) -> Tensor:
    """Rows of z (N, D) scaled to length 1, in float64; zero vectors stay zero.

    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]], dtype=torch.float64)
    """
    return normalize(embeddings(z))


def centered(x: Tensor) -> Tensor:
    """x (N, D) minus its mean; a dimension that is constant up to rounding becomes exactly zero.

    >>> centered(torch.tensor([[0.1, 1.0], [0.1, 3.0]], dtype=torch.float64))
    tensor([[ 0., -1.],
            [ 0.,  1.]], dtype=torch.float64)
    """
    mean = x.mean(0)
    difference = x - mean
    largest = torch.maximum(-difference.amin(0), difference.amax(0))  # aminmax(dim=0) takes ten times as long
    still = largest <= ROUNDING * mean.abs()
    return difference.masked_fill_(still, 0.0) if bool(still.any()) else difference


def unit_moments(z: Moments) -> Moments:
    """The moments without rounding noise, after checking that they are those of rows of length 1."""
    z = without_rounding(z)
    if abs(float(z.variance.sum() + z.center.square().sum()) - 1) > 1e-2:  # bf16 rows are of length 1 up to 4e-3
        raise UserError("The moments are not those of rows of length 1: take moments(normalize(z)).")
    return z


def without_rounding(z: Moments) -> Moments:
    """Checked moments, whose scatter is zero in the dimensions that are constant up to rounding."""
    if z.n < 1 or z.dims < 1:
        raise UserError(f"The moments are of {z.n} rows in {z.dims} dimensions: pass at least one of each.")
    _require_finite(z.mean)
    _require_finite(z.scatter.diagonal())  # which no other entry exceeds
    return z.settled


def eigenvalues(x: Tensor | Moments, *, center: bool = True) -> Tensor:
    """Eigenvalues (min(N, D),), largest first, of the covariance or the uncentered second moment, divisor N.

    x is what `embeddings` or `unit_rows` returns, or moments. Values below rounding are exactly zero, because a
    square root would turn 1e-16 of arithmetic into 1e-8 of rank.

    >>> eigenvalues(embeddings(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])))
    tensor([1., 0.], dtype=torch.float64)
    """
    if isinstance(x, Moments):
        dims = x.dims
        values = spectrum(without_rounding(x), centered=center)[: x.n]
        return above_rounding(values, max(x.n, dims))
    values = spectrum(centered(x) if center else x, centered=False)
    return above_rounding(values, max(x.shape))


def above_rounding(values: Tensor, size: int) -> Tensor:
    """Eigenvalues, largest first, of a matrix of rows or columns up to `size`; what is only rounding is zero.

    >>> above_rounding(torch.tensor([1.0, 1e-17], dtype=torch.float64), 2)
    tensor([1., 0.], dtype=torch.float64)
    """
    return torch.where(values > values[0] * size * torch.finfo(values.dtype).eps, values, 0.0)


def _require_finite(x: Tensor) -> None:
    if not torch.isfinite(x).all():
        kind = "NaN" if x.isnan().any() else "infinity"
        raise UserError(f"The embeddings contain {kind}: look for the layer or the file that produced it.")
