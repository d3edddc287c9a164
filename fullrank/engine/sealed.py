"""The file of a checkpoint: written beside its place and synced, closed by a checksum, the one before it kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO, Any, cast

import torch
from lightning.fabric.plugins import CheckpointIO

from fullrank.errors import UserError, command
from fullrank.runs import replace
from fullrank.runs.arrays import grows
from fullrank.runs.reading import require_file

_MARK = b"fullrank blake2b "  # then 32 hexadecimal digits, both as the comment of the zip archive that torch writes
_DIGITS = 32
_END = b"PK\x05\x06"  # of an archive, 22 bytes before its end where it has no comment
_CHUNK = 2**20


def previous(path: Path) -> Path:
    """Where the checkpoint before the last one is while a run goes on."""
    return path.with_name(f"previous{path.suffix}")


class Sealed(CheckpointIO):
    """How Lightning writes and reads the checkpoints of a run; a folder (of shards) is read as it reads it itself."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write it whole or not at all; the checkpoint that was there becomes the one before."""

        def write(beside: Path) -> None:
            with beside.open("wb") as file:
                sealing = _Sealing(file)
                try:
                    torch.save(checkpoint, cast(IO[bytes], sealing))
                except RuntimeError as error:
                    raise sealing.failed or error from None  # torch hides a full disk behind its archive's positions
                sealing.close()
            _keep(Path(path))

        Path(path).parent.mkdir(exist_ok=True)  # its process may have been killed before it made one
        replace(Path(path), write)

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read it; no code in it is run."""
        return read(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete it."""
        Path(path).unlink(missing_ok=True)


def read(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    """The content of a checkpoint; a UserError if it is not one.

    With `mapped` its tensors stay in the file until they are used.
    """
    require_file(path)
    try:
        if grows(path):
            raise ValueError("it could take any memory")
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        if not isinstance(content["global_step"], int):
            raise TypeError("it counts no steps")
    except Exception as error:  # unpickling raises anything
        raise _damaged(path, type(error).__name__) from error
    return dict(content)


def is_sealed(path: Path) -> bool:
    """Whether a checkpoint has a checksum, as all except those of version 0.1.0; a damaged one raises a UserError."""
    require_file(path)
    end = 22 + len(_MARK) + _DIGITS
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - end))
        tail = file.read()
        if tail[-22:-18] == _END and tail[-2:] == b"\0\0":
            return False
        digest = hashlib.blake2b(digest_size=_DIGITS // 2)
        file.seek(0)
        left = max(0, size - _DIGITS)
        while part := file.read(min(_CHUNK, left)):
            digest.update(part)
            left -= len(part)
    if tail[22 : 22 + len(_MARK)] != _MARK or tail[-_DIGITS:] != digest.hexdigest().encode():
        raise _damaged(path, "its checksum is not that of its content")
    return True


def _damaged(path: Path, why: str) -> UserError:
    run, before = path.parent.parent, previous(path)
    if not before.exists() or before == path:
        return UserError(f"{path} is damaged ({why}), and there is none before it: train again with another --out.")
    again = command("train", "--resume", run, "--previous")
    return UserError(
        f"{path} is damaged ({why}): go on from the checkpoint before it by `{again}`, which "
        "repeats the steps since then and ends as if nothing had happened."
    )


def _keep(path: Path) -> None:
    """Let the checkpoint at `path` be the one before, without a moment at which none is there."""
    if not path.is_file():
        return
    beside = path.with_name(f".{previous(path).name}.{os.getpid()}.part")
    try:
        os.link(path, beside)
    except OSError:  # this file system has no links
        beside = path
    os.replace(beside, previous(path))


class _Sealing:
    """Takes the bytes of a zip archive, and at its end gives it a comment with the checksum of all before it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.blake2b(digest_size=_DIGITS // 2)
        self._held = b""  # the last two bytes so far: of the whole archive, the length of its comment
        self.failed: OSError | None = None  # why a write failed

    def write(self, data: bytes | memoryview) -> int:
        """Take some bytes."""
        if len(data) < 2:
            data = self._held + bytes(data)
            self._put(data[:-2])
        else:
            self._put(self._held)
            self._put(data[:-2])
        self._held = bytes(data[-2:])
        return len(data)

    def flush(self) -> None:
        """Nothing waits but the last two bytes."""

    def close(self) -> None:
        """Write the comment."""
        self._put((len(_MARK) + _DIGITS).to_bytes(2, "little") + _MARK)
        self._file.write(self._digest.hexdigest().encode())

    def _put(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            self.failed = error
            raise
