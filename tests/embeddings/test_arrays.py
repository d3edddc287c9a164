"""Arrays in memory that cannot be judged are refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fullrank.embeddings import as_tensor, chunked, codes, open_embeddings
from fullrank.errors import UserError

Z = np.random.default_rng(0).standard_normal((6, 3))


MISSING = [[None] * 6, ["a", None] * 3, ["a", float("nan")] * 3, np.array(["a", np.nan] * 3, dtype=object)]


@pytest.mark.parametrize("labels", [*MISSING, np.ma.masked_less(range(6), 2)])
def test_missing_labels_are_refused(labels: Any) -> None:
    with pytest.raises(UserError, match=r"labels (are missing|have masked values)"):
        codes(labels, 6, "labels")


def test_a_masked_array_is_refused_unless_nothing_is_masked() -> None:
    with pytest.raises(UserError, match="compress_rows"):
        as_tensor(np.ma.masked_less(Z, 0))
    assert torch.equal(as_tensor(np.ma.masked_invalid(Z)), torch.from_numpy(Z))


def test_a_tensor_without_numbers_is_refused() -> None:
    with pytest.raises(UserError, match="the device meta"):
        as_tensor(torch.zeros(6, 3, device="meta"))


def test_bytes_are_numbers() -> None:
    assert torch.equal(as_tensor(torch.ones(6, 3, dtype=torch.int8)), torch.ones(6, 3))


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_numbers_whose_squares_leave_the_range_are_refused(size: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="rescale"):
        list(chunked(as_tensor(Z * size)[None]))
    np.save(tmp_path / "z.npy", Z * size)
    with pytest.raises(UserError, match="rescale"):
        list(open_embeddings(str(tmp_path / "z.npy")).read(0, None))


@pytest.mark.parametrize("size", [0.0, 1e-60, 1e60])
def test_numbers_whose_fourth_powers_are_in_the_range_are_read(size: float) -> None:
    assert torch.equal(next(chunked(as_tensor(Z * size)[None]))[0], torch.from_numpy(Z * size))
