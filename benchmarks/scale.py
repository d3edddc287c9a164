"""What an image, a step, a row of embeddings and a merge cost on one core, and what bandwidth and stragglers add.

Costs are processor time of this process, with one thread. The network is one of this machine's own, in a namespace
whose loopback lets through so many bits a second (Linux, as root); stragglers are drawn. `python -m benchmarks.scale`
writes docs/results/benchmarks/scale.json, from which `make docs` makes the tables of docs/scale.md.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import tyro
from PIL import Image, ImageFilter

from fullrank.data.decode import read_image
from fullrank.data.views.crops import crop_views
from fullrank.data.views.views import Views
from fullrank.engine.sealed import Sealed, is_sealed, read
from fullrank.nn import encoder
from fullrank.runs import write_json
from fullrank.stats.sketch import merge_sketches, sketch

WIDTHS = {128: 10_000, 512: 5_000, 2048: 2_560}  # dimensions -> rows that are sketched
WORLDS, SPREADS, STEPS = (2, 8, 64, 512), (0.05, 0.2), 2_000
RATES = ("100mbit", "1gbit")
REDUCED = 2_500_000  # float32 numbers, a tenth of ResNet-50's gradient


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """Processor time of a call, the least of some."""
    best = float("inf")
    for _ in range(repeats):
        begun = time.process_time()
        function()
        best = min(best, time.process_time() - begun)
    return best


def images(folder: Path, count: int = 8) -> dict[str, float]:
    """Seconds to decode a JPEG of 500 x 375 px, and to crop two views of 224 px of it and augment them."""
    random = np.random.default_rng(0)
    for at in range(count):
        noise = Image.fromarray(random.integers(0, 256, (375, 500, 3), dtype=np.uint8))
        noise.filter(ImageFilter.GaussianBlur(2)).save(folder / f"{at}.jpg", quality=90)
    views = Views(crop_views("byol", [224, 224], channels=3), mean=(0.5,) * 3, std=(0.25,) * 3)
    decoded = [read_image(folder / f"{at}.jpg") for at in range(count)]
    crops = [views.crop(image, torch.Generator().manual_seed(at)) for at, image in enumerate(decoded)]
    batch = [torch.stack(list(crop)) for crop in zip(*crops, strict=True)]

    def augment() -> None:
        parameters = views.draw(count, 224, 224, torch.Generator().manual_seed(0))
        views.apply(batch, parameters)

    return {
        "decode": seconds(lambda: [read_image(folder / f"{at}.jpg") for at in range(count)], 3) / count,
        "crop": seconds(lambda: [views.crop(image, torch.Generator()) for image in decoded], 3) / count,
        "augment": seconds(augment, 2) / count,
    }


def networks(count: int = 2) -> dict[str, float]:
    """Seconds of one view of 224 px, forward and backward."""
    found = {}
    for name in ("resnet18", "resnet50"):
        model = encoder(name, image_size=224).to(memory_format=torch.channels_last)
        batch = torch.randn(count, 3, 224, 224).contiguous(memory_format=torch.channels_last)
        found[name] = seconds(lambda model=model, batch=batch: model(batch).square().mean().backward(), 2) / count  # type: ignore[misc]
    return found


def checkpoints(folder: Path) -> dict[str, float]:
    """Bytes of a checkpoint of ResNet-50 with momentum, and seconds to write, check and read it."""
    state = encoder("resnet50", image_size=224).state_dict()
    content = {
        "global_step": 1,
        "state_dict": state,
        "momentum": {name: value.clone() for name, value in state.items()},
    }
    path = folder / "checkpoints" / "last.ckpt"
    write = seconds(lambda: Sealed().save_checkpoint(content, path), 2)
    return {
        "bytes": path.stat().st_size,
        "write": write,
        "check": seconds(lambda: is_sealed(path), 2),
        "read": seconds(lambda: read(path), 2),
    }


def sketches() -> list[dict[str, float]]:
    """Seconds of a row in a sketch and of the merge of two, and the bytes that one has on its way."""
    found = []
    for dims, rows in WIDTHS.items():
        z = torch.randn(2 * rows, dims, generator=torch.Generator().manual_seed(0))
        halves = sketch([z[:rows]]), sketch([z[rows:]], start=rows)
        found.append(
            {
                "dims": dims,
                "row": seconds(lambda z=z, rows=rows: sketch([z[:rows]]), 1) / rows,  # type: ignore[misc]
                "merge": seconds(lambda halves=halves: merge_sketches(*halves), 1),  # type: ignore[misc]
                "bytes": len(pickle.dumps(halves[0])),
            }
        )
    return found


def stragglers() -> list[dict[str, float]]:
    """How much longer a step of many processes takes, each of which takes a time with a lognormal spread."""
    random = np.random.default_rng(0)
    found = []
    for spread in SPREADS:
        for world in WORLDS:
            times = np.exp(spread * random.standard_normal((STEPS, world)) - spread**2 / 2)  # of mean 1
            found.append({"spread": spread, "processes": world, "slower": float(times.max(1).mean())})
    return found


def networked() -> list[dict[str, float | str]]:
    """Wall time of the sum of a tenth of ResNet-50's gradient over two processes, by the rate of their network."""
    found: list[dict[str, float | str]] = []
    for rate in RATES:
        name = f"fullrank-{rate}"
        within = ["ip", "netns", "exec", name]
        slow = f"tc qdisc add dev lo root tbf rate {rate} burst 256k latency 1s".split()
        run = [
            ["ip", "netns", "add", name],
            [*within, "ip", "link", "set", "lo", "up", "mtu", "9000"],
            [*within, *slow],
        ]
        try:
            for command in run:
                subprocess.run(command, check=True, capture_output=True)
            with tempfile.TemporaryDirectory() as place:
                command = [
                    *within,
                    "env",
                    "GLOO_SOCKET_IFNAME=lo",
                    sys.executable,
                    "-m",
                    "benchmarks.scale",
                    "--reduce",
                    place,
                ]
                pair = [subprocess.Popen([*command, "--rank", str(rank)], stdout=subprocess.PIPE) for rank in (0, 1)]
                said = [process.communicate(timeout=300)[0] for process in pair]
            found.append({"rate": rate, "numbers": REDUCED, "seconds": float(said[0])})
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            print(f"No network of {rate}: {error}", file=sys.stderr)
        finally:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return found


def reduced(place: Path, rank: int) -> float:
    """Wall time of one sum over two processes, the least of three."""
    dist.init_process_group("gloo", init_method=f"file://{place}/meet", rank=rank, world_size=2)
    values, best = torch.ones(REDUCED), float("inf")
    for _ in range(3):
        dist.barrier()
        begun = time.perf_counter()
        dist.all_reduce(values)
        best = min(best, time.perf_counter() - begun)
    dist.destroy_process_group()
    return best


def scale(out: Path = Path("docs/results/benchmarks/scale.json"), reduce: Path | None = None, rank: int = 0) -> None:
    """Measure all of it.

    Args:
        out: the JSON file.
        reduce: be one of the two processes that meet in this folder.
        rank: which of them.
    """
    torch.set_num_threads(1)
    if reduce is not None:
        print(reduced(reduce, rank))
        return
    with tempfile.TemporaryDirectory() as place:
        made = {
            "image": images(Path(place)),
            "view": networks(),
            "checkpoint": checkpoints(Path(place)),
            "sketch": sketches(),
            "stragglers": stragglers(),
            "network": networked(),
        }
    write_json(out, made)


if __name__ == "__main__":
    tyro.cli(scale)
