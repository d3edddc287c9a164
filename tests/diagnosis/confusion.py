"""What the doctor says of clouds of known health: `python -m tests.diagnosis.confusion > confusion.md`.

Answers are kept in docs/results/diagnosis/confusion.jsonl, so that it can be stopped and goes on: delete that file
when a rule or a measurement has changed. About half an hour on two quiet cores. One seed at 20,000 x 768 stands for
the ten of the other sizes, as each diagnosis takes ten seconds there.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import torch

import fullrank
from fullrank.runs import append_row, read_rows
from tests.diagnosis.clouds import CASES, Case

Size = tuple[int, int]  # samples, dimensions
Answers = Mapping[tuple[str, Size], Counter[str]]  # name of a case, size -> how often the doctor said what
SEEDS: dict[Size, int] = {(96, 512): 10, (1500, 128): 10, (20_000, 768): 1}
KEPT = Path(__file__).parents[2] / "docs" / "results" / "diagnosis" / "confusion.jsonl"


def said(case: Case, size: Size, seed: int) -> str:
    """The kind that the doctor names, or "healthy" or "undetermined"; a finding without a kind by its rule."""
    report = fullrank.diagnose(case.cloud(*size, seed).float(), profile=case.profile, seed=seed)
    if report.verdict in ("healthy", "undetermined"):
        return report.verdict
    return report.kind or report.findings[0].rule


def answer(number: int, size: Size) -> Counter[str]:
    """How often the doctor said what of the case of this number."""
    torch.set_num_threads(1)
    return Counter(said(CASES[number], size, seed) for seed in range(SEEDS[size]))


def kept(path: Path) -> dict[tuple[str, Size], Counter[str]]:
    """The answers of an earlier, stopped run."""
    return {(row["cloud"], (row["n"], row["dims"])): Counter(row["said"]) for row in read_rows(path)}


def table(found: Answers) -> Iterator[str]:
    """Lines of Markdown: a row a cloud, a column a size, with every wrong answer in bold."""
    yield "What was said of each cloud, how often; what is wrong in bold. Where there are fewer rows than dimensions,"
    yield '"undetermined" is right for some. Written by `python -m tests.diagnosis.confusion`.'
    yield ""
    yield f"| cloud | {' | '.join(f'{n:,} x {dims}' for n, dims in SEEDS)} |"
    yield "|---|" + "---|" * len(SEEDS)
    right = 0
    for case in CASES:
        cells = []
        for size in SEEDS:
            counts, good = found[case.name, size], case.right(*size)
            right += sum(counts[kind] for kind in good)
            cells.append(", ".join(_cell(kind, count, good) for kind, count in counts.most_common()))
        yield f"| {case.name} | {' | '.join(cells)} |"
    yield ""
    yield f"{right} of {len(CASES) * sum(SEEDS.values())} verdicts are right."


def _cell(kind: str, count: int, good: tuple[str, ...]) -> str:
    return f"{kind} {count}" if kind in good else f"**{kind} {count}**"


def main() -> None:
    """Compute what is missing and print the table."""
    found = kept(KEPT)
    jobs = [(i, size) for size, i in product(SEEDS, range(len(CASES))) if (CASES[i].name, size) not in found]
    with ProcessPoolExecutor(2) as pool:
        for (number, size), counts in zip(
            jobs, pool.map(answer, *zip(*jobs, strict=True)) if jobs else (), strict=True
        ):
            found[CASES[number].name, size] = counts
            append_row(KEPT, {"cloud": CASES[number].name, "n": size[0], "dims": size[1], "said": counts})
            print(CASES[number].name, size, json.dumps(counts), file=sys.stderr, flush=True)
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
