"""Eigenvalues of a covariance and of the uncentered second moment, by one reduction for both; or the largest alone."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import eigvalsh_tridiagonal
from scipy.linalg.blas import dsymv
from scipy.linalg.lapack import dsytrd, dsytrd_lwork
from torch import Tensor

_KRYLOV = 20  # vectors of a Lanczos run: of 12 to 48 the fewest products, for steep and for flat spectra
_SMALL = 512  # dimensions up to which all eigenvalues cost no more than the largest


def both_spectra(covariance: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (K,), smallest first, of a covariance C (K, K) and of C + m m^T, m the mean (K,); float64.

    One Householder reflection maps m onto the first axis, which the reduction of C to a tridiagonal matrix leaves
    unchanged. Adding |m|^2 to its first entry then gives the other matrix, so that both cost one reduction.

    >>> both_spectra(torch.eye(2, dtype=torch.float64), torch.tensor([3.0, 4.0], dtype=torch.float64))
    (tensor([1., 1.], dtype=torch.float64), tensor([ 1., 26.], dtype=torch.float64))
    """
    if covariance.device.type != "cpu" or len(mean) < 3:
        raw = covariance + torch.outer(mean, mean)
        return torch.linalg.eigvalsh(covariance), torch.linalg.eigvalsh(raw)
    size = int(dsytrd_lwork(len(mean), lower=1)[0])
    length = torch.linalg.vector_norm(mean)
    turned = _onto_first_axis(covariance, mean / length) if length > 0 else covariance.clone()
    _, diagonal, beside, _, _ = dsytrd(turned.numpy().T, lower=1, lwork=size, overwrite_a=1)
    centered = _of_tridiagonal(diagonal, beside)
    if length == 0:
        return centered, centered
    diagonal[0] += float(length) ** 2
    return centered, _of_tridiagonal(diagonal, beside)


def largest(covariance: Tensor, mean: Tensor) -> tuple[float, float]:
    """The largest eigenvalue of C (K, K) and of C + m m^T, by Lanczos where K is large.

    >>> largest(torch.eye(2, dtype=torch.float64), torch.tensor([3.0, 4.0], dtype=torch.float64))
    (1.0, 26.0)
    """
    scale = float(covariance.diagonal().max())
    if len(mean) <= _SMALL or covariance.device.type != "cpu" or scale <= 0:
        centered, raw = both_spectra(covariance, mean)
        return float(centered[-1]), float(raw[-1])
    from scipy.sparse.linalg import LinearOperator, eigsh  # takes a moment to load

    c, m = covariance.numpy().T, mean.numpy()  # in the order of BLAS, which reads half of it
    start = np.random.default_rng(0).standard_normal(len(m))
    found = []
    for shift in (0.0, 1.0):
        operator = LinearOperator(c.shape, matvec=lambda x, s=shift: dsymv(1.0, c, x) + s * (m @ x) * m, dtype=c.dtype)
        values = eigsh(operator, 1, which="LA", v0=start, ncv=_KRYLOV, tol=1e-10, return_eigenvectors=False)
        found.append(float(values[0]))
    return found[0], found[1]


def _onto_first_axis(a: Tensor, unit: Tensor) -> Tensor:
    """H a H for the reflection H = 1 - b v v^T that takes a unit vector (K,) onto the first axis."""
    v = unit.clone()
    v[0] += 1.0 if v[0] >= 0 else -1.0
    b = 2 / (v @ v)
    p = b * (a @ v)
    u = p - (b / 2) * (p @ v) * v
    return a.addr(v, u, alpha=-1).addr_(u, v, alpha=-1)


def _of_tridiagonal(diagonal: np.ndarray, beside: np.ndarray) -> Tensor:
    return torch.from_numpy(eigvalsh_tridiagonal(diagonal, beside, lapack_driver="sterf"))
