"""A training says something at once: before torch is imported, which takes seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from fullrank.cli import main

class First:
    def write(self, text):
        sys.__stdout__.write(f"{text} {'torch' in sys.modules}")
        sys.__stdout__.flush()
        raise SystemExit(0)
    def flush(self): ...
    def isatty(self): return False

sys.stdout = First()
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train", "simclr", "--data", "digits"], "simclr: loading PyTorch and Lightning\n False"),
        (["train", "--resume", "a/run"], "Resuming a/run: loading PyTorch and Lightning\n False"),
    ],
)
def test_the_first_line_comes_before_torch(arguments: list[str], line: str) -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    assert said.stdout == line
