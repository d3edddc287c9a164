"""What the doctor says of clouds of known health: `python -m docs.build.confusion` writes it into the docs.

Every answer is a row of docs/results/diagnosis/confusion.jsonl, so that it can be stopped and goes on: delete that
file when a rule or a measurement has changed. From nothing, about 12 minutes of processor time, on all cores allowed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

import fullrank
from fullrank.runs import append_row, replace
from tests.diagnosis.clouds import CASES

Size = tuple[int, int]  # samples, dimensions
Cell = tuple[str, Size, int]  # name of a cloud, size, seed
SEEDS: dict[Size, range] = {(96, 512): range(10), (1500, 128): range(10), (20_000, 768): range(6)}  # by their cost
CELLS = [(case.name, size, seed) for size, seeds in SEEDS.items() for seed in seeds for case in CASES]
BY_NAME = {case.name: case for case in CASES}
DOCS = Path(__file__).parents[1]
KEPT, PAGE = DOCS / "results" / "diagnosis" / "confusion.jsonl", DOCS / "diagnosis.md"
BETWEEN = re.compile(r"(<!-- confusion: .*? -->\n).*(<!-- end of confusion -->)", re.DOTALL)


def said(cell: Cell) -> str:
    """The kind that the doctor names, or "healthy" or "undetermined"; a finding without a kind by its rule."""
    name, size, seed = cell
    case = BY_NAME[name]
    report = fullrank.diagnose(case.cloud(*size, seed).float(), profile=case.profile, seed=seed)
    if report.verdict in ("healthy", "undetermined"):
        return report.verdict
    return report.kind or report.findings[0].rule


def kept() -> dict[Cell, str]:
    """The answers that there are."""
    rows = [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()] if KEPT.exists() else []
    return {(row["cloud"], (row["n"], row["dims"]), row["seed"]): row["said"] for row in rows}


def table(found: Mapping[Cell, str]) -> Iterator[str]:
    """Lines of Markdown: a row a cloud, a column a size, with every wrong answer in bold."""
    yield f"| cloud | {' | '.join(f'{n:,} x {dims}' for n, dims in SEEDS)} |"
    yield "|---|" + "---|" * len(SEEDS)
    right = unsure = 0
    for case in CASES:
        cells = []
        for size, seeds in SEEDS.items():
            counts, good = Counter(found[case.name, size, seed] for seed in seeds), case.right(*size)
            right += sum(counts[kind] for kind in good)
            unsure += 0 if "undetermined" in good else counts["undetermined"]
            cells.append(", ".join(_cell(kind, count, good) for kind, count in counts.most_common()))
        yield f"| {case.name} | {' | '.join(cells)} |"
    yield ""
    wrong = "" if not unsure else f"; {unsure} say `undetermined` where it can be told"
    yield f"{right} of {len(CELLS)} verdicts are right{wrong}."


def _cell(kind: str, count: int, good: tuple[str, ...]) -> str:
    return f"{kind} {count}" if kind in good else f"**{kind} {count}**"


def page(text: str, found: Mapping[Cell, str]) -> str:
    """The text of the page with the table between its two markers."""
    return BETWEEN.sub(lambda match: match[1] + "\n" + "\n".join(table(found)) + "\n\n" + match[2], text)


def main() -> None:
    """Compute what is missing, and write the table."""
    found = kept()
    missing = [cell for cell in CELLS if cell not in found]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for cell, kind in zip(missing, pool.map(said, missing), strict=True):
            name, (n, dims), seed = cell
            found[cell] = kind
            append_row(KEPT, {"cloud": name, "n": n, "dims": dims, "seed": seed, "said": kind})
            print(name, f"{n:,} x {dims}", seed, kind, file=sys.stderr, flush=True)
    text = page(PAGE.read_text(encoding="utf-8"), found)
    replace(PAGE, lambda beside: beside.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
