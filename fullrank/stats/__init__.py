"""Statistics: tensors in, tensors out."""

from fullrank.stats.decompositions import decomposable, eigh, eigvalsh
from fullrank.stats.determinant import log_determinant
from fullrank.stats.distinct import Distinct, RunningDistinct, distinct_rows, merge_distinct, row_hashes
from fullrank.stats.gram import products, smaller_gram
from fullrank.stats.moments import ROUNDING, Axes, Moments, RunningMoments, merge, moments, without
from fullrank.stats.norms import nuclear_norm, squared_gram_norm
from fullrank.stats.pairs.log_sums import log_sums_of_both, log_sums_over_others
from fullrank.stats.pairs.multiquadric import multiquadric_gaps
from fullrank.stats.pairs.nearest import nearest_others
from fullrank.stats.pairs.shares import Shares, shared
from fullrank.stats.reservoir import Reservoir, merge_samples, reservoir, row_keys
from fullrank.stats.slices import epps_pulley, random_slices
from fullrank.stats.spectrum import decay, hill, spectrum
from fullrank.stats.sphere import log_gaussian_potential, log_mean_kernel, normalize
from fullrank.stats.transform import (
    Axis,
    center,
    matrix_function,
    newton,
    power,
    principal,
    spectral,
    spectral_of_centered,
)
from fullrank.stats.triangular import triangular_white

__all__ = [
    "ROUNDING",
    "Axes",
    "Axis",
    "Distinct",
    "Moments",
    "Reservoir",
    "RunningDistinct",
    "RunningMoments",
    "Shares",
    "center",
    "decay",
    "decomposable",
    "distinct_rows",
    "eigh",
    "eigvalsh",
    "epps_pulley",
    "hill",
    "log_determinant",
    "log_gaussian_potential",
    "log_mean_kernel",
    "log_sums_of_both",
    "log_sums_over_others",
    "matrix_function",
    "merge",
    "merge_distinct",
    "merge_samples",
    "moments",
    "multiquadric_gaps",
    "nearest_others",
    "newton",
    "normalize",
    "nuclear_norm",
    "power",
    "principal",
    "products",
    "random_slices",
    "reservoir",
    "row_hashes",
    "row_keys",
    "shared",
    "smaller_gram",
    "spectral",
    "spectral_of_centered",
    "spectrum",
    "squared_gram_norm",
    "triangular_white",
    "without",
]
