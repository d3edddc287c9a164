"""Batches by step: the same whatever the start, the workers and the number of ranks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fullrank.data import DataOptions
from fullrank.data.batches import Batch, plain_batches, train_batches
from fullrank.data.decode import Opener
from fullrank.data.files.folder import read_folder
from fullrank.data.images import ImageFolder, ImageSet, ImageTensor
from fullrank.errors import UserError
from tests.data.files import make_folder, noise, plain, quiet


def two_crops(opened: Opener, generator: torch.Generator) -> list[Tensor]:
    """The whole image at 4 x 4 and at 2 x 2, with random bits flipped so that the generator matters."""
    image, views = opened(), []
    for size in (4, 2):
        small = torch.from_numpy(np.array(image.resize((size, size)))).permute(2, 0, 1)
        views.append(small ^ torch.randint(0, 256, small.shape, generator=generator, dtype=torch.uint8))
    return views


def numbered(count: int) -> ImageTensor:
    return ImageTensor(torch.arange(count).to(torch.uint8).view(count, 1, 1, 1), None, ())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    folder = make_folder(tmp_path_factory.mktemp("files"))
    return read_folder(folder, options=DataOptions(), say=quiet).train


def run(
    images: ImageSet, start: int, stop: int, *, size: int = 6, rank: int = 0, world: int = 1, workers: int = 0
) -> list[Batch]:
    batches = train_batches(
        images,
        batch_size=size,
        seed=3,
        start=start,
        stop=stop,
        rank=rank,
        world=world,
        workers=workers,
        crop=two_crops,
        device="cpu",
    )
    assert len(batches) == stop - start
    return list(batches)


def same(one: list[Batch], other: list[Batch]) -> bool:
    if [batch.step for batch in one] != [batch.step for batch in other]:
        return False
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a, b) for x, y in pairs for a, b in zip(views(x), views(y), strict=True))


def views(batch: Batch) -> list[Tensor]:
    return [batch.images] if isinstance(batch.images, Tensor) else batch.images


def test_an_epoch_is_every_image_once_without_the_incomplete_batch() -> None:
    seen = [torch.cat(views(batch)).flatten().tolist() for batch in run(numbered(20), 0, 9)]
    epochs = [seen[i] + seen[i + 1] + seen[i + 2] for i in (0, 3, 6)]
    for epoch in epochs:
        assert len(set(epoch)) == 18
    assert epochs[0] != epochs[1]
    assert epochs[1] != epochs[2]
    left_out = [set(range(20)) - set(epoch) for epoch in epochs]
    assert left_out[0] != left_out[1] or left_out[1] != left_out[2]  # not always the same two


def test_the_seed_decides_and_nothing_global_does() -> None:
    first = run(numbered(20), 0, 4)
    torch.manual_seed(1)
    assert same(first, run(numbered(20), 0, 4))
    other = train_batches(numbered(20), batch_size=6, seed=4, start=0, stop=4, crop=two_crops, device="cpu")
    assert not same(first, list(other))


@pytest.mark.parametrize("start", [0, 1, 3, 4, 7])
def test_a_later_start_is_the_tail(files: ImageFolder, start: int) -> None:
    assert same(run(numbered(20), 0, 8)[start:], run(numbered(20), start, 8))
    assert same(run(files, 0, 8)[start:], run(files, start, 8))
    assert same(run(files, 0, 2, size=200)[start:], run(files, min(start, 2), 2, size=200))  # two epochs


def test_two_ranks_are_one(files: ImageFolder) -> None:
    for images in (numbered(20), files):
        one, left, right = run(images, 2, 6), run(images, 2, 6, world=2), run(images, 2, 6, world=2, rank=1)
        for whole, a, b in zip(one, left, right, strict=True):
            joined = [torch.cat(pair) for pair in zip(views(a), views(b), strict=True)]
            assert same([whole], [Batch(a.step, joined)])


@pytest.mark.slow
def test_workers_change_nothing(files: ImageFolder) -> None:
    before = torch.get_rng_state()
    assert same(run(files, 1, 6), run(files, 1, 6, workers=2))
    assert torch.equal(before, torch.get_rng_state())  # a resumed run may build its loader at another time


def test_crops_of_files(files: ImageFolder) -> None:
    (batch,) = run(files, 0, 1)
    assert [(view.shape, view.dtype) for view in views(batch)] == [
        (torch.Size([6, 3, 4, 4]), torch.uint8),
        (torch.Size([6, 3, 2, 2]), torch.uint8),
    ]
    same_images = [run(files, 0, 1, size=295), run(files, 1, 2, size=295)]
    assert not same([same_images[0][0]], [Batch(0, same_images[1][0].images)])


def test_the_same_image_is_cropped_anew_in_each_step_and_place(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        noise(4, 4, seed=0).save(tmp_path / name)
    images = read_folder(tmp_path, options=DataOptions(max_corrupt=0.0), say=quiet).train
    patches = torch.cat([views(batch)[0] for batch in run(images, 0, 3, size=2)])
    assert len(patches.flatten(1).unique(dim=0)) == 6


def test_batches_can_be_iterated_again(files: ImageFolder) -> None:
    batches = train_batches(files, batch_size=4, seed=0, start=0, stop=2, crop=two_crops, device="cpu")
    assert same(list(batches), list(batches))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_vanishes_is_named_in_one_sentence(tmp_path: Path, workers: int) -> None:
    plain(tmp_path, 4)
    images = read_folder(tmp_path, options=DataOptions(), say=quiet).train
    Path(images.files[2]).unlink()
    text = f"{images.files[2]} could be read at the start and cannot be read now (there is no such file): "
    with pytest.raises(UserError, match="^" + re.escape(text) + "put the file back, or start again to leave it out.$"):
        run(images, 0, 1, size=4, workers=workers)
    with pytest.raises(UserError, match=re.escape(text)):
        list(plain_batches(images, size=4, workers=workers))


@pytest.mark.parametrize(
    ("size", "world", "text"),
    [
        (1, 1, "A batch of 1 cannot be spread out: pass --batch-size 2 or more."),
        (21, 1, "A batch of 21 is more than the 20 training images: pass --batch-size 20 or less."),
        (7, 2, "A batch of 7 cannot be shared by 2 processes: pass --batch-size 6."),
        (2, 3, "A batch of 2 cannot be shared by 3 processes: pass --batch-size 3."),
    ],
)
def test_impossible_batches(size: int, world: int, text: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(text)}$"):
        run(numbered(20), 0, 1, size=size, world=world)


def test_plain_images_in_memory_keep_their_pixels() -> None:
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    parts = list(plain_batches(ImageTensor(images, None, ()), size=8, batch_size=2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat(parts), images)


def test_plain_images_in_memory_are_resized_and_cut_in_the_middle() -> None:
    images = torch.zeros(1, 1, 16, 32, dtype=torch.uint8)
    images[..., 8:24] = 200  # the middle square, which is what stays
    (small,) = plain_batches(ImageTensor(images, None, ()), size=8)
    assert small.dtype == torch.uint8
    assert small.shape == (1, 1, 8, 8)
    assert (small[..., 1:-1] == 200).all()
    checkers = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    checkers[..., ::2, ::2] = checkers[..., 1::2, 1::2] = 255
    (gray,) = plain_batches(ImageTensor(checkers, None, ()), size=4)
    assert (gray[..., 1:-1, 1:-1].int() - 127).abs().max() <= 1  # antialiased: neither black nor white


@pytest.mark.slow
def test_plain_images_are_in_order_with_and_without_workers(files: ImageFolder) -> None:
    alone = list(plain_batches(files, size=7, batch_size=100))
    assert [part.shape for part in alone] == [(100, 3, 7, 7), (100, 3, 7, 7), (95, 3, 7, 7)]
    shared = plain_batches(files, size=7, batch_size=100, workers=2)
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))
    index = [Path(path).name for path in files.files].index("pixel.png")
    assert torch.cat(alone)[index].unique(dim=-1).flatten().tolist() == [0] * 14 + [255] * 7


def test_plain_images_are_resized_to_eight_sevenths_and_cut_in_the_middle(tmp_path: Path) -> None:
    image = noise(32, 64, seed=0)
    image.save(tmp_path / "a.png")
    Image.new("RGB", (3, 9000)).save(tmp_path / "b.png")
    (batch,) = plain_batches(read_folder(tmp_path, options=DataOptions(max_corrupt=0.0), say=quiet).train, size=14)
    assert batch.shape == (2, 3, 14, 14)
    whole = image.resize((32, 16), Image.Resampling.BILINEAR).crop((9, 1, 23, 15))
    assert torch.equal(batch[0], torch.from_numpy(np.array(whole)).permute(2, 0, 1))
