"""Columns of floats that are whole numbers, as labels are, beside those that are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import torch

from fullrank.embeddings import open_embeddings

Z = np.random.default_rng(0).standard_normal((9, 4))


def csv(path: Path, names: str, cells: Any) -> str:
    lines = [",".join(map(str, row)) for row in cells]
    path.write_text("\n".join(([names] if names else []) + lines) + "\n")
    return str(path)


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow", "bare.csv"])
@pytest.mark.parametrize("count", [200, 9000])
def test_floats_that_are_whole_numbers_are_labels_also_where_rows_are_in_their_order(
    ending: str, count: int, tmp_path: Path
) -> None:
    """A float column of labels decided the verdict."""
    random = np.random.default_rng(0)
    columns = dict(zip("abcd", random.standard_normal((4, count)), strict=True))
    columns |= {
        "dead": np.zeros(count),
        "late": np.r_[np.zeros(count - 1), 0.5],
        "label": np.arange(count) // 70 * 30.0,
    }
    path = tmp_path / f"z.{ending}"
    if ending == "parquet":
        pyarrow.parquet.write_table(pa.table(columns), path)
    elif ending == "arrow":
        pyarrow.feather.write_feather(pa.table(columns), path, chunksize=50)
    else:
        csv(path, "" if "bare" in ending else ",".join(columns), np.stack([*columns.values()], 1))
    file = open_embeddings(str(path))
    assert file.left_out == (f"{'f6' if 'bare' in ending else 'label'} (whole numbers)",)
    read = torch.cat(list(file.read(0, None)))
    assert torch.equal(read, torch.from_numpy(np.stack([*columns.values()][:6], 1)))


def test_whole_numbers_stay_dimensions_where_all_are_or_they_are_numbered(tmp_path: Path) -> None:
    whole = np.sign(Z)
    assert open_embeddings(csv(tmp_path / "a.csv", "a,b,c,d", whole)).dims == 4
    half = np.concatenate([Z[:, :2], whole[:, 2:]], 1)
    for names in ("x0,x1,x2,x3", ""):
        assert open_embeddings(csv(tmp_path / "b.csv", names, half)).left_out == ()
    named = open_embeddings(csv(tmp_path / "c.csv", "a,b,c,d", half))
    assert named.left_out == ("c (whole numbers)", "d (whole numbers)")
    assert open_embeddings(f"{csv(tmp_path / 'xd.csv', 'xa,xb,xc,xd', half)}::x").dims == 4


def test_whole_numbers_as_numpy_saves_them_are_labels_where_one_column_has_them(tmp_path: Path) -> None:
    path = tmp_path / "z.txt"
    np.savetxt(path, np.c_[Z, np.arange(9) % 3 * 30])
    file = open_embeddings(str(path))
    assert file.left_out == ("column 5 (whole numbers)",)
    assert torch.equal(torch.cat(list(file.read(0, None))), torch.from_numpy(Z))
    np.savetxt(path, np.c_[Z, np.sign(Z[:, :2]), np.zeros(9)])
    assert open_embeddings(str(path)).dims == 7
    np.savetxt(path, np.c_[Z, np.ones(9)])
    assert open_embeddings(str(path)).dims == 5
    np.savetxt(path, np.sign(Z[:, :1]))
    assert open_embeddings(str(path)).dims == 1
