"""The seventh round of the calibration is a half of its own, and what it reads out of packages is what it says."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.calibration.population import chosen
from benchmarks.calibration.seventh import pictures, tables, texts


@pytest.mark.parametrize(("half", "round"), [("sixth held-out", 6), ("seventh held-out", 7)])
def test_a_round_is_chosen_by_the_name_of_its_half(half: str, round: int) -> None:
    found = chosen([half])
    assert {source.round for source in found} == {round}
    assert sum(source.expected == "healthy" for source in found) >= 30
    assert sum(source.expected == "open" for source in found) == {6: 5, 7: 1}[round]


def test_textures_of_other_sizes_are_left_out_and_what_is_clear_is_white(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    for side, name in ((16, "block"), (32, "large")):
        pixels = random.integers(0, 256, (side, side, 4), dtype=np.uint8)
        pixels[:, : side // 2, 3] = 0
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(pictures, "debian", lambda root, package: tmp_path)
    ((name, image),) = pictures._blocks(tmp_path)
    assert name == "0000-block.png"
    assert image.size == (64, 64)
    assert (np.asarray(image)[:, :32] == 255).all()
    assert not (np.asarray(image)[:, 32:] == 255).all()


def test_documents_and_entries_become_first_sentences_without_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pod").mkdir()
    (tmp_path / "pod" / "perl.pod").write_text("=head1 NAME\n\n  $code\n\nYour C<int()> is\nright, L<< here >>. It is.")
    entries = (
        "   :Crock: n.\n\n   [common] A {hack}. See {kludge}.\n\n   :hack: v.\n\n   1. A quick job of no {crock}.\n"
    )
    (tmp_path / "jargon.txt.gz").write_bytes(gzip.compress(entries.encode()))
    monkeypatch.setattr(texts, "debian", lambda root, package: tmp_path)
    assert list(texts._perl(tmp_path)) == ["Your int() is right, here"]
    assert list(texts._entries(tmp_path)) == ["A hack", "A quick job of no crock."]
    assert tables._references(tmp_path) == {("crock", "hack"), ("hack", "crock")}


def test_a_table_has_the_parts_that_eight_share_and_each_set_of_them_once() -> None:
    found = tables.table_of(["a|b|c|d e|rare", "a|b|c"] * 4 + ["a|b|c|d e|f"] * 8, most=99)
    assert sorted(found.getnnz(axis=1).tolist()) == [4, 5]
