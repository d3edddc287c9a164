"""Photographs to two 224 px crops: FullRank's reading of a JPEG against pipelines that decode it in full.

CPU seconds per image of one worker, medians over the rounds, the contenders alternating in one process. Photographs are
those of a folder, or made here: noise with a spectrum of 1 / f, as photographs have it, in JPEG at quality 90 with
halved color. Every byte of a file must be unpacked at any scale, so the gain falls with the bits per pixel: those of
12 megapixels are blurred by some pixels, as lenses and phones do it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision import transforms

from benchmarks.alternating import alternating, processor_seconds
from fullrank.data import ImageFolder, Views, crop_views

SIDE = 224
MADE = (
    (4000, 2.0),
    (4000, 1.4),
    (4000, 1.0),
    (1600, 1.4),
    (1600, 0.7),
    (500, 0.0),
)  # width in pixels of 4 : 3, and blur
OTHERS = ("PIL, full decode", "fullrank, full decode")


def photograph(width: int, height: int, blur: float, seed: int) -> Image.Image:
    """Colored noise of a 1 / f spectrum around a middle gray."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    channels = [np.fft.irfft2(np.fft.rfft2(random.normal(size=(height, width))) / frequency) for _ in range(3)]
    shared = sum(channels)
    mixed = [shared + 0.5 * channel for channel in channels]
    pixels = [128 + 50 * channel / channel.std() for channel in mixed]
    sharp = Image.fromarray(np.stack(pixels, axis=-1).clip(0, 255).astype(np.uint8))
    return sharp.filter(ImageFilter.GaussianBlur(blur))


def pil(files: Sequence[str]) -> Callable[[int], list[Tensor]]:
    """Two crops of torchvision's transforms v1, each a tensor of bytes."""
    bicubic = transforms.InterpolationMode.BICUBIC
    crop = transforms.Compose([transforms.RandomResizedCrop(SIDE, interpolation=bicubic), transforms.PILToTensor()])

    def read(at: int) -> list[Tensor]:
        with Image.open(files[at]) as image:
            whole = image.convert("RGB")
        return [crop(whole), crop(whole)]

    return read


def contenders(files: Sequence[str]) -> dict[str, Callable[[int], list[Tensor]]]:
    """Each from the number of a photograph to its two crops."""
    images = ImageFolder(tuple(files), None, (), channels=3)
    views = Views(crop_views("simclr", (SIDE, SIDE), channels=3), mean=(0.5,) * 3, std=(0.25,) * 3)
    generator = torch.Generator().manual_seed(0)
    return {
        "fullrank": lambda at: views.crop(partial(images.open, at), generator),
        OTHERS[0]: pil(files),
        OTHERS[1]: lambda at: views.crop(images.open(at), generator),
    }


def compare(files: Sequence[str], rounds: int) -> dict[str, Any]:
    """Seconds per image of every contender, and how many times longer each takes than FullRank."""

    def timed(read: Callable[[int], list[Tensor]]) -> float:
        return processor_seconds(lambda: [read(at) for at in range(len(files))]) / len(files)

    runs = {name: partial(timed, read) for name, read in contenders(files).items()}
    seconds = {name: statistics.median(times) for name, times in alternating(runs, rounds).items()}
    sizes = [Image.open(file).size for file in files]
    bits = statistics.mean(
        8 * Path(file).stat().st_size / (width * height) for file, (width, height) in zip(files, sizes, strict=True)
    )
    return {
        "megapixels": statistics.mean(width * height for width, height in sizes) / 1e6,
        "bits per pixel": bits,
        "seconds": seconds,
        "times longer": {name: seconds[name] / seconds["fullrank"] for name in OTHERS},
    }


def made(folder: Path, width: int, blur: float, count: int) -> list[str]:
    """The files of so many photographs."""
    files = [str(folder / f"{at}.jpg") for at in range(count)]
    for at, file in enumerate(files):
        photograph(width, width * 3 // 4, blur, at).save(file, quality=90, subsampling="4:2:0")
    return files


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--photos", type=Path, help="folder with JPEG files to measure besides those that are made")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for width, blur in MADE:
            files = made(Path(folder), width, blur, arguments.images)
            results[f"made, {width} px, blur {blur:g}"] = compare(files, arguments.rounds)
    if arguments.photos:
        found = sorted(str(file) for file in arguments.photos.glob("*.jpg"))
        results[f"{arguments.photos.name}, {len(found)} photographs"] = compare(found, arguments.rounds)
    for name, row in results.items():
        print(f"{name}: {row['megapixels']:.1f} megapixels, {row['bits per pixel']:.2f} bits per pixel")
        for contender, seconds in row["seconds"].items():
            print(f"  {contender:22s} {1000 * seconds:7.1f} ms  {row['times longer'].get(contender, 1.0):5.2f}x")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
