"""Arrays in memory that cannot be judged are refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import fullrank
from fullrank.embeddings import as_tensor, as_views, chunked, codes, open_embeddings
from fullrank.errors import UserError

Z = np.random.default_rng(0).standard_normal((6, 3))


class NAType:
    """As that of pandas, whose comparisons have no truth."""

    def __ne__(self, other: object) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = object.__hash__


MISSING = {
    "None": [None] * 6,
    "some None": ["a", None] * 3,
    "NaN among names": ["a", float("nan")] * 3,
    "objects": np.array(["a", np.nan] * 3, dtype=object),
    "NaN": np.array([1.0, np.nan] * 3),
    "no name": ["a", ""] * 3,
    "no name of an array": np.array(["a", ""] * 3),
    "NA of pandas": [NAType(), "a"] * 3,
    "NA of pandas in an array": np.array([NAType(), 1] * 3, dtype=object),
    "no date": np.array(["NaT", "2024-01-01"] * 3, dtype="datetime64[D]"),
    "masked": np.ma.masked_less(range(6), 2),
}


@pytest.mark.parametrize("labels", MISSING.values(), ids=MISSING.keys())
def test_missing_labels_are_refused(labels: Any) -> None:
    with pytest.raises(UserError, match=r"labels (are missing|have masked values)"):
        codes(labels, 6, "labels")


@pytest.mark.parametrize("labels", [torch.zeros(6, device="meta"), {1, 2}, [[1], [1, 2]] * 3, iter(range(6)), "abc"])
def test_what_is_no_row_of_labels_is_refused(labels: Any) -> None:
    with pytest.raises(UserError, match="pass a whole number or a name for each of the 6 samples"):
        codes(labels, 6, "labels")


def test_whole_numbers_kept_as_floats_are_labels() -> None:
    whole: list[Any] = [1.0, 0.0, 1.0, 2.0, 2.0, 0.0]
    for labels in (whole, np.array(whole, np.float16), torch.tensor(whole), torch.tensor(whole).bfloat16()):
        assert codes(labels, 6, "labels").tolist() == [*map(int, whole)]
    for labels in (np.array([2.0**53] * 6), torch.tensor([256.0] * 6).bfloat16()):
        with pytest.raises(UserError, match=r"labels hold ids that are too large for b?float\d+: write them as text"):
            codes(labels, 6, "labels")
    with pytest.raises(UserError, match="the type float64: pass a whole number or a name"):
        codes(np.linspace(0, 1, 6), 6, "labels")


def test_a_masked_array_is_refused_unless_nothing_is_masked() -> None:
    with pytest.raises(UserError, match="compress_rows"):
        as_tensor(np.ma.masked_less(Z, 0))
    assert torch.equal(as_tensor(np.ma.masked_invalid(Z)), torch.from_numpy(Z))


def test_a_tensor_without_numbers_is_refused() -> None:
    with pytest.raises(UserError, match="the device meta"):
        as_tensor(torch.zeros(6, 3, device="meta"))


def test_views_are_a_number_one_array_or_several() -> None:
    z = torch.from_numpy(Z)
    for views in (Z, [Z], z, z[None]):
        assert torch.equal(as_views(Z, views), torch.stack([z, z]))
    assert torch.equal(as_views(Z, np.int64(2)), z.view(2, 3, -1))
    with pytest.raises(UserError, match="views is a float: pass how many there are"):
        as_views(Z, 2.5)
    with pytest.raises(UserError, match="seed is 'a': pass a whole number"):
        fullrank.diagnose(Z, seed="a")  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [["", "a"], [b"", b"a"], ["", 1], [b"", 1]])
def test_an_empty_name_is_no_label(names: list[object]) -> None:
    """One of bytes was a class."""
    for kind in (list, np.array, lambda values: np.array(values, dtype=object)):
        with pytest.raises(UserError, match="labels are missing for 25 of 50 samples: give each a whole number or a n"):
            codes(kind(names * 25), 50, "labels")
    assert codes(np.array([b"b", b"a"]), 2, "labels").tolist() == [1, 0]


def test_two_bytes_are_no_file_of_torch(tmp_path: Path) -> None:
    (tmp_path / "z.pt").write_bytes(b"hi")
    with pytest.raises(UserError, match=r"is not a file of torch\.save, which begins otherwise"):
        open_embeddings(str(tmp_path / "z.pt"))


def test_bytes_are_numbers() -> None:
    assert torch.equal(as_tensor(torch.ones(6, 3, dtype=torch.int8)), torch.ones(6, 3))


def test_floats_of_a_byte_and_of_the_other_byte_order_are_numbers(tmp_path: Path) -> None:
    assert torch.equal(as_tensor(Z.astype(">f4")), torch.from_numpy(Z.astype("f4")))
    for kind in (torch.float8_e4m3fn, torch.float8_e5m2):
        narrow = torch.from_numpy(Z).to(kind)
        assert torch.equal(as_tensor(narrow), narrow.float())
        torch.save(narrow, tmp_path / "z.pt")
        save_file({"z": narrow}, tmp_path / "z.safetensors")
        for name in ("z.pt", "z.safetensors"):
            assert torch.equal(next(open_embeddings(str(tmp_path / name)).read(0, None)), narrow.float())


@pytest.mark.parametrize("size", [1e-200, 1e200, np.array([[1.0]] + [[1e-200]] * 5)], ids=["small", "large", "most"])
def test_numbers_whose_squares_leave_the_range_are_refused(size: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="rescale"):
        list(chunked(as_tensor(Z * size)[None]))
    np.save(tmp_path / "z.npy", Z * size)
    with pytest.raises(UserError, match="rescale"):
        list(open_embeddings(str(tmp_path / "z.npy")).read(0, None))


@pytest.mark.parametrize("size", [0.0, 1e-60, 1e60])
def test_numbers_whose_fourth_powers_are_in_the_range_are_read(size: float) -> None:
    assert torch.equal(next(chunked(as_tensor(Z * size)[None]))[0], torch.from_numpy(Z * size))
