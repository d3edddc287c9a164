"""Image files that are named themselves, without a folder or a list around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fullrank.data.channels import with_channels
from fullrank.data.decode import read_raw, reason, strict_decoding
from fullrank.data.files.look import Look, paged, pages_of, parse_range
from fullrank.data.images import Dataset, ImageFolder
from fullrank.data.options import DataOptions
from fullrank.data.pixels import Decoding, finished
from fullrank.errors import UserError


def read_alone(files: Sequence[Path], options: DataOptions, channels: int) -> Dataset:
    """The images of these files in their order, with so many channels; each was decoded once.

    Raises UserError for one that cannot be read, and for one of several pages where nobody said which are images.
    """
    span, most = parse_range(options.range), options.max_pixels
    images = ImageFolder(tuple(map(str, files)), None, (), options.channels or channels, range=span, max_pixels=most)
    dataset = with_channels(Dataset("images", images, None, (), ()), channels)
    assert isinstance(dataset.train, ImageFolder)  # with other channels
    every = options.pages == "all"
    with strict_decoding(most):
        frames = [_frames(file, dataset.train.decoding, every=every) for file in files]
    notes = pages_of(images.files, [Look(frames=count) for count in frames], options)
    names, pages = paged(images.files, frames if every else [1] * len(files))
    return replace(dataset, train=replace(dataset.train, files=names, pages=pages), notes=(*dataset.notes, *notes))


def _frames(file: Path, decoding: Decoding, *, every: bool) -> int:
    """How many pages a file has, of which the first is decoded, or every one."""
    try:
        first = read_raw(file)
        finished(first, decoding)
        for page in range(1, first.frames if every else 1):
            finished(read_raw(file, page=page), decoding)
    except Exception as error:  # decoders raise anything
        remedy = "pass it" if "--range" in str(error) else "leave it out"
        raise UserError(f"{file} cannot be read ({reason(error)}): {remedy}.") from None
    return first.frames
