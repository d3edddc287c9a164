"""A frozen encoder, or its features, to a score on labeled data."""

from __future__ import annotations

from fullrank.evaluation.features import features
from fullrank.evaluation.frozen.knn import knn_accuracy, knn_predict
from fullrank.evaluation.frozen.linear import LinearResult, linear_probe, ridge_accuracy
from fullrank.evaluation.frozen.score import Score, score

__all__ = [
    "LinearResult",
    "Score",
    "features",
    "knn_accuracy",
    "knn_predict",
    "linear_probe",
    "ridge_accuracy",
    "score",
]
