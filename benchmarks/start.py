"""What the start of `fullrank train` costs: seconds to its first line, and processor seconds until training begins.

The command runs as a process of its own, whose processor time is read where it prints a line (Linux). The second part
imports what it imports, one library after the other in one process, and says what each adds to those before it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LINES = {
    "first line": "simclr: loading",
    "data read": "digits:",
    "settings chosen": "Settings chosen",
    "training": "run  0/",
}
ANSWERS = ("--help", "recipes", "diagnose --help")  # commands that need no training
LIBRARIES = (  # of which each is imported by one of those below
    "torch",
    "torch._dynamo",
    "torchvision",
    "scipy.signal",
    "matplotlib.pyplot",
    "transformers.utils",
    "torchmetrics",
    "lightning.pytorch",
    "fullrank.training.fit",
)
IMPORTS = """
import importlib, json, sys, time
spent = {"python": time.process_time()}
for name in sys.argv[1:]:
    begun = time.process_time()
    try:
        importlib.import_module(name)
    except ImportError:
        continue
    spent[name] = time.process_time() - begun
print(json.dumps(spent))
"""


def processor_seconds(pid: int) -> float:
    """Of a process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def command() -> dict[str, dict[str, float]]:
    """Wall and processor seconds from the start of the command to each of its lines."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--data", "digits", "--steps", "2", "--out", f"{folder}/run"]
        begun, found = time.perf_counter(), dict[str, dict[str, float]]()
        line = [sys.executable, "-m", "fullrank", "train", "simclr", *flags]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for said in process.stdout:
                for name, beginning in LINES.items():
                    if said.startswith(beginning):
                        wall = time.perf_counter() - begun
                        found[name] = {"wall": wall, "processor": processor_seconds(process.pid)}
    return found


def answer(words: str) -> float:
    """Processor seconds of a whole command."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "fullrank", *words.split()], capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def imports() -> dict[str, float]:
    """Processor seconds that each library adds."""
    said = subprocess.run([sys.executable, "-c", IMPORTS, *LIBRARIES], capture_output=True, text=True, check=True)
    spent: dict[str, float] = json.loads(said.stdout)
    return spent


def main() -> None:
    """Run, print, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    commands, libraries = zip(*((command(), imports()) for _ in range(arguments.rounds)), strict=True)
    results: dict[str, Any] = {
        "lines": {
            name: {kind: statistics.median(one[name][kind] for one in commands) for kind in ("wall", "processor")}
            for name in commands[0]
        },
        "least wall of the first line": min(one["first line"]["wall"] for one in commands),
        "answers": {words: statistics.median(answer(words) for _ in range(arguments.rounds)) for words in ANSWERS},
        "imports": {name: statistics.median(one[name] for one in libraries) for name in libraries[0]},
    }
    for name, spent in results["lines"].items():
        print(f"{name:16s} {spent['wall']:6.2f} s, {spent['processor']:5.2f} s of the processor")
    for words, seconds in results["answers"].items():
        print(f"fullrank {words}: {seconds:.2f} s of the processor")
    for name, seconds in results["imports"].items():
        print(f"  {name:24s} adds {seconds:5.2f} s of the processor")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
