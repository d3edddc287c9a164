"""The features of a frozen encoder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.evaluation import features

CPU = torch.device("cpu")


def test_features_are_those_of_the_encoder_in_order() -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).eval()
    images = torch.randn(10, 3, 2, 2)
    shares: list[float] = []
    x = features(encoder, list(images.split(4)), device=CPU, progress=shares.append)
    torch.testing.assert_close(x, encoder(images).detach())
    assert shares == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_features_are_ordinary_float32_and_may_be_trained_on() -> None:
    x = features(lambda batch: batch.to(torch.bfloat16), [torch.ones(2, 3)], device=CPU)
    assert x.dtype == torch.float32
    assert x.device == CPU
    head = nn.Linear(3, 1)
    head(x).sum().backward()  # refused for tensors of inference mode
    assert head.weight.grad is not None


def test_a_stream_of_unknown_length_is_encoded_without_progress() -> None:
    def stream() -> Iterator[Tensor]:
        yield torch.zeros(2, 3)
        yield torch.ones(1, 3)

    shares: list[float] = []
    x = features(lambda batch: batch, stream(), device=CPU, progress=shares.append)
    assert x.sum(1).tolist() == [0.0, 0.0, 3.0]
    assert shares == []


def test_an_encoder_in_training_mode_is_refused() -> None:
    with pytest.raises(UserError, match="eval"):
        features(nn.BatchNorm1d(3), [torch.ones(2, 3)], device=CPU)


def test_a_feature_map_and_an_empty_set_are_refused() -> None:
    with pytest.raises(UserError, match="pool or flatten"):
        features(lambda batch: batch, [torch.ones(2, 3, 4, 4)], device=CPU)
    with pytest.raises(UserError, match="pool or flatten"):
        features(lambda batch: batch.mean(0, keepdim=True), [torch.ones(2, 3)], device=CPU)
    with pytest.raises(UserError, match="no image"):
        features(lambda batch: batch, [], device=CPU)
