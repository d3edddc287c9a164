"""Small files of tables and of torch.save that unpack to much: one sentence, and little memory."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fullrank.cli import main
from fullrank.engine.sealed import read
from fullrank.errors import UserError
from fullrank.nn.weights import open_weights
from tests.memory import takes_less_than

ROWS, DIMS = 2**15, 2**10  # 128 MiB of zeros
MANY = 4 * ROWS * DIMS


def table(path: Path, *, codec: str = "zstd") -> Path:
    """A table of zeros, as one batch."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    column = pa.FixedSizeListArray.from_arrays(pa.array(torch.zeros(ROWS * DIMS).numpy()), DIMS)
    made = pa.table({"z": column})
    if path.suffix == ".parquet":
        parquet.write_table(made, path, compression=codec, use_dictionary=False)
        return path
    how = pa.ipc.IpcWriteOptions(compression=codec)
    new = pa.ipc.new_stream if path.name.startswith("stream") else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as file, new(file, made.schema, options=how) as writer:
        writer.write_table(made, max_chunksize=ROWS)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["z.arrow", "stream.arrow", "z.parquet"])
def test_a_table_that_is_a_bomb_is_one_sentence_and_takes_little_memory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / name)
    monkeypatch.setattr("fullrank.runs.arrays._HARMLESS", MANY // 2)
    with takes_less_than(MANY // 2):
        assert main(["diagnose", str(path)]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"{path} unpacks from " in error
    assert error.endswith("bytes: if it is meant, write it uncompressed.")


@pytest.mark.parametrize("name", ["z.arrow", "stream.arrow"])
def test_a_batch_that_memory_does_not_hold_is_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pa = pytest.importorskip("pyarrow")
    made = pa.table({"z": list(torch.randn(64, 32).numpy()), "word": pa.array(["a", "b"] * 32).dictionary_encode()})
    new = pa.ipc.new_stream if name.startswith("stream") else pa.ipc.new_file
    path = tmp_path / name
    how = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as file, new(file, made.schema, options=how) as writer:
        writer.write_table(made)
    assert main(["diagnose", str(path), "--no-report"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("fullrank.stats.sketch.memory.free_memory", lambda: 64 * 32 * 4 - 1)
    assert main(["diagnose", str(path)]) == 2
    assert f"The rows of a batch of {path} would take " in capsys.readouterr().err


def rewritten(path: Path, content: bytes | None) -> Path:
    """A file of torch.save with all of it compressed, or with another pickle."""
    source = path.with_name("source.pt")
    torch.save({"global_step": 1, "w": torch.zeros(MANY // 4)}, source)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            if content is None:
                new.writestr(info.filename, old.read(info), zipfile.ZIP_DEFLATED, 1)
            elif "/data/" not in info.filename:
                new.writestr(info.filename, content if info.filename.endswith("data.pkl") else old.read(info))
    source.unlink()
    return path


BYTEARRAY = b"\x80\x02cbuiltins\nbytearray\nJ" + MANY.to_bytes(4, "little") + b"\x85R."  # a pickle of 128 MiB of zeros


def packed(path: Path) -> Path:
    """Compressed."""
    return rewritten(path, None)


def asking(path: Path) -> Path:
    """Asks for memory by its length."""
    return rewritten(path, BYTEARRAY)


def asking_as_before(path: Path) -> Path:
    """The same in the format of old."""
    torch.save({"w": torch.zeros(1)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    start = content.index(b"}q")  # what was saved
    before, after = content[: content.rindex(b"\x80\x02", 0, start)], content[content.index(b"u.", start) + 2 :]
    path.write_bytes(before + BYTEARRAY + after)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("make", [packed, asking, asking_as_before])
def test_a_file_of_torch_that_is_a_bomb_is_one_sentence_and_takes_little_memory(
    make: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path / "weights.pt")
    assert path.stat().st_size < MANY / 100
    with takes_less_than(MANY // 2):
        assert main(["diagnose", str(path)]) == 2
        error = " ".join(capsys.readouterr().err.split())
        held = "compressed data" if make is packed else "a bytearray"
        assert f"{path} holds {held}, which torch.save does not write of tensors: write it again." in error
        with pytest.raises(UserError, match=f"holds {held}"):
            open_weights(str(path))
        with pytest.raises(UserError, match="is damaged"):
            read(path)
