"""`fullrank compare OLD NEW`: have they become worse? A gate for continuous integration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from fullrank.commands._common import parse, terminal
from fullrank.commands.diagnose import spoken, write_json_to, write_text
from fullrank.errors import UserError
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console

    from fullrank.diagnosis.report import Report


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Are the new embeddings those of the same model, and not worse than the old ones by more than the limits?

    Limits are NAME=0.05 or, as a share of the old value, NAME=10%; names are those of report.json. Without any,
    relative spread, effective rank and participation ratio may drop by 10 %, and the mean cosine rise by 0.05. Exit
    codes: 0 the same or better, 1 different or regressed, 2 bad input, 3 undecided.
    """

    old: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="OLD")]
    """Embeddings as for `fullrank diagnose`, or a report.json that it wrote."""
    new: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NEW")]
    """The new embeddings, if possible of the same samples in the same order."""
    expect: Literal["same-model", "same-rows", "same-distribution"] | None = None
    """What they should be: of the same samples by the same model (but for rotation, scale and rounding); of the same
    samples by any model or seed; of other samples. By default same-model for as many rows, else same-distribution."""
    max_drop: tuple[str, ...] = ()
    """Limits of a fall, such as effective_rank=10%."""
    max_rise: tuple[str, ...] = ()
    """Limits of a rise, such as mean_cosine=0.05."""
    groups: str | None = None
    """Column that says what was sampled together (donor, document), for honest intervals."""
    new_groups: str | None = None
    """The same of the new side, where its rows are others; by default the column of --groups."""
    profile: str | None = None
    """What made them, as for `fullrank diagnose`. By default that of a report.json, else generic."""
    json: Path | None = None
    """Write the comparison as JSON to this file, or to standard output (-)."""
    junit: Path | None = None
    """Write JUnit XML for continuous integration to this file."""
    html: Path | None = None
    """Write a page with both verdicts, every number and the spectra to this file."""


def compare(options: Compare, console: Console) -> int:
    """Run the comparison, print it and write it; returns the exit code."""
    said = spoken(console, options.json)
    drops, rises = _limits(options.max_drop, "--max-drop"), _limits(options.max_rise, "--max-rise")
    from fullrank.diagnosis.comparison import compare as compare_sides
    from fullrank.diagnosis.limits import check_limits
    from fullrank.diagnosis.report import common_profile
    from fullrank.report.comparison.text import comparison_junit, print_comparison

    if options.html is not None:
        from fullrank.report.html import require_page

        require_page(options.html)
    check_limits(drops, rises)  # a mistyped name is found before large files are read
    found = {spec: _saved(Path(spec)) for spec in (options.old, options.new)}
    reports = {spec: report for spec, report in found.items() if report is not None}
    _check_groups(options, reports)
    profile = common_profile(options.profile, reports.values())
    sides = [
        reports[spec] if spec in reports else _read(spec, groups, profile, said)
        for spec, groups in ((options.old, options.groups), (options.new, options.new_groups or options.groups))
    ]
    with said.status("Comparing"):
        content = compare_sides(*sides, expect=options.expect, max_drop=drops, max_rise=rises).to_json()
    print_comparison(content, said)
    write_json_to(options.json, content)
    if options.junit is not None:
        write_text(options.junit, comparison_junit(content))
    if options.html is not None:
        from fullrank.report.comparison.page import write_comparison

        page = write_comparison(content, options.html)
        say(said, f"Report: {page}")
    return {"different": 1, "regressed": 1, "undecided": 3}.get(content["outcome"], 0)


def _check_groups(options: Compare, reports: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise a UserError for groups of a report.json, and for those of one side alone."""
    if options.new_groups and not options.groups:
        raise UserError("--new-groups says what --groups says of the old side: pass both.")
    if options.groups and len(reports) == len({options.old, options.new}):
        raise UserError("--groups changes no report.json: pass it to `fullrank diagnose`, or pass the embeddings here.")
    if options.new_groups and options.new in reports:
        raise UserError(f"--new-groups changes no report.json, as {options.new} is: leave it out.")


def _read(spec: str, groups: str | None, profile: str, console: Console) -> Report:
    from fullrank.commands._reading import read_sketch, said_of
    from fullrank.diagnosis.diagnose import diagnose_sketch

    file, found, _ = read_sketch(spec, console, groups=groups)
    return diagnose_sketch(found, profile=profile, source=file.name, read_as=said_of(file, found))


def _saved(path: Path) -> Mapping[str, Any] | None:
    """The report.json of a diagnosis; None for every other file, which is read as embeddings."""
    from fullrank.diagnosis.report import saved_side
    from fullrank.embeddings.json_files import is_report, json_whole
    from fullrank.runs.reading import parse_json, read_text

    if path.suffix != ".json" or not os.path.isfile(path):  # nor what may not be looked at
        return None
    try:
        content = parse_json(read_text(path))
    except ValueError as error:
        if is_report(json_whole(path)):  # or the reader of embeddings says what is wrong with it
            raise UserError(f"{path} is a damaged report ({error}): let `fullrank diagnose` write it again.") from None
        return None
    return saved_side(content, str(path)) if isinstance(content, Mapping) and "schema" in content else None


def _limits(pairs: Sequence[str], flag: str) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, amount = pair.partition("=")
        if not equals:
            raise UserError(f"{flag} {pair} has no amount: write it as effective_rank=10% or mean_cosine=0.05.")
        if name in found:
            raise UserError(f"{flag} has {name} twice: pass one limit of it.")
        found[name] = amount
    return found


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return compare(parse(Compare, arguments, "compare"), terminal())
