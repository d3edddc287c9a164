"""What the doctor says of clouds of known health: `python -m tests.diagnosis.confusion`.

About an hour on two cores, most of it at 20,000 x 768, where one seed stands for the ten of the other sizes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import torch

import fullrank
from tests.diagnosis.clouds import CASES, Case

Size = tuple[int, int]  # samples, dimensions
SEEDS: dict[Size, int] = {(96, 512): 10, (1500, 128): 10, (20_000, 768): 1}


def said(case: Case, size: Size, seed: int) -> str:
    """The kind that the doctor names, or "healthy" or "undetermined"; a finding without a kind by its rule."""
    report = fullrank.diagnose(case.cloud(*size, seed).float(), profile=case.profile, seed=seed)
    if report.verdict in ("healthy", "undetermined"):
        return report.verdict
    return report.kind or report.findings[0].rule


def answers(job: tuple[int, Size]) -> Counter[str]:
    """How often the doctor said what of the case of this number."""
    torch.set_num_threads(1)
    number, size = job
    found = Counter(said(CASES[number], size, seed) for seed in range(SEEDS[size]))
    print(CASES[number].name, size, dict(found), file=sys.stderr, flush=True)
    return found


def table(found: Mapping[tuple[int, Size], Counter[str]]) -> Iterator[str]:
    """Lines of Markdown: a row a cloud, a column a size, with every answer that is not the expected one in bold."""
    yield "What must be said of each cloud, how often it was said, and in bold what was said instead."
    yield ""
    yield f"| cloud | {' | '.join(f'{n:,} x {dims}' for n, dims in SEEDS)} |"
    yield "|---|" + "---|" * len(SEEDS)
    right = 0
    for number, case in enumerate(CASES):
        cells = []
        for size, seeds in SEEDS.items():
            counts, expected = found[number, size], case.expected(*size)
            right += counts[expected]
            wrong = "".join(f", **{kind}: {count}**" for kind, count in sorted(counts.items()) if kind != expected)
            cells.append(f"{expected} {counts[expected]}/{seeds}{wrong}")
        yield f"| {case.name} | {' | '.join(cells)} |"
    yield ""
    yield f"{right} of {len(CASES) * sum(SEEDS.values())} verdicts are the expected ones."


def main() -> None:
    """Print the table."""
    jobs = [(number, size) for size, number in product(SEEDS, range(len(CASES)))]
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip(jobs, pool.map(answers, jobs), strict=True))
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
