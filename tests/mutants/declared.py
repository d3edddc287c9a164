"""The mutants that are declared beside this file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from fullrank.errors import UserError

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One line made wrong, and the tests that must see it."""

    name: str
    file: str
    before: str
    after: str
    killed_by: tuple[str, ...]
    equivalent: str | None = None

    def applied(self, text: str) -> str:
        """The text of the file with the line made wrong; UserError unless the line is there exactly once."""
        lines = text.split("\n")
        found = [number for number, line in enumerate(lines) if line.strip() == self.before]
        if len(found) != 1:
            raise UserError(
                f"The line of the mutant {self.name} is {len(found)} times in {self.file}: make its `before` one of it."
            )
        (number,) = found
        lines[number] = lines[number].replace(self.before, self.after)
        return "\n".join(lines)


def declared(folder: Path = HERE) -> dict[str, Mutant]:
    """All mutants by name, in the order of the files."""
    mutants: dict[str, Mutant] = {}
    for path in sorted(folder.glob("*.toml")):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if name in mutants:
                raise UserError(f"Two mutants are named {name}: give the one in {path.name} another name.")
            mutants[name] = Mutant(name=name, **{**table, "killed_by": tuple(table["killed_by"])})
    return mutants
