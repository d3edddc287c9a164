"""Each option of reading data is taken for the kinds of data on which it acts, and refused for the others."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fullrank.data import NAMES, DataOptions
from fullrank.data.sources.acting import refuse_idle_reading
from fullrank.data.sources.objects import from_object
from fullrank.errors import UserError
from tests.data.files import plain
from tests.data.trees import line, load

VALUES: dict[str, Any] = {
    "max_corrupt": 0.5,
    "split": "train",
    "labels": "none",
    "classes": Path("classes.txt"),
    "channels": 1,
    "range": "0,9",
    "pages": "all",
    "max_pixels": 99,
    "columns": "image",
    "download": True,
}
ACTS: dict[str, str] = {
    "digits": "classes",
    **dict.fromkeys((name for name in NAMES if name != "digits"), "classes download"),
    "photos": "max_corrupt split labels classes channels range pages max_pixels",
    "list.txt": "max_corrupt split labels classes channels range pages max_pixels",
    "photos/000.png": "channels range pages max_pixels",
    "some.npz": "split labels classes channels range",
    "hf:org/name": "max_corrupt split labels classes channels range max_pixels columns download",
    "torchvision:SVHN": "max_corrupt labels classes channels range max_pixels download",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a list and arrays."""
    monkeypatch.chdir(tmp_path)
    plain(Path("photos"), 4)
    Path("list.txt").write_text("photos/000.png\nphotos/001.png\n")
    np.savez("some.npz", images=np.zeros((4, 8, 8), np.uint8))


def test_every_option_is_tried() -> None:
    assert [*VALUES] == [field.name for field in fields(DataOptions)]


@pytest.mark.parametrize("option", VALUES)
@pytest.mark.parametrize("data", ACTS)
def test_an_option_is_refused_where_it_cannot_act(data: str, option: str) -> None:
    asked = replace(DataOptions(), **{option: VALUES[option]})
    if option in ACTS[data].split():
        refuse_idle_reading(data, asked)
        return
    flag = f"--{option.replace('_', '-')}"
    with pytest.raises(UserError, match=rf"^{flag} does not act on {data}, only on .*: leave it out\.$"):
        refuse_idle_reading(data, asked)
    refuse_idle_reading(data, asked, begun=asked)
    known = [other for other, acts in ACTS.items() if option in acts.split()]
    refuse_idle_reading([data, known[0]], asked)  # it acts on one of them


@pytest.mark.parametrize("data", ACTS)
def test_a_folder_of_data_sets_is_for_those_that_are_looked_for(data: str) -> None:
    if data in set(NAMES) - {"digits"} or data.startswith("torchvision:"):
        refuse_idle_reading(data, DataOptions(), root=Path("sets"))
        return
    with pytest.raises(UserError, match=f"^--data-root does not act on {data}, only on fashion-mnist and .*: leave it"):
        refuse_idle_reading(data, DataOptions(), root=Path("sets"))
    refuse_idle_reading(data, DataOptions(), root=Path("sets"), begun_root=Path("sets"))


def test_folders_are_classes_of_folders_alone() -> None:
    for data in ("some.npz", "hf:org/name", "torchvision:SVHN"):
        with pytest.raises(UserError, match=f"^--labels folders does not act on {data}, only on folders of images and"):
            refuse_idle_reading(data, DataOptions(labels="folders"))
    refuse_idle_reading("list.txt", DataOptions(labels="folders"))


def test_of_what_is_not_there_nothing_is_said() -> None:
    refuse_idle_reading("nowhere", DataOptions(columns="image"), root=Path("sets"))
    refuse_idle_reading(None, DataOptions(columns="image"))


def test_labels_of_objects_are_left_out_where_that_is_asked_for() -> None:
    pairs = [(torch.zeros(1, 8, 8, dtype=torch.uint8), at % 2) for at in range(6)]
    assert from_object(pairs, DataOptions()).train.classes == ("0", "1")
    assert from_object(pairs, DataOptions(labels="none")).train.labels is None


def test_a_range_for_arrays_of_8_bits_is_said_not_to_act() -> None:
    said = "--range applies to images of more than 8 bits, and there are none"
    assert said in line(load(Path("some.npz"), range="0,9"))
    np.savez("deep.npz", images=np.arange(256, dtype=np.uint16).reshape(4, 8, 8))
    assert said not in line(load(Path("deep.npz"), range="0,9"))
