"""For the tests of anyone's encoder, loss, method or metric: what collapses fails, and what breaks the contract."""

from __future__ import annotations

from fullrank.testing.assertions import assert_not_collapsed
from fullrank.testing.losses import check_loss, laws_of_losses, laws_of_pair_losses
from fullrank.testing.methods import check_method, laws_of_methods
from fullrank.testing.metrics import check_metric, laws_of_metrics, laws_of_pair_metrics

__all__ = [
    "assert_not_collapsed",
    "check_loss",
    "check_method",
    "check_metric",
    "laws_of_losses",
    "laws_of_methods",
    "laws_of_metrics",
    "laws_of_pair_losses",
    "laws_of_pair_metrics",
]
