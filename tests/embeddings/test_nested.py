"""Columns of maps, structs and lists of lists are neither embeddings nor labels, and are named as what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow.feather import write_feather

from fullrank.embeddings import open_column, open_embeddings
from fullrank.errors import UserError

Z = np.random.default_rng(0).standard_normal((9, 4))
FLOATS = pa.list_(pa.float32())
SEVERAL = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(36, np.float32)), 4)
NESTED = {
    "map": pa.array([[("x", 0.5)]] * 9, pa.map_(pa.string(), pa.float32())),
    "float": pa.array([[[0.5], [1.5]]] * 9, pa.list_(FLOATS)),
    "double": pa.array([[[0.5], [1.5]]] * 9),
    "int8": pa.array([[[5], [6]]] * 9, pa.list_(pa.list_(pa.int8()))),
    "fixed_size_list": pa.FixedSizeListArray.from_arrays(SEVERAL, 1),
    "shape": pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), (2, 2)), SEVERAL),
    "struct": pa.array([{"x": 0.5, "word": "a"}] * 9),
    "item: struct": pa.array([[{"x": 0.5}]] * 9),
}


@pytest.mark.parametrize("kind", NESTED)
def test_nested_columns_are_refused_by_their_own_names(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "z.arrow")
    for more in ({}, {"id": np.arange(9), "word": ["a"] * 9}, {"score": Z[:, 0]}):
        write_feather(pa.table({**more, "e": NESTED[kind]}), path)
        said = rf"z\.arrow::e holds .*{kind}.*, no flat lists: pool or flatten it to one vector per row"
        for spec in (f"{path}::e", *([path] if "score" not in more or kind in ("float", "double", "int8") else [])):
            with pytest.raises(UserError, match=said):
                open_embeddings(spec)
        with pytest.raises(UserError, match=r"holds .*: pass whole numbers or names, one per row"):
            open_column(f"{path}::e")


def test_vectors_are_read_beside_nested_columns(tmp_path: Path) -> None:
    path = str(tmp_path / "z.arrow")
    write_feather(pa.table({**NESTED, "z": list(Z)}), path)
    assert torch.equal(next(open_embeddings(path).read(0, None)), torch.from_numpy(Z))
    dims = {f"x{j}": Z[:, j] for j in range(4)}
    write_feather(pa.table({"about": NESTED["struct"], "boxes": NESTED["float"], **dims}), path)
    assert torch.equal(next(open_embeddings(path).read(0, None)), torch.from_numpy(Z))


def test_a_type_that_is_named_after_numbers_holds_none(tmp_path: Path) -> None:
    kinds = {"interval": pa.array([None], pa.month_day_nano_interval()), "code": pa.array([0.5]).dictionary_encode()}
    write_feather(pa.table(kinds), tmp_path / "z.arrow")
    for column in kinds:
        with pytest.raises(UserError, match=f"::{column} holds .*, no numbers: pass a matrix"):
            open_embeddings(f"{tmp_path}/z.arrow::{column}")
