"""A checkpoint is whole, or it is refused: the checksum, the one before it, and what stands beside it."""

from __future__ import annotations

import os
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from fullrank.engine.checkpoint import begun_by
from fullrank.engine.sealed import Sealed, is_sealed, previous, read
from fullrank.errors import UserError
from tests.memory import takes_less_than

CONTENT: dict[str, Any] = {"global_step": 7, "state_dict": {"w": torch.arange(500.0)}, "note": "é"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = tmp_path / "run" / "checkpoints" / "last.ckpt"
    where.parent.mkdir(parents=True)
    Sealed().save_checkpoint(CONTENT, where)
    return where


def test_a_sealed_checkpoint_is_still_one_of_torch(path: Path) -> None:
    assert is_sealed(path)
    content = torch.load(path, weights_only=True)
    assert torch.equal(content["state_dict"]["w"], torch.arange(500.0))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"fullrank blake2b ")
    assert read(path)["global_step"] == 7


@pytest.mark.slow
def test_every_flipped_bit_is_noticed(path: Path) -> None:
    """A hundred bits drawn by seed, and every bit of the end of the file, where the checksum stands."""
    whole = path.read_bytes()
    bits = random.Random(0).sample(range(8 * len(whole)), 100)
    for bit in [*bits, *range(8 * (len(whole) - 80), 8 * len(whole))]:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged"):
            is_sealed(path)


@pytest.mark.parametrize("keep", [0, 1, 30, 1000, -1])
def test_what_is_cut_off_is_noticed(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="is damaged"):
        is_sealed(path)


def test_zeroed_pages_and_random_bytes_are_noticed(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:500] + bytes(1000) + whole[1500:])
    with pytest.raises(UserError, match="is damaged"):
        is_sealed(path)
    path.write_bytes(random.Random(0).randbytes(5000))
    with pytest.raises(UserError, match="is damaged"):
        is_sealed(path)


def test_a_checkpoint_without_a_checksum_is_read(path: Path) -> None:
    torch.save(CONTENT, path)
    assert not is_sealed(path)
    assert read(path)["global_step"] == 7


def test_the_checkpoint_before_is_kept_and_offered(path: Path) -> None:
    Sealed().save_checkpoint({**CONTENT, "global_step": 8}, path)
    assert (read(path)["global_step"], read(previous(path))["global_step"]) == (8, 7)
    assert sorted(file.name for file in path.parent.iterdir()) == ["last.ckpt", "previous.ckpt"]
    path.write_bytes(b"")
    with pytest.raises(
        UserError, match=r"go on from the checkpoint before it by `fullrank train --resume .*--previous"
    ):
        is_sealed(path)


def test_a_failed_write_leaves_both_as_they_were(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Sealed().save_checkpoint({**CONTENT, "global_step": 8}, path)

    def fail(content: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(UserError, match="cannot be written"):
            Sealed().save_checkpoint({**CONTENT, "global_step": 9}, path)
    assert (read(path)["global_step"], read(previous(path))["global_step"]) == (8, 7)
    assert len([*path.parent.iterdir()]) == 2


def test_where_there_are_no_links_the_one_before_is_kept_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
    Sealed().save_checkpoint({**CONTENT, "global_step": 8}, path)
    assert (read(path)["global_step"], read(previous(path))["global_step"]) == (8, 7)


def test_file_and_folder_are_synced_before_and_after_the_renaming(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, rename = os.fsync, os.replace

    def synced(number: int) -> None:
        done.append("folder" if Path(f"/proc/self/fd/{number}").resolve().is_dir() else "file")
        sync(number)

    def renamed(source: Any, to: Any) -> None:
        done.append(Path(to).name)
        rename(source, to)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    Sealed().save_checkpoint(CONTENT, path)
    assert done == ["previous.ckpt", "file", "last.ckpt", "folder"]


def test_no_code_in_a_checkpoint_is_run(path: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"global_step": 1, "state_dict": Bomb()}, path)
    with pytest.raises(UserError, match="is damaged"):
        read(path)
    assert not (tmp_path / "ran").exists()


def test_what_a_checkpoint_says_is_read_without_its_tensors(path: Path) -> None:
    said = {"Checkpoint": {"learned": '{"lr": 0.1}', "processes": 2}}
    Sealed().save_checkpoint({**CONTENT, "w": torch.zeros(2**24), "callbacks": said}, path)
    with takes_less_than(2**25):  # half of the tensor
        begun = begun_by(path.parent.parent)
    assert (begun.sealed, begun.learned, begun.processes) == (True, {"lr": 0.1}, 2)
