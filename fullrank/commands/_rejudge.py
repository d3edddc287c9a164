"""Results of experiments, judged again from their rows by today's parts and margins; nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fullrank.errors import UserError
from fullrank.papers import catalog, load
from fullrank.papers.kit.parts import judged
from fullrank.report import write_figure
from fullrank.runs import read_as_run, read_json, write_json


def rejudge(folder: Path) -> list[str]:
    """Write the parts, the verdict and the figure of every result.json below a folder anew; returns a line about each.

    All are judged before any is written. A UserError is raised where there is none, or where rows lack what a part
    needs.
    """
    found_here = (path.relative_to(folder) for path in folder.rglob("result.json"))
    paths = sorted(folder / path for path in found_here if "runs" not in path.parts)  # trainings of experiments
    if not paths:
        raise UserError(f"There is no result.json below {folder}: pass the folder of an experiment, or of several.")
    found = [(path, read_json(path)) for path in paths]
    again = [(path, old, with_parts(old, path)) for path, old in found]
    for path, _, new in again:
        write_json(path, new)
        if new.get("panels"):
            with read_as_run(path):
                write_figure(path, path.with_name("figure.svg"))
    return [
        f"{new['name']}: {new['verdict']}"
        + (f", was {old.get('verdict')}" if old.get("verdict") != new["verdict"] else "")
        for _, old, new in again
    ]


def with_parts(result: dict[str, Any], path: Path) -> dict[str, Any]:
    """A result with the claim, the parts and the verdict that its experiment has today."""
    name = str(result.get("name"))
    if name not in catalog():
        raise UserError(f"{path} is not a result of an experiment: leave it out of the folder.")
    try:
        with read_as_run(path):
            parts = judged(load(name).parts, result["rows"])
    except UserError as error:
        said = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise UserError(said) from error
    entry = catalog()[name]
    today = {"paper": entry.paper, "title": entry.title, "claim": entry.claim, "verdict": parts[0]["label"]}
    return {**result, **today, "parts": parts}
