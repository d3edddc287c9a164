"""What was seen of files, kept between starts: in the user's cache folder, by path, size and time of change."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import PIL
from numpy.typing import NDArray

from fullrank.data.files.find import whole_paths
from fullrank.data.files.look import Look
from fullrank.data.options import DataOptions
from fullrank.errors import UserError
from fullrank.runs import write_npz
from fullrank.runs.arrays import read_npz

FEWEST = 500  # files from which on an index is kept
_FORMAT = 4  # of the file, to be raised with every change of what a Look says
_DEPTHS = ("", "integer", "float")
_KEPT = [each.name for each in fields(Look) if each.name != "problem"]  # what cannot be read is tried again

Check = Callable[[list[str]], list[Look]]
Looked = tuple[list[Look], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class _Kept:
    """The names of files as one string, their sizes and times of change in ns (N, 2), and which of `looks` each has."""

    names: str = ""
    stamps: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    looks: tuple[Look, ...] = ()


def cache_folder() -> Path:
    """The folder of the user's that programs may keep what they can make again in; nothing else is ever in it."""
    if place := os.environ.get("XDG_CACHE_HOME"):
        return Path(place) / "fullrank"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "fullrank"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "fullrank"
    return Path.home() / ".cache" / "fullrank"


def looked(files: list[str], options: DataOptions, check: Check, say: Callable[[str], None]) -> Looked:
    """What is known of the files and what `check` sees of those that are new or have changed, and their sizes.

    Of several processes of one machine the first looks, and the others wait for what it found.
    """
    if len(files) < FEWEST:
        return check(files), _sizes(files)
    whole = whole_paths(files)
    base = os.path.abspath(os.path.commonpath([min(whole), max(whole)]))  # what these two share, all share
    place = cache_folder() / "index" / f"{_key(base, options)}.npz"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = place.with_suffix(".lock").open("w")
    except OSError as error:
        say(_not_kept(place, error))
        return check(files), _sizes(files)
    with lock, _alone(lock):
        return _looked(place, files, check, say)


def _not_kept(place: Path, error: Exception) -> str:
    return f"What is seen of images cannot be kept in {place.parent} ({error}): they are checked at each start."


def _looked(place: Path, files: list[str], check: Check, say: Callable[[str], None]) -> Looked:
    stamps = np.array(_stamps(files), dtype=np.int64)
    looks = _known(_read(place), files, stamps)
    new = [at for at, look in enumerate(looks) if look is None]
    for at, look in zip(new, check([files[at] for at in new]) if new else [], strict=True):
        looks[at] = look
    whole = [look for look in looks if look is not None]
    if any(not whole[at].problem for at in new):
        try:
            _write(place, files, stamps, whole)
        except (OSError, UserError) as error:
            say(_not_kept(place, error))
    return whole, stamps[:, 0]


def _known(kept: _Kept, files: list[str], stamps: NDArray[np.int64]) -> list[Look | None]:
    """What is kept of each file that is as it was; equal looks are one object."""
    if kept.names == "\0".join(files):
        at = np.arange(len(files))
    else:
        place = {name: number for number, name in enumerate(kept.names.split("\0"))} if kept.looks else {}
        at = np.array([place.get(name, -1) for name in files])
    same = at >= 0
    same[same] = (kept.stamps[at[same]] == stamps[same]).all(1)
    numbers = np.where(same, kept.numbers[at] if len(kept.numbers) else -1, -1)
    looks = (*kept.looks, None)
    return [looks[number] for number in numbers.tolist()]


def _key(base: str, options: DataOptions) -> str:
    """A name for the index of a folder, as it is read with these options and libraries."""
    tiff = importlib.util.find_spec("tifffile") is not None
    said = repr((_FORMAT, base, options.pages, options.channels, options.max_pixels, PIL.__version__, tiff))
    return hashlib.blake2b(said.encode(errors="surrogateescape"), digest_size=12).hexdigest()


def _sizes(files: Sequence[str]) -> NDArray[np.int64]:
    return np.array(_stamps(files), dtype=np.int64).reshape(-1, 2)[:, 0]


def _stamps(files: Sequence[str]) -> list[tuple[int, int]]:
    """Size and time of change of each file, -1 where there is none."""
    try:
        return [(status.st_size, status.st_mtime_ns) for status in map(os.stat, files)]
    except OSError:
        return [(-1, -1) if not os.path.exists(path) else _stamps([path])[0] for path in files]


def _write(place: Path, files: Sequence[str], stamps: NDArray[np.int64], looks: Sequence[Look]) -> None:
    rows = [at for at, look in enumerate(looks) if not look.problem]
    number: dict[Look, int] = {}
    numbers = [number.setdefault(looks[at], len(number)) for at in rows]
    names = "\0".join(files[at] for at in rows).encode(errors="surrogateescape")
    columns: dict[str, Any] = {name: np.array([getattr(look, name) for look in number]) for name in _KEPT}
    columns["depth"] = np.array([_DEPTHS.index(look.depth) for look in number], dtype=np.uint8)
    of_files: dict[str, Any] = {
        "names": np.frombuffer(names, np.uint8),
        "stamps": stamps[rows],
        "numbers": np.array(numbers),
    }
    write_npz(place, {**columns, **of_files})


def _read(place: Path) -> _Kept:
    """The index, empty where there is none or it is damaged: it is made again."""
    try:
        file = read_npz(place)
        names = file["names"].tobytes().decode(errors="surrogateescape")
        stamps, numbers = file["stamps"], file["numbers"]
        columns = {name: file[name].tolist() for name in _KEPT}
        columns["depth"] = [_DEPTHS[depth] for depth in columns["depth"]]
        looks = tuple(Look(**dict(zip(_KEPT, row, strict=True))) for row in zip(*columns.values(), strict=True))
        whole = (
            stamps.shape == (len(numbers), 2) and names.count("\0") + 1 == len(numbers) and numbers.max() < len(looks)
        )
        return _Kept(names, stamps, numbers, looks) if whole else _Kept()
    except Exception:  # a damaged file raises anything
        return _Kept()


@contextmanager
def _alone(lock: TextIO) -> Iterator[None]:
    """One process of this machine at a time, where the system has locks of files; it ends when the file is closed."""
    if importlib.util.find_spec("fcntl") is not None:  # not on Windows
        import fcntl

        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
    yield
