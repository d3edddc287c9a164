"""The rows of a run's last look: whole files, none, and damaged ones."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fullrank.errors import UserError
from fullrank.runs.probe import ProbeRows, read_probe, write_probe

ROWS = ProbeRows(
    step=12,
    backbone=np.arange(40, dtype=np.float32).reshape(5, 8),
    embedding=np.arange(15, dtype=np.float32).reshape(5, 3),
    labels=np.array([0, 1, 1, 0, 1]),
    classes=("cat", "dog"),
)


def npy(array: Any) -> bytes:
    """An array as the bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def rewrite(run: Path, members: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> None:
    """probe.npz with some members replaced, or left out where there are no bytes."""
    write_probe(run, ROWS)
    with zipfile.ZipFile(run / "probe.npz") as archive:
        content: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(run / "probe.npz", "w", compression) as archive:
        for name, data in (content | members).items():
            if data is not None:
                archive.writestr(name, data)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_probe(tmp_path, ROWS)
    read = read_probe(tmp_path)
    assert (read.step, read.classes) == (12, ("cat", "dog"))
    assert read.backbone.tolist() == ROWS.backbone.tolist()
    assert read.embedding.tolist() == ROWS.embedding.tolist()
    assert read.labels is not None
    assert read.labels.tolist() == [0, 1, 1, 0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["probe.npz"]


def test_labels_may_be_unknown(tmp_path: Path) -> None:
    write_probe(tmp_path, replace(ROWS, labels=None, classes=()))
    assert (read_probe(tmp_path).labels, read_probe(tmp_path).classes) == (None, ())


def test_a_run_without_rows_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"version 0.1.0 wrote none.*--resume .*fullrank report .*train again"):
        read_probe(tmp_path)


def cut(run: Path) -> None:
    """A file that ends after its first bytes."""
    (run / "probe.npz").write_bytes(b"PK no")


HUGE = npy(np.zeros((5, 3), dtype=np.float32)).replace(b"(5, 3), }      ", b"(5, 3333333), }")
DAMAGED: dict[str, Callable[[Path], None]] = {
    "is damaged (File is not a zip file)": cut,
    "no item named 'embedding.npy'": lambda run: rewrite(run, {"embedding.npy": None}),
    "embedding claims more bytes than it can hold": lambda run: rewrite(run, {"embedding.npy": HUGE}),
    "embedding must be float32 (n, D)": lambda run: rewrite(run, {"embedding.npy": npy(np.zeros(5))}),
    "backbone must be float32 (n, F)": lambda run: rewrite(run, {"backbone.npy": npy(np.zeros((4, 8), "f4"))}),
    "labels must be int64 (n,)": lambda run: rewrite(run, {"labels.npy": npy(np.zeros(4, dtype=int))}),
    "a label without a class": lambda run: rewrite(run, {"labels.npy": npy(np.array([0, 1, 2, 0, 1]))}),
    "classes must be names": lambda run: rewrite(run, {"classes.npy": npy(np.zeros(2))}),
    "step must be one whole number": lambda run: rewrite(run, {"step.npy": npy(np.zeros(2))}),
    "the magic string is not correct": lambda run: rewrite(run, {"step.npy": b"no array at all"}),
}


@pytest.mark.parametrize("says", DAMAGED)
def test_a_damaged_file_is_one_sentence(says: str, tmp_path: Path) -> None:
    DAMAGED[says](tmp_path)
    with pytest.raises(UserError) as caught:
        read_probe(tmp_path)
    sentence = str(caught.value)
    assert says in sentence
    assert sentence.startswith(f"{tmp_path / 'probe.npz'} is damaged")
    assert sentence.endswith("resume the run or train again.")
    assert "\n" not in sentence


def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    bomb = npy(np.zeros((2**20, 4), dtype=np.float32))
    rewrite(tmp_path, {"embedding.npy": bomb}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="embedding claims more bytes than it can hold"):
        read_probe(tmp_path)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "executed"),)

    rewrite(tmp_path, {"classes.npy": npy(np.array([Bomb()], dtype=object))})
    with pytest.raises(UserError, match="classes holds objects"):
        read_probe(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_half_a_file_is_one_sentence_wherever_it_ends(tmp_path: Path) -> None:
    write_probe(tmp_path, ROWS)
    whole = (tmp_path / "probe.npz").read_bytes()
    for end in range(0, len(whole), 37):
        (tmp_path / "probe.npz").write_bytes(whole[:end])
        with pytest.raises(UserError, match="is damaged"):
            read_probe(tmp_path)


def test_flipped_bytes_are_one_sentence_or_are_read(tmp_path: Path) -> None:
    write_probe(tmp_path, ROWS)
    whole = (tmp_path / "probe.npz").read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        (tmp_path / "probe.npz").write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            read_probe(tmp_path)
        except UserError as error:
            refused += "is damaged" in str(error)
    assert refused > len(whole) // 14
