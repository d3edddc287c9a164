"""`fullrank compare`: have embeddings become worse than before? A gate for continuous integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fullrank.commands.diagnose import spoken, write_json_to, write_text
from fullrank.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from fullrank.diagnosis.report import Report

_File = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE")]


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Are the new embeddings worse than the old ones, by more than the limits?

    Limits are NAME=0.05 or, as a share of the old value, NAME=10%; names are those of report.json. Without any,
    relative spread, effective rank and participation ratio may drop by 10 %, and the mean cosine rise by 0.05. Exit
    codes: 0 the same or better, 1 regressed, 2 bad input, 3 undetermined.
    """

    old: _File
    """Embeddings as for `fullrank diagnose`, or a report.json that it wrote."""
    new: _File
    """The same of the new model, best of the same samples in the same order."""
    max_drop: tuple[str, ...] = ()
    """What may not fall by more, such as effective_rank=10%."""
    max_rise: tuple[str, ...] = ()
    """What may not rise by more, such as mean_cosine=0.05."""
    groups: str | None = None
    """Column that says what was sampled together, for honest intervals."""
    profile: str = "generic"
    """What made them, as for `fullrank diagnose`."""
    json: Path | None = None
    """Write the comparison as JSON to this file, or to standard output (-)."""
    junit: Path | None = None
    """Write JUnit XML for continuous integration to this file."""


def compare(options: Compare, console: Console) -> int:
    """Do it, say it, write it; the exit code."""
    said = spoken(console, options.json)
    drops, rises = _limits(options.max_drop, "--max-drop"), _limits(options.max_rise, "--max-rise")
    from fullrank.diagnosis.compare import check_limits
    from fullrank.diagnosis.compare import compare as compare_sides
    from fullrank.diagnosis.profiles import find_profile
    from fullrank.report.comparison_text import comparison_junit, print_comparison

    check_limits(drops, rises)  # a mistyped name is found before large files are read
    find_profile(options.profile)
    sides = [_side(spec, options, said) for spec in (options.old, options.new)]
    with said.status("Comparing"):
        content = compare_sides(*sides, max_drop=drops, max_rise=rises).to_json()
    print_comparison(content, said)
    write_json_to(options.json, content)
    if options.junit is not None:
        write_text(options.junit, comparison_junit(content))
    return {"regressed": 1, "undetermined": 3}.get(content["verdict"], 0)


def _side(spec: str, options: Compare, console: Console) -> Report | Mapping[str, Any]:
    if spec.endswith(".json"):
        return _saved(Path(spec))
    from fullrank.commands.reading import read_sketch
    from fullrank.diagnosis.diagnose import diagnose_sketch

    name, found, _ = read_sketch(spec, console, groups=options.groups)
    return diagnose_sketch(found, profile=options.profile, source=name)


def _saved(path: Path) -> Mapping[str, Any]:
    """The report.json of a diagnosis."""
    import json

    if not path.is_file():
        raise UserError(f"There is no file {path}: check the path.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = content["schema"] == 1 and {"n", "dims", "verdict", "kind", "sentence", "source"} <= content.keys()
        rows = [
            (str(row["name"]), str(row["title"]), row["value"], row["low"], row["high"])
            for row in content["measurements"]
        ]
        known = known and all(isinstance(x, int | float | None) for _, _, *numbers in rows for x in numbers)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        known = False
    if not known:
        raise UserError(f"{path} is no report of version 1: pass the report.json of `fullrank diagnose`.")
    return dict(content)


def _limits(pairs: Sequence[str], flag: str) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, amount = pair.partition("=")
        if not equals:
            raise UserError(f"{flag} {pair} has no amount: write it as effective_rank=10% or mean_cosine=0.05.")
        found[name] = amount
    return found
