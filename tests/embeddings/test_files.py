"""Every format gives back the matrix that was written, in chunks, from any row to any other."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import safetensors.torch
import torch
import zarr
from torch import Tensor

from fullrank.cli import main
from fullrank.embeddings import open_embeddings, source
from fullrank.embeddings.files import ENDINGS
from fullrank.errors import UserError

Z = np.random.default_rng(0).standard_normal((41, 5)).astype(np.float32)
LISTS = pa.table({"id": np.arange(41), "embedding": list(Z)})


def write_npz(path: Path) -> None:
    np.savez_compressed(path, embedding=Z, ids=np.arange(41))


def write_fixed(path: Path) -> None:
    column = pa.FixedSizeListArray.from_arrays(pa.array(Z.ravel()), 5)
    pyarrow.parquet.write_table(pa.table({"embedding": column}), path, row_group_size=10)


def write_stream(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, LISTS.schema) as writer:
        writer.write_table(LISTS, max_chunksize=7)


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["obsm/X_pca"] = Z
        file["obs/donor"] = np.arange(41)


def write_zarr(path: Path) -> None:
    group = zarr.open_group(str(path), mode="w")
    group.create_array("X", data=Z, chunks=(10, 5))


def write_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps({"id": i, "vector": row.tolist()}) + "\n" for i, row in enumerate(Z)))


def write_state(path: Path) -> None:
    torch.save({"step": 3, "state_dict": {"item_embedding.weight": torch.from_numpy(Z), "bias": torch.zeros(5)}}, path)


def line(row: Any, apart: str = " ") -> str:
    return apart.join(f"{float(number):.9f}" for number in row)


def saved(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def packed(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content))


WRITTEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "npy": ("z.npy", lambda path: np.save(path, Z)),
    "npy in column order": ("z.npy", lambda path: np.save(path, np.asfortranarray(Z))),
    "npy big endian": ("z.npy", lambda path: np.save(path, Z.astype(">f8"))),
    "npz": ("z.npz", write_npz),
    "npz key": ("z.npz::embedding", write_npz),
    "pt": ("z.pt", lambda path: torch.save(torch.from_numpy(Z), path)),
    "pth nested": ("z.pth::item_embedding.weight", write_state),
    "ckpt": ("z.ckpt", write_state),
    "pt list of rows": ("z.pt", lambda path: torch.save(list(torch.from_numpy(Z)), path)),
    "pt list of lists": ("z.pt::z", lambda path: torch.save({"ids": ["a"], "z": Z.tolist()}, path)),
    "old pt": ("z.pt", lambda path: torch.save(torch.from_numpy(Z), path, _use_new_zipfile_serialization=False)),
    "safetensors": (
        "z.safetensors::item.weight",
        lambda path: safetensors.torch.save_file({"item.weight": torch.from_numpy(Z), "b": torch.ones(3, 3)}, path),
    ),
    "parquet": ("z.parquet", lambda path: pyarrow.parquet.write_table(LISTS, path, row_group_size=9)),
    "parquet key": ("z.parquet::embedding", lambda path: pyarrow.parquet.write_table(LISTS, path)),
    "parquet fixed size": ("z.parquet", write_fixed),
    "parquet columns": (
        "z.parquet::emb_",
        lambda path: pyarrow.parquet.write_table(pa.table({f"emb_{j}": Z[:, j] for j in range(5)}), path),
    ),
    "arrow": ("z.arrow", write_stream),
    "feather": ("z.feather", lambda path: pyarrow.feather.write_feather(LISTS, path)),
    "csv": ("z.csv", lambda path: np.savetxt(path, Z, delimiter=",", header="a,b,c,d,e", comments="")),
    "csv without names": ("z.csv", lambda path: np.savetxt(path, Z, delimiter=",")),
    "csv key": ("z.csv::x", lambda path: np.savetxt(path, Z, delimiter=";", header="x1;x2;x3;x4;x5", comments="")),
    "tsv": ("z.tsv", lambda path: np.savetxt(path, Z, delimiter="\t")),
    "txt": ("z.txt", lambda path: np.savetxt(path, Z)),
    "txt of words": ("z.txt", lambda path: path.write_text("41 5\n" + "".join(f"w {line(row)}\n" for row in Z))),
    "txt with decimal commas": (
        "z.txt",
        lambda path: path.write_text("".join(line(row).replace(".", ",") + "\n" for row in Z)),
    ),
    "csv with decimal commas": (
        "z.csv",
        lambda path: path.write_text("".join(line(row).replace(".", ",").replace(" ", ";") + "\n" for row in Z)),
    ),
    "csv of vectors as words": (
        "z.csv",
        lambda path: path.write_text("id,z\n" + "".join(f'{i},"{row.tolist()}"\n' for i, row in enumerate(Z))),
    ),
    "csv of printed vectors": (
        "z.csv",
        lambda path: path.write_text(
            "id,z\n" + "".join(f'{i},"[{line(row, chr(10))}]"\n' for i, row in enumerate(Z))
        ),
    ),
    "parquet of vectors as words": (
        "z.parquet",
        lambda path: pyarrow.parquet.write_table(pa.table({"t": ["x"] * 41, "z": [str(r.tolist()) for r in Z]}), path),
    ),
    "jsonl of vectors as words": (
        "z.jsonl",
        lambda path: path.write_text("".join(json.dumps({"v": str(row.tolist())}) + "\n" for row in Z)),
    ),
    "jsonl nested": (
        "z.jsonl",
        lambda path: path.write_text("".join(json.dumps({"data": {"v": row.tolist()}}) + "\n" for row in Z)),
    ),
    "jsonl nested key": (
        "z.jsonl::data.v",
        lambda path: path.write_text(
            "".join(json.dumps({"data": {"v": row.tolist(), "w": [1.5]}}) + "\n" for row in Z)
        ),
    ),
    "json": ("z.json", lambda path: path.write_text(json.dumps(Z.tolist()))),
    "json of objects": ("z.json", lambda path: path.write_text(json.dumps([{"id": 1, "v": r.tolist()} for r in Z]))),
    "json in an object": (
        "z.json::data.embedding",
        lambda path: path.write_text(json.dumps({"n": 41, "data": [{"embedding": row.tolist()} for row in Z]})),
    ),
    "json by name": (
        "z.json",
        lambda path: path.write_text(json.dumps({f"w{at}": row.tolist() for at, row in enumerate(Z)})),
    ),
    "json by name in an object": (
        "z.json",
        lambda path: path.write_text(json.dumps({"n": 41, "vectors": {str(i): r.tolist() for i, r in enumerate(Z)}})),
    ),
    "npy packed": ("z.npy.gz", lambda path: packed(path, saved(Z))),
    "csv packed": ("z.csv.gz", lambda path: packed(path, "".join(line(row, ",") + "\n" for row in Z).encode())),
    "jsonl packed": ("z.jsonl.gz", lambda path: packed(path, "".join(f"{row.tolist()}\n" for row in Z).encode())),
    "npz in column order": ("z.npz", lambda path: np.savez(path, z=np.asfortranarray(Z))),
    "jsonl": ("z.jsonl", write_jsonl),
    "jsonl key": ("z.jsonl::vector", write_jsonl),
    "jsonl lists": ("z.jsonl", lambda path: path.write_text("".join(f"{row.tolist()}\n" for row in Z))),
    "h5": ("z.h5", write_hdf5),
    "h5ad": ("z.h5ad::obsm/X_pca", write_hdf5),
    "zarr": ("z.zarr", write_zarr),
    "zarr key": ("z.zarr::X", write_zarr),
}  # fmt: skip


def rows(spec: str, start: int = 0, stop: int | None = None) -> Tensor:
    return torch.cat([chunk.double() for chunk in open_embeddings(spec).read(start, stop)])


@pytest.mark.parametrize("case", WRITTEN)
def test_what_was_written_is_read(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CHUNK", 256)  # several chunks even of a small file
    spec, write = WRITTEN[case]
    write(tmp_path / spec.partition("::")[0])
    file = open_embeddings(str(tmp_path / spec))
    assert file.dims == 5
    assert file.n in (41, None)
    expected = torch.from_numpy(Z).double()
    torch.testing.assert_close(rows(str(tmp_path / spec)), expected, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(rows(str(tmp_path / spec), 13, 30), expected[13:30], rtol=1e-7, atol=1e-7)


def test_the_array_of_several_that_was_read_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", emb=Z, label=np.arange(41))
    np.savez(tmp_path / "one.npz", Z)
    names = [Path(open_embeddings(str(tmp_path / name)).name).name for name in ("z.npz", "one.npz")]
    assert names == ["z.npz::emb", "one.npz::arr_0"]


def test_every_reader_is_tested() -> None:
    assert {source.ending(Path(spec.partition("::")[0])) for spec, _ in WRITTEN.values()} | {".hdf5"} == set(ENDINGS)


def test_half_precision_is_read(tmp_path: Path) -> None:
    half = torch.from_numpy(Z).bfloat16()
    safetensors.torch.save_file({"z": half}, tmp_path / "z.safetensors")
    torch.save(half, tmp_path / "z.pt")
    np.save(tmp_path / "z.npy", Z.astype(np.float16))
    for name, expected in (("z.safetensors", half), ("z.pt", half), ("z.npy", torch.from_numpy(Z).half())):
        assert torch.equal(rows(str(tmp_path / name)), expected.double())


@pytest.mark.parametrize("order", ["C", "F"])
def test_standard_input_is_read(order: Literal["C", "F"], monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO(saved(np.asarray(Z, order=order)))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=content))
    assert torch.equal(rows("-"), torch.from_numpy(Z).double())


def test_a_pattern_is_its_files_one_after_another(tmp_path: Path) -> None:
    for number, part in enumerate((Z[:10], Z[10:11], Z[11:])):
        np.save(tmp_path / f"part-{number}.npy", part)
    spec = str(tmp_path / "part-*.npy")
    assert open_embeddings(spec).n == 41
    assert torch.equal(rows(spec), torch.from_numpy(Z).double())
    assert torch.equal(rows(spec, 9, 13), torch.from_numpy(Z[9:13]).double())
    np.save(tmp_path / "part-9.npy", Z[:, :3])
    with pytest.raises(UserError, match=r"part-9\.npy has 3 dimensions"):
        open_embeddings(spec)


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_a_url_is_read(ending: str, tmp_path: Path) -> None:
    import fsspec

    path = tmp_path / f"z.{ending}"
    WRITTEN[ending][1](path)
    with fsspec.open(f"memory://z.{ending}", "wb") as file:
        file.write(path.read_bytes())
    assert torch.allclose(rows(f"memory://z.{ending}", 3, 20), torch.from_numpy(Z[3:20]).double())
    with pytest.raises(UserError, match="There is no file memory://nowhere"):
        open_embeddings("memory://nowhere.npy")
    with pytest.raises(UserError, match="cannot be opened"):
        open_embeddings("nosuch://z.npy")


def test_names_in_a_file_of_hdf5_may_be_no_text_and_are_shown_harmlessly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bytes_alone, evil = b"q\xff", "a\x1b[2J\n<i>z"
    with h5py.File(tmp_path / "z.h5", "w") as file:
        file.create_dataset(bytes_alone, data=Z)
    assert torch.equal(torch.cat([*open_embeddings(f"{tmp_path}/z.h5").read(0, None)]), torch.from_numpy(Z))
    with h5py.File(tmp_path / "z.h5", "a") as file:
        file.create_dataset(evil, data=Z)
    with pytest.raises(UserError, match=r"has no nope: it holds .*q\\xff"):
        open_embeddings(f"{tmp_path}/z.h5::nope")
    assert main(["diagnose", f"{tmp_path}/z.h5::{evil}", "--out", str(tmp_path / "page")]) in (0, 1, 3)
    said = capsys.readouterr().out
    assert said.splitlines()[0].endswith(r"z.h5::a\x1b[2J\n<i>z: 41 rows, 5 dimensions")
    assert "\x1b" not in said
    assert "<i>z" not in (tmp_path / "page" / "report.html").read_text(encoding="utf-8")


def test_matrices_of_an_old_anndata_file_are_reached_and_none_is_taken_silently(tmp_path: Path) -> None:
    obsm = np.zeros(41, [("X_pca", "f4", (5,)), ("X_umap", "f4", (2,))])
    obsm["X_pca"] = Z
    with h5py.File(tmp_path / "old.h5ad", "w") as file:
        file["X"], file["obsm"], file["varm/PCs"] = np.ones((41, 90), np.float32), obsm, np.ones((90, 5))
    path = str(tmp_path / "old.h5ad")
    assert torch.equal(rows(f"{path}::obsm/X_pca"), torch.from_numpy(Z).double())
    assert torch.equal(rows(f"{path}::X_pca", 13, 30), torch.from_numpy(Z[13:30]).double())
    with pytest.raises(UserError, match=r"say which one, as in .*old\.h5ad::obsm/X_pca\."):
        open_embeddings(path)
    with h5py.File(path, "a") as file:
        del file["obsm"]
    assert open_embeddings(path).name == f"{path}::X"


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    for name in ("z.parquet", "z.npy", "z.safetensors"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match=f"{name} is not a file"):
            open_embeddings(str(tmp_path / name))


def test_an_arrow_file_whose_rows_begin_beyond_its_end_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "z.arrow"
    table = pa.table({"embedding": [[float(at + one) for one in range(8)] for at in range(64)]})
    pa.feather.write_feather(table, str(path), compression="uncompressed")
    begins = np.arange(0, 65 * 8, 8, dtype=np.int32)
    content = path.read_bytes()
    assert content.count(begins.tobytes()) == 1
    broken = begins.copy()
    broken[0] = 8_323_072
    path.write_bytes(content.replace(begins.tobytes(), broken.tobytes()))
    with pytest.raises(UserError, match="is not an Arrow file, or it is damaged"):
        open_embeddings(str(path))
