"""Throughput of the batched augmentation against torchvision v1 on PIL images, and kornia when installed.

SimCLR set at 32 px (random resized crop, flip, jitter p .8, grayscale p .2, blur p .5, normalize), uint8 in,
float32 out, one thread, the contenders alternating in one process; medians of CPU seconds, with and without hue.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from fullrank.data.views.augmentation import Augmentation
from fullrank.data.views.views import Views

SIZE, KERNEL = 32, 3
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def pil(images: torch.Tensor, hue: float) -> Callable[[], object]:
    """One torchvision v1 pipeline, image by image, from PIL images already in memory."""
    jitter = transforms.ColorJitter(0.4, 0.4, 0.2, hue)
    pipeline = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([jitter], 0.8),
            transforms.RandomGrayscale(0.2),
            transforms.RandomApply([transforms.GaussianBlur(KERNEL, (0.1, 2.0))], 0.5),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    opened = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    return lambda: torch.stack([pipeline(image) for image in opened])


def ours(images: torch.Tensor, hue: float) -> Callable[[], object]:
    """Draw and apply one view."""
    view = Augmentation(size=SIZE, hue=hue, blur=0.5, blur_kernel=KERNEL)
    views, generator = Views([view], MEAN, STD), torch.Generator().manual_seed(0)
    return lambda: views.apply(images, views.draw(len(images), SIZE, SIZE, generator))


def kornia(images: torch.Tensor, hue: float) -> Callable[[], object]:
    """The same operations of kornia on the batch (its crop does not antialias)."""
    from kornia import augmentation as k

    pipeline = k.AugmentationSequential(
        k.RandomResizedCrop((SIZE, SIZE), scale=(0.08, 1.0)),
        k.RandomHorizontalFlip(),
        k.ColorJitter(0.4, 0.4, 0.2, hue, p=0.8),
        k.RandomGrayscale(p=0.2),
        k.RandomGaussianBlur((KERNEL, KERNEL), (0.1, 2.0), p=0.5),
        k.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
    )
    return lambda: pipeline(images.float() / 255)


def measure(contenders: dict[str, Callable[[], object]], rounds: int, n: int) -> dict[str, float]:
    """Views per second of every contender: medians of alternating rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            start = time.process_time()
            run()
            if turn:  # the first round warms up
                seconds[name].append(time.process_time() - start)
    return {name: n / statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 256, (arguments.images, 3, 8, 8), dtype=np.uint8))
    images = torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear")
    builders = {"torchvision v1, PIL": pil, "fullrank": ours}
    if importlib.util.find_spec("kornia"):
        builders["kornia"] = kornia
    results = {}
    for hue in (0.1, 0.0):
        contenders = {name: build(images, hue) for name, build in builders.items()}
        speeds = measure(contenders, arguments.rounds, arguments.images)
        results[f"hue {hue}"] = speeds
        for name, speed in speeds.items():
            ratio = speed / speeds["torchvision v1, PIL"]
            print(f"hue {hue}  {name:20s} {speed:9.0f} views/s  {ratio:6.2f}x")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
