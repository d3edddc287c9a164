"""Everything that is asked of a GPU, in one command of less than eight minutes and without a network:

    python -m benchmarks.gpu --color sprites-32 --out docs/results/benchmarks/gpu.json

The tests that take a device; steps and losses beside a bare loop and lightly's; six recipes with ResNet-18 for the time
that is left. `--tiny` tries the command itself on any machine in seconds: its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.steps import losses, steps
from benchmarks.gpu.trainings import trainings
from fullrank.data import load_dataset
from fullrank.engine.device import this_device
from fullrank.engine.environment import environment
from fullrank.errors import UserError

ROOT = Path(__file__).parents[2]
BUDGET = 460.0  # seconds
_OF_TESTS = 0.35  # of the budget, at most


def suite(device: torch.device, limit: float) -> dict[str, Any]:
    """What the tests that take a device say on it."""
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--device", device.type, "-m", "on_device", "tests"]
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return {"passed": False, "said": [f"stopped after {limit:.0f} s"]}
    said = done.stdout.strip().splitlines()
    failed = [line for line in said if line.startswith(("FAILED", "ERROR", "SKIPPED"))]
    seconds = round(time.monotonic() - begun, 1)
    return {"passed": done.returncode == 0, "seconds": seconds, "said": [*failed[:40], *said[-1:]]}


def sets(color: Path | None, root: Path | None, *, tiny: bool) -> tuple[dict[str, object], list[str]]:
    """The images to train on, and what is missing."""
    if tiny:
        return {"digits": "digits"}, []
    found: dict[str, object] = {}
    missing = []
    try:
        load_dataset("fashion-mnist", root=root)
        found["fashion-mnist"] = "fashion-mnist"
    except UserError as error:
        missing.append(str(error))
    if color is None:
        missing.append("The color set was not given: pass --color, a folder of `python -m benchmarks.sets`.")
    else:
        found["color sprites"] = str(color)
    return found or {"digits": "digits"}, missing


def main(arguments: list[str] | None = None) -> None:
    """Run everything, and write the JSON after each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="try the command, on a CPU too")
    parser.add_argument("--color", type=Path, help="folder with train/CLASS and test/CLASS")
    parser.add_argument("--data-root", type=Path, help="folder of Fashion-MNIST, if it is not Debian's")
    parser.add_argument("--skip", choices=("suite", "compile"), nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    chosen = parser.parse_args(arguments)
    device, until = this_device(), time.monotonic() + BUDGET
    if device.type != "cuda" and not chosen.tiny:
        parser.error("torch sees no GPU on this machine: pass --tiny to try the command without one.")
    about = {**environment(device), "tiny": chosen.tiny}
    results: dict[str, Any] = {"about": about, "missing": [], "suite": None, "losses": {}, "steps": [], "trainings": {}}

    def keep() -> None:
        chosen.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")

    if "suite" not in chosen.skip:
        results["suite"] = suite(device, _OF_TESTS * BUDGET)
        print("tests:", *results["suite"]["said"][-1:], flush=True)
        keep()
    results["losses"] = losses(device, tiny=chosen.tiny)
    keep()
    for row in steps(device, tiny=chosen.tiny, compiled="compile" not in chosen.skip):
        results["steps"].append(row)
        print(row["backbone"], row["whole step in ready views"], "waits:", row["waits of a whole step"], flush=True)
        keep()
    images, results["missing"] = sets(chosen.color, chosen.data_root, tiny=chosen.tiny)
    for label, found in trainings(images, device, root=chosen.data_root, tiny=chosen.tiny, until=until):
        results["trainings"][label] = found
        print(f"{label}: {found}", flush=True)
        keep()
    keep()


if __name__ == "__main__":
    main()
