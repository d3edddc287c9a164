"""Files are looked at once: a second start reads what the first one saw, and only what changed is decoded again."""

from __future__ import annotations

import cProfile
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fullrank.data import DataOptions, ImageFolder, decode, load_dataset
from fullrank.data.files import check, index
from fullrank.data.identity import fingerprint
from tests.data.files import noise, plain


def _gif() -> bytes:
    made = io.BytesIO()
    Image.new("L", (1, 1)).save(made, "GIF")
    return made.getvalue()


TINY = _gif()


@pytest.fixture
def decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were decoded, with an index of its own that even few files have."""
    names: list[str] = []
    real = decode.read_raw

    def read(path: Path, **options: Any) -> Any:
        names.append(path.name)
        return real(path, **options)

    monkeypatch.setattr(check, "read_raw", read)
    monkeypatch.setattr(index, "FEWEST", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return names


def load(path: Path, **options: Any) -> ImageFolder:
    images = load_dataset(str(path), options=DataOptions(**options)).train
    assert isinstance(images, ImageFolder)
    return images


def test_a_second_start_decodes_nothing(tmp_path: Path, decoded: list[str]) -> None:
    plain(tmp_path / "photos", 5)
    Image.fromarray(np.full((4, 4), 4095, dtype=np.uint16)).save(tmp_path / "photos" / "deep.png")
    first = load(tmp_path / "photos")
    assert len(decoded) == 6
    decoded.clear()
    again = load(tmp_path / "photos")
    assert decoded == []
    assert (again.files, again.channels, again.range) == (first.files, first.channels, first.range)
    assert [path.name for path in (tmp_path / "photos").iterdir() if path.suffix != ".png"] == []
    assert {path.suffix for path in (tmp_path / "cache").rglob("*.*")} == {".npz", ".lock"}


def test_the_size_of_a_file_is_asked_once_at_a_start_and_not_again_for_the_fingerprint(
    tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(tmp_path / "photos", 5)
    by_files = fingerprint(replace(load(tmp_path / "photos"), sizes=None))
    asked: list[str] = []
    real = os.stat

    def stat(path: Any, **options: Any) -> os.stat_result:
        asked.append(os.fspath(path) if not isinstance(path, int) else "")
        return real(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    assert fingerprint(load(tmp_path / "photos")) == by_files
    assert sorted(Path(path).name for path in asked if path.endswith(".png")) == [f"{at:03d}.png" for at in range(5)]


def test_only_what_changed_is_decoded_again(tmp_path: Path, decoded: list[str]) -> None:
    plain(tmp_path / "photos", 5)
    load(tmp_path / "photos")
    decoded.clear()
    noise(9, 9, seed=99).save(tmp_path / "photos" / "001.png")  # of another size
    (tmp_path / "photos" / "new.png").write_bytes((tmp_path / "photos" / "002.png").read_bytes())
    (tmp_path / "photos" / "004.png").unlink()
    status = os.stat(tmp_path / "photos" / "003.png")
    os.utime(tmp_path / "photos" / "003.png", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert len(load(tmp_path / "photos")) == 5
    assert sorted(decoded) == ["001.png", "003.png", "new.png"]


def test_what_cannot_be_read_is_tried_again(tmp_path: Path, decoded: list[str]) -> None:
    plain(tmp_path / "photos", 5)
    (tmp_path / "photos" / "bad.png").touch()
    for _ in range(2):
        assert len(load(tmp_path / "photos", max_corrupt=0.5).skipped) == 1
    assert decoded.count("bad.png") == 2
    assert decoded.count("001.png") == 1


def test_another_reading_is_another_index(tmp_path: Path, decoded: list[str]) -> None:
    plain(tmp_path / "photos", 3)
    load(tmp_path / "photos")
    load(tmp_path / "photos", pages="all")
    load(tmp_path / "photos", max_pixels=1000)
    assert len(decoded) == 9


def test_a_damaged_index_is_made_again(tmp_path: Path, decoded: list[str]) -> None:
    plain(tmp_path / "photos", 3)
    load(tmp_path / "photos")
    (kept,) = (tmp_path / "cache").rglob("*.npz")
    whole = kept.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"nonsense"):
        kept.write_bytes(damaged)
        decoded.clear()
        assert len(load(tmp_path / "photos")) == 3
        assert len(decoded) == 3


def test_without_a_place_to_keep_it_files_are_checked_at_each_start(
    tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(tmp_path / "photos", 3)
    (tmp_path / "taken").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    said: list[str] = []
    for _ in range(2):
        load_dataset(str(tmp_path / "photos"), say=said.append)
    assert len(decoded) == 6
    assert "cannot be kept in" in said[0]


def test_a_second_start_makes_few_calls_for_each_file(tmp_path: Path, decoded: list[str]) -> None:
    """Of a million files it then takes seconds; building a path object alone would take 20 calls."""
    calls = []
    for count in (200, 400):
        for number in range(count):
            file = tmp_path / str(count) / "train" / f"c{number % 10}" / f"{number}.gif"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(TINY)
        for _ in range(2):
            profile = cProfile.Profile()
            profile.enable()
            images = load(tmp_path / str(count))
            fingerprint(images)
            profile.disable()
        calls.append(sum(entry.callcount for entry in profile.getstats()))
    assert (calls[1] - calls[0]) / 200 < 40
    assert len(decoded) == 600


def test_few_files_leave_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plain(tmp_path / "photos", 3)
    load(tmp_path / "photos")
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_of_two_processes_one_looks(tmp_path: Path) -> None:
    plain(tmp_path / "photos", 30)
    program = (
        "import sys, time\n"
        "from fullrank.data import load_dataset\n"
        "from fullrank.data.files import check, index\n"
        "index.FEWEST, real, count = 2, check.read_raw, []\n"
        "def slow(path, **options):\n"
        "    count.append(path); time.sleep(0.02); return real(path, **options)\n"
        "check.read_raw = slow\n"
        "load_dataset(sys.argv[1])\n"
        "print(len(count))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", program, str(tmp_path / "photos")]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(int(process.communicate()[0]) for process in both) == [0, 30]
