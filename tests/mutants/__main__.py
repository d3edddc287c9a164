"""`python -m tests.mutants`: put each declared mutant into a copy of the project, and say which the tests let live.

docs/results/mutants.json keeps what became of each, when and at which commit. What was tried on the same package and
tests is not tried again, so that an interrupted call goes on where it was. Exit code 1 if a mutant survived that is not
declared equivalent, or an equivalent one was killed.
"""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from fullrank.errors import UserError, suggest
from fullrank.runs import read_json, write_json
from fullrank.terminal import say, watched
from tests.mutants.declared import Mutant, declared
from tests.mutants.trial import copied, run_tests, tried, warm

ROOT = Path(__file__).parents[2]
RESULT = Path("docs") / "results" / "mutants.json"


@dataclass(frozen=True)
class Arguments:
    """Put each declared mutant into a copy of the project, and say which the tests let live."""

    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]")] = ()
    """Mutants to try; by default all."""
    limit: float = 120.0
    """Seconds of the processor for the tests of a mutant; what takes longer has hung, which counts as killed."""


def main(arguments: Sequence[str], project: Path = ROOT) -> int:
    """Do it; the exit code."""
    asked, console = tyro.cli(Arguments, args=arguments, prog="python -m tests.mutants"), Console(markup=False)
    try:
        mutants = declared(project / "tests" / "mutants")
        chosen = _chosen(mutants, asked.only)
        rows = _all_tried(mutants, chosen, asked.limit, project, console)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return report(chosen, rows, console)


def _chosen(mutants: Mapping[str, Mutant], only: Sequence[str]) -> dict[str, Mutant]:
    for name in only:
        if name not in mutants:
            hint = suggest(name, mutants, otherwise="see the TOML files of tests/mutants.")
            raise UserError(f"There is no mutant {name}: {hint}")
    return {name: mutant for name, mutant in mutants.items() if not only or name in only}


def _all_tried(
    mutants: Mapping[str, Mutant], chosen: Mapping[str, Mutant], limit: float, project: Path, console: Console
) -> dict[str, Any]:
    """What became of each mutant, by name; written after each, so that an interrupted call can go on."""
    now = _about(project)
    rows = {name: row for name, row in kept_rows(project).items() if name in mutants}
    left = [mutant for name, mutant in chosen.items() if rows.get(name, {}).get("sha256") != now["sha256"]]
    if len(left) < len(chosen):
        say(console, f"{len(chosen) - len(left)} of {len(chosen)} mutants were tried on this package already.")
    warm()
    with copied(project) as copy:
        if left:
            _must_pass(left, copy, console)
        for mutant in watched(left, len(left), "Trying mutants", "mutants", console=console):
            trial = tried(mutant, copy, limit)
            if trial.outcome == "survived" and mutant.equivalent is None:
                say(console, f"{mutant.name} survives.")
            rows[mutant.name] = asdict(trial) | now
            ordered = {name: rows[name] for name in mutants if name in rows}
            write_json(project / RESULT, {"counts": count(mutants, rows), "mutants": ordered})
    return rows


def kept_rows(project: Path = ROOT) -> dict[str, Any]:
    """What became of each mutant when it was last tried, by name."""
    return dict(read_json(project / RESULT)["mutants"]) if (project / RESULT).exists() else {}


def _must_pass(mutants: Sequence[Mutant], copy: Path, console: Console) -> None:
    """UserError if a test fails without any mutant."""
    tests = sorted({test for mutant in mutants for test in mutant.killed_by})
    say(console, "All tests must pass without any mutant first, which takes some minutes.")
    right = run_tests(tests, copy, math.inf, why="without any mutant")
    if right.outcome == "killed":
        raise UserError(f"{right.by or 'A test'} fails without any mutant: repair it first.")


def _about(project: Path) -> dict[str, Any]:
    """When, of what, and with what the mutants are tried."""
    digest = hashlib.sha256()
    for path in sorted(path for room in ("fullrank", "tests") for path in (project / room).rglob("*")):
        if path.suffix in (".py", ".toml"):
            digest.update(str(path.relative_to(project)).encode() + path.read_bytes())
    changed = _git(project, "status", "--porcelain", "--", "fullrank", "tests")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git(project, "rev-parse", "--short=12", "HEAD") + (" and changes" if changed else ""),
        "sha256": digest.hexdigest()[:16],
        "torch": version("torch"),
    }


def _git(project: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=project, capture_output=True, text=True, check=False).stdout.strip()


def count(mutants: Mapping[str, Mutant], rows: Mapping[str, Any]) -> dict[str, int]:
    """How many mutants there are, and what became of how many."""
    killed = [name for name, row in rows.items() if row["outcome"] != "survived"]
    equivalent = [name for name in mutants if mutants[name].equivalent is not None]
    survived = [name for name in rows if name not in killed and name not in equivalent]
    return {
        "declared": len(mutants),
        "killed": len(killed),
        "survived": len(survived),
        "equivalent": len(equivalent),
        "left": len(mutants) - len(rows),
    }


def report(mutants: Mapping[str, Mutant], rows: Mapping[str, Any], console: Console) -> int:
    """Print which mutants were not killed, or hung, and how many were; the exit code."""
    table, wrong = Table("mutant", "line", "made wrong", "outcome", box=None, header_style="bold"), 0
    for name, mutant in mutants.items():
        outcome, reason = rows[name]["outcome"], mutant.equivalent
        if outcome == "killed" and reason is None:
            continue
        if (outcome == "survived") is (reason is None):
            wrong += 1
        said = outcome if reason is None else f"equivalent: {reason}"
        if reason is not None and outcome != "survived":
            said = f"{outcome}, but declared equivalent"
        table.add_row(name, f"{mutant.file}: {mutant.before}", mutant.after, said)
    if table.row_count:
        if not console.is_terminal:
            console.width = 1000  # in a file or a pipe no row is broken
        console.print(table)
    numbers = count(mutants, {name: rows[name] for name in mutants})
    say(console, f"{numbers['killed']} of {numbers['declared']} mutants were killed, {numbers['survived']} survived, "
                 f"{numbers['equivalent']} are declared equivalent.")  # fmt: skip
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
