"""CPU-seconds of each process for a loss over all gathered pairs, whole in each and shared, with 1, 2 and 4 processes.

Two views of 4,096 samples in all with 128 features, float32, one thread, gloo; best of the rounds, of the process that
takes longest. The processes gather the rows in every round, which is counted too. Writes
docs/results/benchmarks/shares.json.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from benchmarks.pairs import OURS
from fullrank.engine.gather import gather, sharing

WORLDS, SAMPLES, FEATURES, ROUNDS = (1, 2, 4), 4096, 128, 4
LOSSES = ("nt_xent", "infonce", "dcl", "uniformity", "koleo", "ssl_hsic")
RESULT = Path(__file__).parents[1] / "docs" / "results" / "benchmarks" / "shares.json"


def process(rank: int, world: int, folder: str) -> None:
    """Measure every loss, whole and shared."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    z = torch.randn(2, SAMPLES, FEATURES, generator=torch.Generator().manual_seed(0)).chunk(world, 1)[rank]
    seconds: dict[str, dict[str, float]] = {name: {} for name in LOSSES}
    for name in LOSSES:
        for kind, context in (("whole", contextlib.nullcontext), ("shared", sharing)):
            taken = []
            for _ in range(ROUNDS):
                leaf = z.clone().requires_grad_()
                start = time.process_time()
                with context():
                    OURS[name][0](gather(leaf, dim=1)).backward()
                taken.append(time.process_time() - start)
            seconds[name][kind] = min(taken)
    Path(folder, f"{rank}.json").write_text(json.dumps(seconds), encoding="utf-8")
    dist.destroy_process_group()


def main() -> None:
    """Run, print, and write the result."""
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in LOSSES}
    for world in WORLDS:
        with tempfile.TemporaryDirectory() as folder:
            spawn(process, args=(world, folder), nprocs=world)
            each = [json.loads(Path(folder, f"{rank}.json").read_text(encoding="utf-8")) for rank in range(world)]
        for name in LOSSES:
            row = found[name][str(world)] = {kind: max(one[name][kind] for one in each) for kind in ("whole", "shared")}
            less = row["whole"] / row["shared"]
            print(
                f"{name:11s} {world} processes  whole {row['whole']:.3f} s  shared {row['shared']:.3f} s  {less:.2f}x"
            )
    text = json.dumps({"versions": {"torch": torch.__version__}, "cpu_seconds": found}, indent=1)
    RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
