"""Room 0: tensors in, tensors out."""

from fullrank.stats.determinant import log_determinant
from fullrank.stats.moments import Moments, merge, moments
from fullrank.stats.norms import nuclear_norm, squared_gram_norm
from fullrank.stats.spectrum import hill, spectrum
from fullrank.stats.sphere import log_gaussian_potential, normalize
from fullrank.stats.transform import Axis, centre, matrix_function, newton, power, spectral

__all__ = [
    "Axis",
    "Moments",
    "centre",
    "hill",
    "log_determinant",
    "log_gaussian_potential",
    "matrix_function",
    "merge",
    "moments",
    "newton",
    "normalize",
    "nuclear_norm",
    "power",
    "spectral",
    "spectrum",
    "squared_gram_norm",
]
