"""The table: a row for each fault, kept after every try."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.faults.trainings import RECIPES
from fullrank.runs import write_json


@dataclass
class Row:
    """One fault: how often it was put in, and how often the run survived; and in which ways it did not."""

    fault: str
    tries: int = 0
    survived: int = 0
    failures: tuple[str, ...] = ()

    def count(self, failure: str | None) -> None:
        """Count a try."""
        self.tries += 1
        self.survived += failure is None
        if failure is not None:
            self.failures = (*self.failures, failure)
            print(f"  {self.fault}: {failure}", flush=True)


class Table:
    """The rows, in a file that can be gone on with."""

    def __init__(self, path: Path, *, go_on: bool) -> None:
        self.path = path
        self.rows: list[Row] = []
        self._about = {"fullrank": version("fullrank"), "recipes": [*RECIPES]}
        if go_on:
            found = json.loads(path.read_text(encoding="utf-8"))
            if {name: found[name] for name in self._about} != self._about:
                raise SystemExit(f"{path} is of another version, or of other recipes: leave out --go-on.")
            self.rows = [Row(**row | {"failures": tuple(row["failures"])}) for row in found["rows"]]

    def row(self, fault: str) -> Row:
        """The row of a fault, as it was kept, or a new one."""
        for row in self.rows:
            if row.fault == fault:
                return row
        self.rows.append(Row(fault))
        return self.rows[-1]

    def keep(self) -> None:
        """Write all rows."""
        write_json(self.path, self._about | {"rows": [asdict(row) for row in self.rows]})
