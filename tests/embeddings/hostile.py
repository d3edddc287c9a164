"""Files that are broken, wrong or hostile, and what reading them does; run as a program under a memory cap."""

from __future__ import annotations

import gzip
import io
import json
import resource
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import safetensors.torch
import torch
import zarr
from numpy.typing import NDArray

from fullrank.embeddings import open_embeddings
from fullrank.errors import UserError
from fullrank.stats.sketch import sketch

CAP = 2**30  # bytes above what the libraries take when they are loaded
Z = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)


def npy(descr: str, shape: str, data: bytes = b"", version: int = 1, length: int | None = None) -> bytes:
    """A .npy with a header of our own."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    size = len(header) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + size.to_bytes(2 if version == 1 else 4, "little") + header + data


def saved(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def whole(folder: Path) -> dict[str, bytes]:
    """One good file of every format, to be broken."""
    table = pa.table({"embedding": list(Z)})
    pyarrow.parquet.write_table(table, folder / "good.parquet")
    with pa.OSFile(str(folder / "good.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    with h5py.File(folder / "good.h5", "w") as file:
        file.create_dataset("X", data=Z, chunks=(16, 8), compression="gzip")
    tensor = torch.from_numpy(Z)
    return {
        "npy": saved(lambda file: np.save(file, Z)),
        "npz": saved(lambda file: np.savez_compressed(file, z=Z)),
        "pt": saved(lambda file: torch.save(tensor, file)),
        "pth": saved(lambda file: torch.save({"z": tensor}, file, _use_new_zipfile_serialization=False)),
        "safetensors": safetensors.torch.save({"z": tensor}),
        **{ending: (folder / f"good.{ending}").read_bytes() for ending in ("parquet", "arrow", "h5")},
        "csv": saved(lambda file: np.savetxt(file, Z, delimiter=",")),
        "jsonl": (lines := "".join(f"{row.tolist()}\n" for row in Z).encode()),
        "txt": saved(lambda file: np.savetxt(file, Z)),
        "json": json.dumps({"data": [{"z": row.tolist()} for row in Z]}).encode(),
        "columns.npz": saved(lambda file: np.savez_compressed(file, z=np.asfortranarray(Z))),
        "npy.gz": gzip.compress(saved(lambda file: np.save(file, Z))),
        "csv.gz": gzip.compress(saved(lambda file: np.savetxt(file, Z, delimiter=","))),
        "jsonl.gz": gzip.compress(lines),
        "json.gz": gzip.compress(json.dumps(Z.tolist()).encode()),
    }


def wrong_arrays() -> dict[str, NDArray[Any]]:
    """Arrays that are not a matrix of real numbers."""
    nan, infinite = Z.copy(), Z.copy()
    nan[3, 2], infinite[5, 1] = np.nan, np.inf
    return {
        "nan": nan, "infinite": infinite, "integer": np.arange(12).reshape(4, 3), "bool": Z > 0, "complex": Z + 1j,
        "text": np.array([["a", "b"]]), "scalar": np.float32(1), "one-dimensional": Z[0], "three-dimensional": Z[None],
        "no-rows": Z[:0], "no-columns": Z[:, :0], "dates": np.zeros((2, 2), "datetime64[s]"),
        "bytes": np.array([[b"x"]]), "records": np.zeros(3, [("a", "f4")]),
    }  # fmt: skip


def must_fail(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of files that are certainly no embeddings."""
    good = whole(folder)
    for ending, content in good.items():
        yield f"empty.{ending}", b""
        yield f"garbage.{ending}", b"\x00\xff" * 300
        yield f"text.{ending}", b"these are not the embeddings you are looking for\n"
        if ending not in ("csv", "jsonl", "txt"):
            for cut in (1, 4, 9, 30, len(content) // 4, len(content) // 2, 3 * len(content) // 4, len(content) - 40):
                yield f"cut-{cut}.{ending}", content[:cut]
    for kind, array in wrong_arrays().items():
        yield f"{kind}.npy", saved(lambda file, array=array: np.save(file, array))  # type: ignore[misc]
        yield f"{kind}.npz", saved(lambda file, array=array: np.savez(file, z=array))  # type: ignore[misc]
        if array.dtype.kind in "fib" and array.dtype.names is None:
            tensor = torch.from_numpy(np.array(array))
            yield f"{kind}.pt", saved(lambda file, tensor=tensor: torch.save(tensor, file))  # type: ignore[misc]
            yield f"{kind}.safetensors", safetensors.torch.save({"z": tensor})
    yield from headers()
    yield from hostile(good)
    yield from ragged()


def headers() -> Iterator[tuple[str, bytes]]:
    """Headers of .npy that promise what is not there."""
    for number, (descr, shape) in enumerate(
        [
            ("'<f4'", "(1000000000000, 1024)"),
            ("'<f4'", "(2, -3)"),
            ("'<f4'", "(9" + "9" * 400 + ", 2)"),
            ("'|O'", "(2, 2)"),
            ("'<f4'", "(2.5, 3)"),
            ("'<f4'", "'text'"),
            ("'<f4'", "(True, 3)"),
            ("'nonsense'", "(2, 2)"),
            ("[('a', '<f4')]", "(2,)"),
            ("'<f4'", "__import__('os').system('touch executed')"),
            ("'<f4'", "(" * 200 + ")" * 200),
            ("'<V8'", "(2, 2)"),
            ("'<f4'", "(2, 2)"),
        ]
    ):
        yield f"header-{number}.npy", npy(descr, shape, b"\x00" * 8)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("z.npy", npy(descr, shape, b"\x00" * 8))
        yield f"header-{number}.npz", packed.getvalue()
    yield "long-header.npy", npy("'<f4'", "(2, 2)", version=2, length=2**32 - 1)
    yield "version.npy", npy("'<f4'", "(2, 2)", b"\x00" * 16, version=9)
    for number, size in enumerate((2**63, 2**40, 10**6)):
        yield f"header-{number}.safetensors", struct.pack("<Q", size) + b"{}"
    for number, offsets in enumerate(([0, 2**50], [8, 0], [0, 12])):
        entry = json.dumps({"z": {"dtype": "F32", "shape": [2**40, 4], "data_offsets": offsets}}).encode()
        yield f"offsets-{number}.safetensors", struct.pack("<Q", len(entry)) + entry + b"\x00" * 16


def hostile(good: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Files that would run code or fill the memory."""
    code = b"cos\nsystem\n(S'touch executed'\ntR."  # a pickle that runs a command when it is read
    yield "pickle.npy", code
    yield "pickle.pt", code
    yield "pickle.pth", b"\x80\x02" + code
    yield "objects.npy", saved(lambda file: np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", code)
        archive.writestr("archive/version", "3")
    yield "pickle-in-zip.pt", packed.getvalue()
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("z.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy("'<f4'", "(400000, 1024)"))
        for _ in range(1600):
            file.write(bytes(2**20))
    yield "bomb.npz", bomb.getvalue()
    squeezed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(good["pt"])) as source,
        zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for info in source.infolist():
            target.writestr(info.filename, source.read(info))
    yield "squeezed.pt", squeezed.getvalue()
    yield "expanded.pt", saved(lambda file: torch.save(torch.zeros(1, 1).expand(10**12, 1024), file))
    yield "sparse.pt", saved(lambda file: torch.save(torch.eye(4).to_sparse(), file))
    yield "numbers.pt", saved(lambda file: torch.save({"lr": 0.1}, file))
    yield "long-line.jsonl", b"[" + b"1," * (2**23) + b"1]"
    yield "deep.jsonl", b"[" * 100_000
    yield "row-of-zeros.parquet", long_rows(1, 2**26 + 1, 1)
    yield "histogram.parquet", broken_histogram()
    yield from texts(good)


def long_rows(rows: int, values: int, groups: int) -> bytes:
    """A parquet of some kB with a few groups of rows of so many zeros."""
    column = pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32) * values, pa.array(np.zeros(rows * values)))
    sink = io.BytesIO()
    with pyarrow.parquet.ParquetWriter(sink, pa.schema([("z", column.type)])) as writer:
        for _ in range(groups):
            writer.write_table(pa.table({"z": column}))
    return sink.getvalue()


def broken_histogram() -> bytes:
    """A parquet whose footer has the histogram of one kind of levels in the place of another's."""
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"z": [[0.5, 1.5], [2.5, 3.5]]}), sink)
    before, found, after = sink.getvalue().rpartition(b"\x29\x26")  # field 2, of two numbers
    assert found
    return before + b"\x39\x26" + after


def texts(good: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Text, JSON, packed files and lists that are too deep, too long, or not what they promise."""
    yield "deep.json", b"[" * 100_000
    yield "nested.json", b'{"a":' * 900 + b"1" + b"}" * 900
    yield "lists.json", b"[" + b"[]," * (2**24) + b"[]]"
    yield "long-line.txt", b"1.5 " * (2**23)
    yield "long-line.jsonl.gz", gzip.compress(b"[" + b"1," * (2**23) + b"1]", 1)
    yield "long-line.csv.gz", gzip.compress(b"1.5," * (2**23), 1)
    yield "spaces.json.gz", gzip.compress(b" " * 2**28, 1)
    yield "good.parquet.gz", gzip.compress(good["parquet"])
    packed = gzip.compress(bytes(2**26), 1)  # of which several together are one file
    yield "one-row.npy.gz", gzip.compress(npy("'<f4'", "(2, 1073741824)")) + packed * 64
    yield "promise.npy.gz", gzip.compress(npy("'<f4'", "(1000000000000, 1024)", b"\x00" * 99))
    yield "huge-index.json", b'{"data": {"' + b"9" * 5000 + b'": [1.5]}}'
    yield "words.csv", b"z\n" + b'"[0.1, x]"\n' * 4
    yield "shortened.csv", b"z\n" + b'"[0.1 ... 0.2]"\n' * 4
    yield "listed.pt", saved(lambda file: torch.save([torch.zeros(1).expand(10**12)] * 3, file))
    yield "ragged-list.pt", saved(lambda file: torch.save([torch.zeros(3), torch.zeros(4)], file))


def ragged() -> Iterator[tuple[str, bytes]]:
    """Tables whose rows differ, or hold no numbers."""
    for number, lines in enumerate(
        (
            '{"a": "[1, b]"}',
            '{"a": {"b": [1], "c": [2]}}',
            "[1, 2]\n[1]",
            "[1, [2]]",
            '[1, "a"]',
            "[]",
            "{}",
            '{"a": 1}',
            "[1, null]",
            "[true, false]",
            "nothing",
            "[1, 2]\n{",
            "3",
            "[NaN, 1]\n[2, 3]",
            '{"a": [1], "b": [2]}',
        )
    ):
        yield f"lines-{number}.jsonl", lines.encode()
    for number, text in enumerate(
        ("1.5,2\n3", "a,b\n", "a,b\nx,y\n", "1,2\n3,4\n", "a\n\xff", "a,b\n1.5,2.5\n3.5,\n", ",\n")
    ):
        yield f"table-{number}.csv", text.encode("latin-1")
    for number, column in enumerate(
        ([[1.0, 2.0], [1.0]], [[1.0], None], [["a"]], [[[1.0]]], [[]], [[1, 2]], ["text"], [None], [[1.0, None]])
    ):
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pa.table({"embedding": column}), sink)
        yield f"column-{number}.parquet", sink.getvalue()


def may_fail(good: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Good files with some bytes changed, which may or may not be seen, and one that is wide."""
    yield "wide.parquet", long_rows(32, 2**17, 64)
    random = np.random.default_rng(0)
    for ending, content in good.items():
        for number in range(15):
            broken = bytearray(content)
            for place in random.integers(0, min(len(broken), 400), 3):
                broken[place] = random.integers(256)
            yield f"fuzzed-{number}.{ending}", bytes(broken)


def read(path: Path) -> str:
    """What reading a file comes to: ok, or the sentence of the error."""
    try:
        file = open_embeddings(str(path))
        sketch(file.read(0, 10_000))
    except UserError as error:
        return str(error)
    return "ok"


def main(folder: Path) -> None:
    """Read every file under the cap and print what came of it, one JSON object a file."""
    torch.zeros(1)
    zarr.open_group(str(folder / "good.zarr"), mode="w").create_array("X", data=Z)
    cases = [(True, *case) for case in must_fail(folder)] + [(False, *case) for case in may_fail(whole(folder))]
    for _, name, content in cases:
        (folder / name).write_bytes(content)
    names = [(must, name) for must, name, _ in cases]
    del cases
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + CAP, used + CAP))
    for must, name in names:
        sys.stdout.write(json.dumps({"name": name, "must_fail": must, "answer": read(folder / name)}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
