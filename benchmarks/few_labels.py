"""Fine-tuning on few labels: a trained encoder against the same network from random weights, over seeds.

The encoder is made before by `fullrank train`; this fine-tunes it, and the control, by the protocol `ours` with a few
epochs, on a share of the labels that is drawn anew for each seed, and scores on the first test images. Times are
processor seconds of this process.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import fullrank
from fullrank.data import Dataset, load_dataset, select


def shortened(name: str, test: int) -> Dataset:
    """A data set with so many of its test images, drawn by a fixed seed."""
    dataset = load_dataset(name)
    assert dataset.test is not None
    rows = torch.randperm(len(dataset.test), generator=torch.Generator().manual_seed(0))[:test]
    return replace(dataset, test=select(dataset.test, rows.sort().values))


def tuned(encoder: str, data: Dataset, labels: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """Last-epoch top-1 of the encoder and of its control, and the seconds of both."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        done = fullrank.finetune(
            encoder,
            labels=labels,
            data=data,
            control=True,
            seeds=arguments.seeds,
            epochs=arguments.epochs,
            workers=0,
            out=Path(folder) / "out",
        )
        rows = {name: row["last"]["top1"] for name, row in done.result["rows"].items()}
        images = done.result["labels"]["images"]
    return {"labels": labels, "images": images, "rows": rows, "cpu_seconds": round(time.process_time() - begun, 1)}


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", help="a run, or the file of an encoder")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--labels", type=float, nargs="+", default=[0.01, 0.1])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data, results = shortened(arguments.data, arguments.test), []
    for labels in arguments.labels:
        results.append(tuned(arguments.encoder, data, labels, arguments))
        shown = ", ".join(
            f"{name} {row['mean']:.4f} ± {row['spread']:.4f}" for name, row in results[-1]["rows"].items()
        )
        print(f"{results[-1]['images']:6,} labels: {shown} ({results[-1]['cpu_seconds']:.0f} s)", flush=True)
        if arguments.out:
            about = {name: getattr(arguments, name) for name in ("epochs", "seeds", "test")} | {"data": data.name}
            arguments.out.write_text(json.dumps({**about, "results": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
