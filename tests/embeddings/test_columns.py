from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import torch
import zarr
from pyarrow import feather, parquet
from safetensors.torch import save_file

from fullrank.embeddings.columns import open_column
from fullrank.errors import UserError

WORDS = ["b", "a", "b", "c"]
CODES = [1, 0, 1, 2]


def table(path: Path, write: Callable[[pa.Table, Path], Any], labels: Any) -> None:
    write(pa.table({"id": [0.5, 1.5, 2.5, 3.5], "label": labels}), path)


def write(folder: Path, kind: str, labels: list[Any]) -> str:
    """A file of that kind with these labels, as it is passed."""
    path = folder / f"x.{kind}"
    if kind == "npy":
        np.save(path, np.array(labels))
    elif kind == "npz":
        np.savez(path, z=np.zeros((4, 2)), label=np.array(labels))
    elif kind == "parquet":
        table(path, parquet.write_table, labels)
    elif kind == "arrow":
        table(path, feather.write_feather, pa.array(labels).dictionary_encode())
    elif kind == "csv":
        path.write_text("id,label\n" + "".join(f"0.5,{label}\n" for label in labels))
    elif kind == "jsonl":
        path.write_text("".join(json.dumps({"id": 0.5, "label": label}) + "\n" for label in labels))
    elif kind == "json":
        path.write_text(json.dumps([{"id": 0.5, "label": label} for label in labels]))
    elif kind == "txt":
        path.write_text("".join(f"{label}\n" for label in labels))
    elif kind == "zarr":
        group = zarr.open_group(str(path), mode="w")
        group.create_array("embedding", data=np.zeros((4, 2)))
        group.create_array("label", shape=4, dtype=str if isinstance(labels[0], str) else int)[:] = np.array(labels)
    elif kind == "safetensors":
        save_file({"embedding": torch.zeros(4, 2), "label": torch.tensor(labels)}, path)
    elif kind == "pt":
        numbers = labels if isinstance(labels[0], str) else torch.tensor(labels)
        torch.save({"embedding": torch.zeros(4, 2), "of": {"label": numbers}}, path)
    else:
        with h5py.File(path, "w") as file:
            file["label"] = labels
    return str(path)


KINDS = ["npy", "npz", "parquet", "arrow", "csv", "jsonl", "json", "txt", "h5", "zarr", "pt", "safetensors"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "safetensors"])  # which holds numbers alone
def test_names_of_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    column = open_column(write(tmp_path, kind, WORDS))
    assert column.codes.tolist() == CODES
    assert column.names == ("a", "b", "c")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("h5", "safetensors")])
def test_names_of_a_folder_and_of_a_pattern_of_files(kind: str, tmp_path: Path) -> None:
    for at in range(2):
        (tmp_path / "parts" / str(at)).mkdir(parents=True)
        Path(write(tmp_path / "parts" / str(at), kind, WORDS)).rename(tmp_path / "parts" / f"{at}.{kind}")
        (tmp_path / "parts" / str(at)).rmdir()
    for place in (tmp_path / "parts", tmp_path / "parts" / f"*.{kind}"):
        column = open_column(str(place))
        assert column.codes.tolist() == [*CODES, *CODES]
        assert column.names == ("a", "b", "c")


def test_names_in_json_of_other_shapes(tmp_path: Path) -> None:
    for content, key in (
        (WORDS, ""),
        ({f"row {at}": word for at, word in enumerate(WORDS)}, ""),
        ({"labels": WORDS}, ""),
        ({"labels": WORDS, "others": WORDS[::-1]}, "::labels"),
        ({"data": [{"label": word, "id": "x"} for word in WORDS]}, "::data.label"),
    ):
        (tmp_path / "x.json").write_text(json.dumps(content))
        assert open_column(f"{tmp_path}/x.json{key}").codes.tolist() == CODES


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    column = open_column(write(tmp_path, kind, [7, -1, 7, 90]))
    assert column.codes.tolist() == CODES
    assert column.names == ("-1", "7", "90")


def test_a_key_chooses_the_column(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"donor": [1, 1, 2], "label": ["x", "y", "x"]}), tmp_path / "t.parquet")
    assert open_column(f"{tmp_path}/t.parquet::donor").names == ("1", "2")
    with pytest.raises(UserError, match=r"holds donor, label: say which one"):
        open_column(f"{tmp_path}/t.parquet")
    with pytest.raises(UserError, match="did you mean label"):
        open_column(f"{tmp_path}/t.parquet::lable")


def test_categories_of_anndata(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cells.h5ad", "w") as file:
        group = file.create_group("obs/cell_type")
        group["codes"], group["categories"] = np.array([1, 0, 1], np.int8), ["T", "B"]
    column = open_column(f"{tmp_path}/cells.h5ad::obs/cell_type")
    assert [column.names[code] for code in column.codes] == ["B", "T", "B"]


def test_an_index_of_pandas_is_no_column_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(",label\n0,b\n1,a\n2,b\n")
    assert open_column(str(path)).names == ("a", "b")
    path.write_text(",label,donor\n0,b,x\n1,a,y\n2,b,x\n")
    with pytest.raises(UserError, match=r"x\.csv holds label, donor: say which one, as in .*x\.csv::label\.$"):
        open_column(str(path))
    path.write_text(",,label\n0,5,b\n1,6,a\n2,7,b\n")
    assert open_column(str(path)).names == ("a", "b")
    parquet.write_table(pa.table({"label": ["x", "y"], "__index_level_0__": [7, 9]}), tmp_path / "t.parquet")
    assert open_column(f"{tmp_path}/t.parquet").names == ("x", "y")
    assert open_column(f"{tmp_path}/t.parquet::__index_level_0__").names == ("7", "9")


def cells(path: Path) -> None:
    """Sparse counts, and columns of every kind, as AnnData writes them."""
    file = h5py.File(path, "w") if path.suffix == ".h5ad" else zarr.open_group(str(path), mode="w")
    arrays: dict[str, Any] = {f"X/{name}": np.arange(3.0) for name in ("data", "indices", "indptr")}
    arrays |= {"obs/_index": np.arange(3), "obs/ct/codes": np.array([1, 0, 1], np.int8), "obs/ct/categories": [4, 7]}
    for name, lacks in (("nb", False), ("few", True)):
        arrays |= {f"obs/{name}/values": np.array([2, 1, 2]), f"obs/{name}/mask": np.array([False, False, lacks])}
    for place, values in arrays.items():
        write = file.create_dataset if path.suffix == ".h5ad" else file.create_array
        write(place, data=np.asarray(values))
    file["obs"].attrs["_index"] = "_index"
    if isinstance(file, h5py.File):
        file.close()


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_columns_of_cells_are_those_of_obs(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{kind}"
    cells(path)
    with pytest.raises(UserError, match=r" holds obs/ct, obs/few, obs/nb: say which one, as in .*::obs/ct\.$"):
        open_column(str(path))
    assert open_column(f"{path}::obs/nb").names == open_column(f"{path}::nb").names == ("1", "2")
    assert open_column(f"{path}::obs/ct").names == ("4", "7")
    with pytest.raises(UserError, match=r"obs/few.* has missing values in 1 of 3 rows"):
        open_column(f"{path}::obs/few")


def test_a_code_without_a_category_is_one_sentence(tmp_path: Path) -> None:
    cells(tmp_path / "x.zarr")
    zarr.open_array(f"{tmp_path}/x.zarr/obs/ct/codes", mode="a")[:] = np.array([0, 1, 5], np.int8)
    with pytest.raises(UserError, match=r"x\.zarr::obs/ct is damaged"):
        open_column(f"{tmp_path}/x.zarr::obs/ct")


def test_whole_numbers_kept_as_floats_are_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1.0], [0.0], [1.0]]))
    assert open_column(str(tmp_path / "x.npy")).names == ("0", "1")


def packed(value: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, value, allow_pickle=True)
    return file.getvalue()


def torch_bytes(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.npy", packed(np.array([0.5, 1.0])), "holds float64"),
        ("x.npy", packed(np.array([np.nan, 1.0])), "holds float64"),
        ("x.npy", packed(np.array([{}, 1], dtype=object)), "holds objects"),
        ("x.npy", packed(np.zeros((3, 2), int)), r"shape \(3, 2\)"),
        ("x.npy", packed(np.zeros(0, int)), "one a row|a row"),
        ("x.npy", packed(np.zeros(1000, int))[:-8], "is cut off"),
        ("x.npy", packed(np.array(["a"])).replace(b"'<U1'", b"'<U0'"), "cut off"),
        ("x.npy", packed(np.zeros(9, np.int8)).replace(b"(9,)", b"(9" + b"9" * 15 + b",)"), "is cut off|no .npy"),
        ("x.npy", b"", "is not an .npy file"),
        ("x.npz", b"PK\x03\x04 no more", "is not an .npz file"),
        ("x.parquet", b"PAR1 no", "is not a table"),
        ("x.arrow", b"ARROW1\0\0", "is not a table"),
        ("x.h5", b"\x89HDF\r\n", "is not an HDF5 file"),
        ("x.csv", b"label\n1\n\xff\n", "is not a table"),
        ("x.csv", b"a,label\n1,\n2,3\n", "say which one|missing values"),
        ("x.csv", b"a,label\n0.5,x\n1.5,\n", "has no name in 1 of 2 rows"),
        ("x.txt", b"x\n\ny\n", "has no name in 1 of 3 rows"),
        ("x.jsonl", b'"a"\n{"b": \n', "line 2 is not JSON"),
        ("x.jsonl", b'"a"\n3\n', "mixes names and numbers"),
        ("x.jsonl", b'"a"\n[3]\n', "line 2 holds"),
        ("x.json", b'["a", 3]', "mixes names and numbers"),
        ("x.json", b'["a", [3]]', "entry 1 holds"),
        ("x.json", b'"a"', "holds no list of labels"),
        ("x.json", b'{"a": [1], "b": [2]}', "say which one"),
        ("x.txt", b"\xff\xfe\n", "is not text"),
        ("x.txt", b"", "one whole number or name a row"),
        ("x.safetensors", b"no more", "is not a .safetensors file"),
        ("x.pt", b"no more", "is not a file of torch.save"),
        ("x.pt", torch_bytes({"z": torch.zeros(3, 2)}), "holds no column"),
        ("x.pt", torch_bytes(torch.zeros(1).expand(99)), "is an expanded view"),
        ("x.pt", torch_bytes(torch.tensor([256.0, 1.0]).bfloat16()), "too large for bfloat16: write them as text"),
        ("x.pt", torch_bytes(Path("x")), "could run code"),
        ("x.exe", b"MZ", "has an ending that labels cannot be read from"),
    ],
)
def test_broken_columns_are_one_sentence(name: str, content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=expected) as caught:
        open_column(str(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_broken_arrow_string_column_is_not_followed(tmp_path: Path) -> None:
    """Offsets that point outside of the data would read memory of ours."""
    feather.write_feather(pa.table({"label": ["abcd", "efgh"]}), tmp_path / "x.arrow", compression="uncompressed")
    content = (tmp_path / "x.arrow").read_bytes()
    offsets = np.array([0, 4, 8], np.int32).tobytes()
    assert content.count(offsets) == 1
    (tmp_path / "x.arrow").write_bytes(content.replace(offsets, np.array([0, 4, 2**30], np.int32).tobytes()))
    with pytest.raises(UserError, match="damaged"):
        open_column(str(tmp_path / "x.arrow"))


def test_a_zarr_array_that_would_be_unpickled_is_refused(tmp_path: Path) -> None:
    about = {"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "|O", "fill_value": "", "order": "C"}
    about |= {"filters": [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}], "compressor": None}
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / ".zarray").write_text(json.dumps(about))
    with pytest.raises(UserError, match=r"pickled objects, which could run code|is not a zarr store"):
        open_column(str(tmp_path / "x.zarr"))
