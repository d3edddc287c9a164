"""What was seen of files, kept between starts: in the user's cache folder, by path, size and time of change."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import PIL

from fullrank.data.options import DataOptions
from fullrank.data.pictures.look import Look
from fullrank.errors import UserError
from fullrank.runs import write_npz

FEWEST = 500  # files from which on an index is kept
_FORMAT = 1  # of the file, to be raised with every change of what a Look says
_DEPTHS = ("", "integer", "float")
_KEPT = [field.name for field in fields(Look) if field.name != "problem"]  # what cannot be read is tried again

Stamp = tuple[int, int]  # size and time of change in ns
Check = Callable[[list[Path]], list[Look]]


def cache_folder() -> Path:
    """The folder of the user's that programs may keep what they can make again in; nothing else is ever in it."""
    if place := os.environ.get("XDG_CACHE_HOME"):
        return Path(place) / "fullrank"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "fullrank"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "fullrank"
    return Path.home() / ".cache" / "fullrank"


def looked(files: list[Path], options: DataOptions, check: Check, say: Callable[[str], None]) -> list[Look]:
    """What is known of the files, and what `check` sees of those that are new or have changed.

    Of several processes of one machine the first looks, and the others wait for what it found.
    """
    if len(files) < FEWEST:
        return check(files)
    names = [str(path) for path in files]
    base = os.path.abspath(os.path.commonpath([min(names), max(names)]))  # what these two share, all share
    place = cache_folder() / "index" / f"{_key(base, options)}.npz"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = place.with_suffix(".lock").open("w")
    except OSError as error:
        say(_not_kept(place, error))
        return check(files)
    with lock, _alone(lock):
        return _looked(place, files, check, say)


def _not_kept(place: Path, error: Exception) -> str:
    return f"What is seen of images cannot be kept in {place.parent} ({error}): they are checked at each start."


def _looked(place: Path, files: list[Path], check: Check, say: Callable[[str], None]) -> list[Look]:
    stamps = [_stamp(path) for path in files]
    known = _read(place)
    found = [known.get(str(path)) for path in files]
    looks = [entry[1] if entry and entry[0] == stamp else None for entry, stamp in zip(found, stamps, strict=True)]
    new = [at for at, look in enumerate(looks) if look is None]
    for at, look in zip(new, check([files[at] for at in new]) if new else [], strict=True):
        looks[at] = look
    whole = [look for look in looks if look is not None]
    if any(not whole[at].problem for at in new):
        try:
            _write(place, files, stamps, whole)
        except (OSError, UserError) as error:
            say(_not_kept(place, error))
    return whole


def _key(base: str, options: DataOptions) -> str:
    """A name for the index of a folder, as it is read with these options and libraries."""
    tiff = importlib.util.find_spec("tifffile") is not None
    said = repr((_FORMAT, base, options.pages, options.max_pixels, PIL.__version__, tiff))
    return hashlib.blake2b(said.encode(errors="surrogateescape"), digest_size=12).hexdigest()


def _stamp(path: Path) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _write(place: Path, files: Sequence[Path], stamps: Sequence[Stamp], looks: Sequence[Look]) -> None:
    rows = [at for at, look in enumerate(looks) if not look.problem]
    names = "\0".join(str(files[at]) for at in rows).encode(errors="surrogateescape")
    columns: dict[str, Any] = {name: np.array([getattr(looks[at], name) for at in rows]) for name in _KEPT}
    columns["depth"] = np.array([_DEPTHS.index(looks[at].depth) for at in rows], dtype=np.uint8)
    content = {**columns, "names": np.frombuffer(names, np.uint8), "stamps": np.array([stamps[at] for at in rows])}
    write_npz(place, content)


def _read(place: Path) -> dict[str, tuple[Stamp, Look]]:
    """The index, empty where there is none or it is damaged: it is made again."""
    try:
        with place.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            names = file["names"].tobytes().decode(errors="surrogateescape").split("\0")
            stamps = [tuple(stamp) for stamp in file["stamps"].tolist()]
            columns = {name: file[name].tolist() for name in _KEPT}
        columns["depth"] = [_DEPTHS[depth] for depth in columns["depth"]]
        looks = [Look(**dict(zip(_KEPT, row, strict=True))) for row in zip(*columns.values(), strict=True)]
        return dict(zip(names, zip(stamps, looks, strict=True), strict=True))
    except Exception:  # a damaged file raises anything
        return {}


@contextmanager
def _alone(lock: TextIO) -> Iterator[None]:
    """One process of this machine at a time, where the system has locks of files; it ends when the file is closed."""
    if importlib.util.find_spec("fcntl") is not None:  # not on Windows
        import fcntl

        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
    yield
