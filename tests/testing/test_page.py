"""docs/contract.md: its examples run, what it shows is what comes out, and its table is the list of laws."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fullrank.losses.declaration import LAWS
from fullrank.testing import laws_of_losses, laws_of_methods, laws_of_pair_losses

PAGE = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+\.\d+")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("number", "of_text"), [(0, 0), (-1, 1)], ids=["loss", "metric"])
def test_what_breaks_the_contract_on_the_page_fails_as_it_shows(number: int, of_text: int) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(blocks("python")[number], {})
    said, shown = " ".join(out.getvalue().split()), " ".join(blocks("text")[of_text].split())
    assert NUMBER.sub("#", said) == NUMBER.sub("#", shown)
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (said, shown)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-4)


@pytest.mark.slow
def test_the_second_loss_passes_in_pytest_law_by_law(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(blocks("python")[1])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert f"{len(laws_of_losses)} passed" in done.stdout, done.stdout


def test_the_table_lists_the_laws() -> None:
    assert dict(re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)[1:]) == LAWS
    assert f"{', '.join(laws_of_pair_losses[:-1])} and {laws_of_pair_losses[-1]}." in " ".join(PAGE.split())


@pytest.mark.slow
def test_the_method_of_the_page_holds_the_contract_and_its_laws_are_listed() -> None:
    exec(blocks("python")[2], {})
    listed = " ".join(PAGE.partition("## A method")[2].partition("## ")[0].split())
    assert [law for law in re.findall(r" \(([a-z ]+)\)", listed) if law in laws_of_methods] == list(laws_of_methods)
