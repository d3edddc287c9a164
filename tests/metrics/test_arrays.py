"""Metrics take arrays and lists where they take tensors, and say what to pass in place of anything else."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch

from fullrank import metrics
from fullrank.errors import UserError
from tests.metrics.clouds import gaussian

ROWS, LABELS = gaussian(24, 4), torch.arange(24) % 3
GIVEN = {"z": ROWS, "z1": ROWS, "z2": ROWS.flip(0), "x": ROWS, "y": 2 * ROWS, "labels": LABELS}
GIVEN |= {"views": torch.stack([ROWS, ROWS + 0.1 * ROWS.flip(0)])}
PARTS = {"moment_groups"}  # parts for the jackknife and no metric


def asked(function: Callable[..., object]) -> list[str]:
    """The names of the arguments without a default."""
    return [one.name for one in inspect.signature(function).parameters.values() if one.default is one.empty]


FUNCTIONS = {name: getattr(metrics, name) for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))}
METRICS = [name for name, one in FUNCTIONS.items() if GIVEN.keys() >= {*asked(one)} and name not in PARTS]


def as_array(tensor: torch.Tensor) -> object:
    found = tensor.numpy()[::-1].copy()[::-1]
    found.flags.writeable = False
    return found


@pytest.mark.parametrize("name", METRICS)
def test_an_array_and_lists_give_what_a_tensor_gives(name: str) -> None:
    function = FUNCTIONS[name]
    expected = function(*(GIVEN[one] for one in asked(function)))
    for convert in (as_array, torch.Tensor.tolist):
        found = function(*(convert(GIVEN[one]) for one in asked(function)))
        assert repr(found) == repr(expected)


@pytest.mark.parametrize("name", [name for name in METRICS if asked(FUNCTIONS[name]) in (["z"], ["z", "labels"])])
def test_anything_else_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(UserError, match=r"pass rows \(N, D\) as a tensor, an array or lists"):
        FUNCTIONS[name](*("cloud.npy" if one == "z" else LABELS for one in asked(FUNCTIONS[name])))
