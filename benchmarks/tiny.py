"""Views per second and core, forward and backward: `tiny` against timm's ResNet-18 with the small-image stem.

One thread, batches of 256 in float32 and channels_last; the two alternate in one process, medians over the
rounds. Time is the processor time of this process, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from fullrank.nn import Encoder, encoder

BATCH = 256
IMAGES = ((28, 1), (32, 1), (32, 3))  # side in pixels, channels
STEPS = {"tiny": 10, "resnet18": 1}  # in a round


def rate(model: Encoder, images: torch.Tensor, steps: int) -> float:
    """Views per second of processor time."""
    start = time.process_time()
    for _ in range(steps):
        model.zero_grad()
        model(images).square().mean().backward()
    return steps * len(images) / (time.process_time() - start)


def compare(size: int, channels: int, rounds: int) -> dict[str, float]:
    """The median rate of both networks on noise of this shape, and their ratio."""
    models = {
        name: encoder(name, image_size=size, channels=channels).to(memory_format=torch.channels_last) for name in STEPS
    }
    images = torch.randn(BATCH, channels, size, size).contiguous(memory_format=torch.channels_last)
    for model in models.values():
        rate(model, images[:16], 1)  # warm-up
    rates: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            rates[name].append(rate(model, images, STEPS[name]))
    tiny, resnet = (statistics.median(rates[name]) for name in ("tiny", "resnet18"))
    return {"tiny": tiny, "resnet18": resnet, "ratio": tiny / resnet}


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, float]] = {}
    for size, channels in IMAGES:
        row = results[f"{channels} x {size} x {size}"] = compare(size, channels, arguments.rounds)
        print(
            f"{channels} x {size} x {size} px: tiny {row['tiny']:6.0f} views/s, "
            f"resnet18 {row['resnet18']:5.1f} views/s, {row['ratio']:.0f}x",
            flush=True,
        )
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
