"""The loss file that docs/architecture.md prints, in a copy of the package and listed there, holds the contract."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = "SoftWhitening, soft_whitening"
PROGRAM = """
import fullrank.losses
from fullrank.losses import LOSSES, SoftWhitening, soft_whitening
from fullrank.testing import check_loss

check_loss(soft_whitening)
check_loss(SoftWhitening)
print(soft_whitening in LOSSES, fullrank.losses.__file__)
"""


@pytest.mark.slow
def test_the_printed_loss_file_is_a_loss_of_the_package(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "fullrank", tmp_path / "fullrank", ignore=shutil.ignore_patterns("__pycache__"))
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (code,) = [
        code for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "def soft_whitening(" in code
    ]
    losses = tmp_path / "fullrank" / "losses"
    (losses / "soft_whitening.py").write_text(code)
    listed = (losses / "__init__.py").read_text(encoding="utf-8")
    for before, line in (
        (
            "from fullrank.losses.spectral import",
            "from fullrank.losses.soft_whitening import SoftWhitening, soft_whitening",
        ),
        ("    spectral_contrastive,\n", "    soft_whitening,"),
        ('    "spectral_contrastive",\n', '    "soft_whitening",\n    "SoftWhitening",'),
    ):
        assert listed.count(before) == 1
        listed = listed.replace(before, f"{line}\n{before}")
    (losses / "__init__.py").write_text(listed)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == f"True {losses / '__init__.py'}"
