"""Eigenvalues are appended: a reading costs itself, and damage costs its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fullrank.runs.spectra import append_spectra, pack_spectra, read_spectra, write_spectra


def spectrum(step: int, width: int = 4) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.linspace(step, 0, width, dtype=np.float32)


def test_what_is_appended_is_read_and_packed_under_the_same_names(tmp_path: Path) -> None:
    for step in (0, 5, 10):
        append_spectra(tmp_path, step, {"backbone": spectrum(step), "embedding": spectrum(step, 3).astype(np.float64)})
    read = read_spectra(tmp_path)
    assert read["steps"].tolist() == [0, 5, 10]
    assert np.array_equal(read["backbone"], np.stack([spectrum(step) for step in (0, 5, 10)]))
    assert [read[name].dtype.name for name in ("backbone", "embedding")] == ["float32", "float64"]
    pack_spectra(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["spectra.npz"]
    packed = read_spectra(tmp_path)
    assert all(np.array_equal(packed[name], read[name]) for name in ("steps", "backbone", "embedding"))


def test_a_reading_writes_its_own_bytes_alone(tmp_path: Path) -> None:
    path, sizes = tmp_path / "spectra.rows", []
    for step in range(50):
        append_spectra(tmp_path, step, {"backbone": spectrum(step, 100)})
        sizes.append(path.stat().st_size)
    assert set(np.diff(sizes)) == {8 + 400 + 4}
    inode = path.stat().st_ino
    append_spectra(tmp_path, 50, {"backbone": spectrum(50, 100)})
    assert path.stat().st_ino == inode  # not written anew


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_row_that_a_killed_process_left_half_written_is_left_out(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "spectra.rows"
    for step in range(4):
        append_spectra(tmp_path, step, {"backbone": spectrum(step)})
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_spectra(tmp_path)["steps"].tolist() == [0, 1, 2]


def test_a_damaged_row_costs_that_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "spectra.rows"
    for step in range(4):
        append_spectra(tmp_path, step, {"backbone": spectrum(step)})
    content = bytearray(path.read_bytes())
    content[-40] ^= 8  # in the third of rows of 28 bytes
    path.write_bytes(content)
    assert read_spectra(tmp_path)["steps"].tolist() == [0, 1, 3]


def test_what_was_not_read_before_is_unknown_there(tmp_path: Path) -> None:
    write_spectra(tmp_path, {"steps": np.array([0]), "backbone": spectrum(7)[None]})
    append_spectra(tmp_path, 5, {"backbone": spectrum(5), "covariance": spectrum(5, 2)})
    read = read_spectra(tmp_path)
    assert np.array_equal(read["backbone"][0], spectrum(7))
    assert np.isnan(read["covariance"][0]).all()
    assert np.array_equal(read["covariance"][1], spectrum(5, 2))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]\n", b'{"x": ["O", 3]}\n', b'{"x": ["<f4", 9999999999]}\n', b"\xff\n"]
)
def test_a_header_that_is_none_is_as_if_there_were_no_spectra(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "spectra.rows").write_bytes(content)
    assert read_spectra(tmp_path) == {}
