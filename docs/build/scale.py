"""Writes the tables of docs/scale.md from docs/results/benchmarks/scale.json: `python -m docs.build.scale`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs.build.marks import between
from fullrank.papers.published import IMAGES, MULTIPLICATIONS, SUSTAINED

DOCS = Path(__file__).parent.parent
PAGE = DOCS / "scale.md"
RESULTS = DOCS / "results" / "benchmarks" / "scale.json"
BEGIN, END = "<!-- {} written by docs/build/scale.py -->\n", "<!-- until here -->\n"
EPOCHS, BATCH, VIEWS, EMBEDDING = 800, 4096, 2, 8192
GRADIENT = 4 * (25_557_032 - 2_049_000 + 2048 * 8192 + 8192 * 8192 * 2)  # bytes: ResNet-50 and a projector of 3 layers
BILLION = 10**9
SHARDS = 1000
WIRE = 12.5e9  # bytes a second between machines: 100 Gbit/s, an assumption


def costs(found: dict[str, Any]) -> str:
    """What one image, view, checkpoint, row and merge cost."""
    image, view, saved = found["image"], found["view"], found["checkpoint"]
    lines = [
        "| what | processor time of one core |",
        "|---|---|",
        f"| decode a JPEG of 500 x 375 px | {1e3 * image['decode']:.1f} ms |",
        f"| crop two views of 224 px of it | {1e3 * image['crop']:.1f} ms |",
        f"| augment both | {1e3 * image['augment']:.0f} ms |",
        f"| ResNet-18, a view of 224 px forward and backward | {1e3 * view['resnet18']:.0f} ms |",
        f"| ResNet-50, the same | {1e3 * view['resnet50']:.0f} ms |",
        f"| write a checkpoint of {saved['bytes'] / 2**20:.0f} MiB with its checksum | {saved['write']:.2f} s |",
        f"| check it, read it | {saved['check']:.2f} s, {saved['read']:.2f} s |",
    ]
    for row in found["sketch"]:
        lines += [
            f"| sketch a row of {row['dims']:,} dimensions | {1e6 * row['row']:.0f} µs |",
            f"| merge two sketches of them, {row['bytes'] / 2**20:,.0f} MiB each | {row['merge']:.2f} s |",
        ]
    return "\n".join(lines) + "\n"


def training(found: dict[str, Any]) -> str:
    """ImageNet x 800 epochs of ResNet-50, by parts."""
    seen = IMAGES["ImageNet"] * EPOCHS
    steps = seen // BATCH
    image, view, saved = found["image"], found["view"], found["checkpoint"]
    read = image["decode"] + image["crop"]
    each, _ = MULTIPLICATIONS["resnet50", False]
    gpu = seen * VIEWS * each * 6 / SUSTAINED
    gathered = VIEWS * BATCH * EMBEDDING * 4
    cores = read * SUSTAINED / (VIEWS * each * 6)
    lines = [
        "| part | amount | cost |",
        "|---|---|---|",
        f"| images | {seen:,} in {steps:,} steps of {BATCH:,} | |",
        f"| decode and crop | {1e3 * read:.1f} ms an image | {seen * read / 3600:,.0f} core hours |",
        f"| forward and backward, by cores | {VIEWS} views | {seen * VIEWS * view['resnet50'] / 3600:,.0f} hours |",
        f"| the same, on GPUs of {SUSTAINED:.0e} operations a second | {VIEWS} views | {gpu / 3600:,.0f} GPU hours |",
        f"| cores that feed one such GPU | | {cores:.1f} |",
        f"| gradients to sum | {GRADIENT / 2**20:,.0f} MiB a step | |",
        f"| embeddings to gather | {gathered / 2**20:,.0f} MiB a step | |",
        f"| checkpoints, every 500 steps | {steps // 500:,} | {steps // 500 * saved['write'] / 60:,.0f} core minutes |",
    ]
    return "\n".join(lines) + "\n"


def grown(found: dict[str, Any]) -> str:
    """The parts of a step by the number of GPUs, and which is the longest."""
    image, (each, _) = found["image"], MULTIPLICATIONS["resnet50", False]
    slower = {row["processes"]: row["slower"] for row in found["stragglers"] if row["spread"] == 0.05}
    lines = [
        "| GPUs | compute a step | read it | sum and gather it | slowest process | bottleneck | 800 epochs |",
        "|---|---|---|---|---|---|---|",
    ]
    for gpus in (1, *sorted(slower)[1:]):
        compute = BATCH * VIEWS * each * 6 / SUSTAINED / gpus
        read = BATCH * (image["decode"] + image["crop"]) / (8 * gpus)
        wire = (gpus > 8) * (2 * GRADIENT + VIEWS * BATCH * EMBEDDING * 4) / WIRE
        late = compute * (slower.get(gpus, 1.0) - 1)
        parts = {"compute": compute, "reading": read, "network": wire}
        longest = max(parts, key=lambda name: parts[name])
        step = max(compute + late + wire, read)  # batches are read while others are computed
        days = IMAGES["ImageNet"] * EPOCHS // BATCH * step / 86400
        lines.append(
            f"| {gpus} | {1e3 * compute:,.0f} ms | {1e3 * read:,.0f} ms | {1e3 * wire:,.0f} ms | "
            f"+{1e3 * late:,.0f} ms | {longest} | {days:,.1f} days |"
        )
    return "\n".join(lines) + "\n"


def embeddings(found: dict[str, Any]) -> str:
    """A billion embeddings, by width."""
    lines = [
        "| dimensions | bytes in float16 | a core takes | sketch the rows | merge the shards | time on 64 cores |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["sketch"]:
        rows, merges = BILLION * row["row"], (SHARDS - 1) * row["merge"]
        lines.append(
            f"| {row['dims']:,} | {2 * BILLION * row['dims'] / 1e12:.1f} TB | "
            f"{2e-6 * row['dims'] / row['row']:,.0f} MB a second | {rows / 3600:,.0f} core hours | "
            f"{merges / 60:,.1f} core minutes | {(rows + merges) / 64 / 60:,.0f} minutes |"
        )
    return "\n".join(lines) + "\n"


def simulated(found: dict[str, Any]) -> str:
    """Stragglers, and bandwidth."""
    worlds = sorted({row["processes"] for row in found["stragglers"]})
    lines = [f"| spread of a step's time | {' | '.join(f'{world} processes' for world in worlds)} |"]
    lines.append("|---" * (1 + len(worlds)) + "|")
    for spread in sorted({row["spread"] for row in found["stragglers"]}):
        slower = [row["slower"] for row in found["stragglers"] if row["spread"] == spread]
        lines.append(f"| {100 * spread:.0f} % | {' | '.join(f'{value:.2f}' for value in slower)} |")
    if found["network"]:
        lines += ["", "| network | sum over two processes | bytes | time | bytes a second |", "|---|---|---|---|---|"]
    for row in found["network"]:
        size = 4 * row["numbers"]
        rate = size / row["seconds"]
        lines.append(
            f"| {row['rate']} | {row['numbers']:,} numbers | {size / 1e6:.0f} MB | {row['seconds']:.2f} s | "
            f"{rate / 1e6:,.0f} MB |"
        )
    return "\n".join(lines) + "\n"


PARTS = {"costs": costs, "training": training, "grown": grown, "embeddings": embeddings, "simulated": simulated}


def page() -> str:
    """The page with its tables."""
    text, found = PAGE.read_text(encoding="utf-8"), json.loads(RESULTS.read_text(encoding="utf-8"))
    for name, made in PARTS.items():
        text = between(text, BEGIN.format(name), END, made(found))
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
