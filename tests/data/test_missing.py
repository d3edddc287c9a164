"""Images that cannot be read any more: others take their place, and a resumed run has them at their old places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fullrank.data import DataOptions, ImageFolder
from fullrank.data.batches import plain_batches, train_batches
from fullrank.data.decode import Opener
from fullrank.data.files.folder import read_folder
from fullrank.data.identity import fingerprint
from fullrank.data.images import select
from fullrank.data.missing import Missing, read_missing, restored
from fullrank.errors import UserError
from tests.data.files import by_class, quiet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images of three classes."""
    return by_class(tmp_path / "images", "abc", 12)


def read(folder: Path) -> ImageFolder:
    return read_folder(folder, options=DataOptions(max_corrupt=1.0), say=quiet).train


def noted(folder: Path, images: ImageFolder, said: list[str], *, most: float = 0.5) -> Missing:
    return Missing(images, folder, most, folder.parent / "missing.jsonl", said.append)


def whole(opened: Opener, _generator: torch.Generator) -> list[Tensor]:
    return [torch.from_numpy(np.array(opened())).permute(2, 0, 1)]


def batches(images: ImageFolder, notes: Missing, *, workers: int = 0, start: int = 0, world: int = 1) -> list[Tensor]:
    """The global batches of two epochs."""

    def of(rank: int) -> Iterator[Tensor]:
        made = train_batches(
            images,
            batch_size=4,
            seed=0,
            start=start,
            stop=6,
            rank=rank,
            world=world,
            workers=workers,
            crop=whole,
            device="cpu",
            missing=notes,
        )
        return (batch.images[0] for batch in made)

    return [torch.cat(parts) for parts in zip(*(of(rank) for rank in range(world)), strict=True)]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def spoil(path: Path, how: str) -> None:
    """Delete a file, or cut it off."""
    if how == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize("how", ["deleted", "cut off"])
@pytest.mark.parametrize("workers", [0, 1])
def test_another_image_takes_its_place_and_it_is_said_once(folder: Path, how: str, workers: int) -> None:
    images, said = read(folder), list[str]()
    before = batches(images, noted(folder, images, said))
    assert said == []
    for at in (2, 7):
        spoil(Path(images.files[at]), how)
    notes = noted(folder, images, said)
    after = batches(images, notes, workers=workers)
    known = {image.numpy().tobytes() for batch in before for image in batch}
    assert int((torch.cat(before) != torch.cat(after)).flatten(1).any(1).sum()) == 4  # two images in two epochs
    assert all(image.numpy().tobytes() in known for batch in after for image in batch)
    assert len(said) == 1
    assert "could be read at the start and cannot be read now" in said[0]
    assert "another image takes its place" in said[0]
    assert {row["file"] for row in read_missing(notes.record)} == {
        str(Path(images.files[at]).relative_to(folder)) for at in (2, 7)
    }
    assert notes.summary() == f"Missing at the end: 2 of 12 images ({notes.record}). Others took their place."


@pytest.mark.slow
def test_which_image_it_is_depends_on_seed_step_and_position_alone(folder: Path) -> None:
    images, said = read(folder), list[str]()
    Path(images.files[4]).unlink()
    one = batches(images, noted(folder, images, said))
    assert equal(one, batches(images, noted(folder, images, said), workers=2))
    assert equal(one, batches(images, noted(folder, images, said), world=2))
    assert equal(one[2:], batches(images, noted(folder, images, said), start=2))


@pytest.mark.parametrize("how", ["deleted", "cut off"])
def test_a_resumed_run_has_them_at_their_old_places(folder: Path, how: str) -> None:
    images, said = read(folder), list[str]()
    kept = fingerprint(images)
    for at in (0, 7, 11):
        spoil(Path(images.files[at]), how)
    notes = noted(folder, images, said)
    one = batches(images, notes)
    moved = folder.rename(folder.parent / "moved")
    now = read(moved)
    assert len(now) == 9
    assert fingerprint(now) != kept
    again = restored(now, notes.record, moved)
    assert isinstance(again, ImageFolder)
    assert fingerprint(again) == kept
    assert images.labels is not None
    assert again.labels is not None
    assert torch.equal(again.labels, images.labels)
    assert equal(batches(again, noted(moved, again, said)), one)


def test_what_is_back_is_read_again(folder: Path) -> None:
    images, said = read(folder), list[str]()
    path = Path(images.files[3])
    content = path.read_bytes()
    path.unlink()
    notes = noted(folder, images, said)
    batches(images, notes)
    path.write_bytes(content)
    again = restored(read(folder), notes.record, folder)
    assert isinstance(again, ImageFolder)
    assert again.files == images.files
    assert fingerprint(again) == fingerprint(images)


def test_too_many_end_the_training_in_one_sentence(folder: Path) -> None:
    images, said = read(folder), list[str]()
    for at in (1, 5):
        Path(images.files[at]).unlink()
    sentence = (
        r"^2 of 12 images could be read at the start and cannot be read now \(the last is .*--max-corrupt 0.1 allows"
    )
    with pytest.raises(UserError, match=sentence):
        batches(images, noted(folder, images, said, most=0.1))
    for path in folder.rglob("*.png"):
        path.unlink()
    with pytest.raises(UserError, match="put the file back"):
        batches(images, noted(folder, images, said, most=1.0))


def test_a_probe_of_some_images_notes_them_as_those_of_the_set(folder: Path) -> None:
    images, said = read(folder), list[str]()
    Path(images.files[8]).unlink()
    notes, some = noted(folder, images, said), select(images, torch.tensor([8, 2, 3]))
    with pytest.raises(UserError, match="cannot be read now"):
        list(plain_batches(some, size=6))
    (made,) = plain_batches(some, size=6, missing=notes)
    assert len(made) == 3
    assert [row["row"] for row in read_missing(notes.record)] == [8]


def test_a_damaged_line_of_the_record_costs_itself_alone(folder: Path) -> None:
    images, said = read(folder), list[str]()
    Path(images.files[4]).unlink()
    notes = noted(folder, images, said)
    batches(images, notes)
    notes.record.write_text("{\n" + notes.record.read_text() + '{"file": "a/0')
    assert [row["row"] for row in read_missing(notes.record)] == [4]


def test_of_a_record_only_what_is_new_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is parsed once by the process that wrote it, however many images are lost."""
    images, said, parsed = read(folder), list[str](), list[str]()

    def parse(line: str) -> Any:
        parsed.append(line)
        return json.loads(line)

    monkeypatch.setattr("fullrank.data.missing.parse_json", parse)
    for path in images.files[:8]:
        Path(path).unlink()
    notes = noted(folder, images, said, most=1.0)
    notes.note(images, [(at, images.files[at], "gone") for at in range(8)])
    with notes.record.open("a") as file:
        file.write(json.dumps({"file": "of another process", "row": 9, "page": 0}) + "\n")
    assert notes.summary() == f"Missing at the end: 9 of 12 images ({notes.record}). Others took their place."
    assert len(parsed) == 9


def test_a_batch_says_whose_labels_its_images_have(folder: Path) -> None:
    """The image that takes another's place comes with its own row."""
    images, said = read(folder), list[str]()
    pictures = {np.array(images.open(at)).tobytes(): at for at in range(12)}
    Path(images.files[5]).unlink()
    notes = noted(folder, images, said)
    made = train_batches(
        images, batch_size=4, seed=0, start=0, stop=3, crop=whole, device="cpu", missing=notes,
    )  # fmt: skip
    seen = 0
    for batch in made:
        assert batch.rows is not None
        assert 5 not in batch.rows
        for image, row in zip(batch.images[0], batch.rows.tolist(), strict=True):
            assert pictures[image.permute(1, 2, 0).numpy().tobytes()] == row
            seen += 1
    assert seen == 12
