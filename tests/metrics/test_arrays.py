"""Metrics take arrays and lists where they take tensors, and say what to pass in place of anything else."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
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


@pytest.mark.parametrize("name", [name for name in METRICS if "views" not in asked(FUNCTIONS[name])])
def test_a_cloud_gives_what_a_tensor_gives(name: str) -> None:
    function = FUNCTIONS[name]
    expected = function(*(GIVEN[one] for one in asked(function)))
    found = function(*(GIVEN[one] if one == "labels" else metrics.Cloud(GIVEN[one]) for one in asked(function)))
    assert repr(found) == repr(expected)


SMALL = (4 * ROWS.abs()).round().clamp_max(16)  # which eight bits hold exactly


@pytest.mark.parametrize(
    "z",
    [
        *(
            SMALL.to(getattr(torch, kind))
            for kind in ("float8_e4m3fn", "uint16", "uint32", "uint64", "int8", "bfloat16")
        ),
        *(SMALL.numpy().astype(kind) for kind in (">f4", ">i2", "<u2", np.longdouble)),
        np.ma.masked_invalid(SMALL.numpy()),
    ],
)
def test_any_real_numbers_in_any_byte_order_are_taken(z: torch.Tensor) -> None:
    for name in ("effective_rank", "row_norm", "two_nn"):
        assert FUNCTIONS[name](z) == pytest.approx(FUNCTIONS[name](SMALL))


@pytest.mark.parametrize(
    ("z", "sentence"),
    [
        (torch.complex(ROWS, ROWS), r"complex \(torch.complex128\): pass their real parts"),
        (torch.complex(ROWS, ROWS).numpy(), "complex"),
        (ROWS.to_sparse(), "sparse .*: pass them dense"),
        (torch.empty(8, 4, device="meta"), "device meta"),
        (np.ma.masked_less(ROWS.numpy(), 0), "masked values"),
    ],
)
def test_what_is_no_matrix_of_real_numbers_is_refused(z: torch.Tensor, sentence: str) -> None:
    for given in ((z,), (z, ROWS), (ROWS, z)):
        for name in METRICS:
            if asked(FUNCTIONS[name]) in (["z"], ["z1", "z2"], ["x", "y"]) and len(asked(FUNCTIONS[name])) == len(
                given
            ):
                with pytest.raises(UserError, match=sentence):
                    FUNCTIONS[name](*given)
