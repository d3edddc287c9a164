"""`fullrank report RUN [RUN ...]`: one HTML page about a run, or comparing several."""

from __future__ import annotations

from pathlib import Path

from fullrank.commands._common import parse, terminal
from fullrank.errors import UserError
from fullrank.terminal import say


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    from dataclasses import make_dataclass
    from typing import Annotated

    import tyro

    runs = Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN", help="Folders of runs, up to 8.")
    ]
    out = Annotated[Path | None, tyro.conf.arg(help="The page; by default report.html in the first run's folder.")]
    options = make_dataclass("Report", [("runs", runs), ("out", out, None)])
    options.__doc__ = "Write one HTML page about a run, or comparing several."
    parsed = parse(options, arguments, "report")
    if not parsed.runs:
        raise UserError("report needs a run: pass the folder of one or more runs.")

    from fullrank.report import write_report
    from fullrank.report.html import require_page
    from fullrank.runs import full_disk_is_an_error, read_as_run

    place = parsed.out or parsed.runs[0] / "report.html"
    if parsed.out is not None:
        require_page(place)
    with read_as_run(Path(" or ".join(map(str, parsed.runs)))), full_disk_is_an_error(place):  # of all in one figure
        page = write_report(parsed.runs, place)
    say(terminal(), f"Report: {page}")
    return 0
