"""The papers' experiments as pictures: one figure of each result.json, and a gallery of all; imports no torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from fullrank.errors import UserError
from fullrank.report.html import render
from fullrank.report.numbers import cell
from fullrank.report.papers.panel import WIDTH, drawn
from fullrank.runs import read_json, replace

VERDICTS = ("held", "undecided", "reversed", "failed")
_GAP = 12.0  # points between two panels of a figure


@dataclass(frozen=True)
class Finding:
    """One result.json: the experiment, its outcome, and its panels as inline SVG."""

    name: str
    content: Mapping[str, Any]
    panels: Sequence[Markup]

    @property
    def parts(self) -> list[str]:
        """What came out, part by part."""
        return [said(part) for part in self.content["parts"]]

    @property
    def table(self) -> list[list[str]]:
        """The rows with their header first; numbers to four digits."""
        rows = self.content["rows"]
        return [list(rows[0]), *([cell(value) for value in row.values()] for row in rows)] if rows else []


def read_finding(path: Path) -> Finding:
    """Read and draw a result.json that `fullrank paper` wrote; another file raises a UserError."""
    content = read_json(path)
    try:
        if content["verdict"] not in VERDICTS:
            raise ValueError(f"verdict {content['verdict']!r}; `fullrank paper --judge DIR` renews older ones")
        name, _ = str(content["name"]), [said(part) for part in content["parts"]]
        prefix = re.sub(r"\W", "-", name)
        panels = [drawn(panel, f"{prefix}-{at}") for at, panel in enumerate(content["panels"])]
        return Finding(name, content, panels)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is not a result of an experiment ({error}): run `fullrank paper` again.") from error


def write_figure(result: Path, out: Path) -> Path:
    """One SVG file with all panels of a result.json, on its own paper, light or dark as the reader prefers.

    Args:
        result: A result.json that `fullrank paper` wrote.
        out: The SVG file.

    Raises:
        UserError: `result` is another file.
    """
    panels = read_finding(result).panels
    style = (Path(__file__).parents[1] / "style.css").read_text(encoding="utf-8")
    colors = "\n".join(re.findall(r"^:root \{.*?^\}|^@media screen.*?^\}", style, flags=re.DOTALL | re.MULTILINE))
    columns = 1 if len(panels) == 1 else 2
    placed, top, width = [], _GAP, 72 * WIDTH
    for at in range(0, len(panels), columns):
        row = panels[at : at + columns]
        for column, panel in enumerate(row):
            left = _GAP + column * (width + _GAP)
            place = f"<svg x='{left:g}' y='{top:g}' width='{width:g}' height='{_height(panel):g}' "
            placed.append(panel.replace("<svg ", Markup(place), 1))
        top += max(map(_height, row)) + _GAP
    right = _GAP + columns * (width + _GAP)
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right:g}pt" height="{top:g}pt" '
        f'viewBox="0 0 {right:g} {top:g}">\n<style>{colors}\ntext {{ font-family: system-ui, sans-serif; }}</style>\n'
        f'<rect width="100%" height="100%" style="fill: var(--card)"/>\n' + "\n".join(placed) + "\n</svg>\n"
    )
    replace(out, lambda beside: beside.write_text(text, encoding="utf-8"))
    return out


def write_gallery(results: Sequence[Path], out: Path) -> Path:
    """One HTML page about the result.json files of many experiments, complete or not there.

    Args:
        results: Files that `fullrank paper` wrote.
        out: The page.

    Raises:
        UserError: One of them is another file.
    """
    if not results:
        raise UserError("No experiment to show: run `fullrank paper NAME` first.")
    tested = sorted((read_finding(path) for path in results), key=lambda one: one.name)
    page = render("papers/gallery.html.j2", {"tested": tested, "answer": _answer(tested)})
    replace(out, lambda beside: beside.write_text(page, encoding="utf-8"))
    return out


def _answer(tested: Sequence[Finding]) -> str:
    count = Counter(one.content["verdict"] for one in tested)
    parts = [f"{count[verdict]} {verdict}" for verdict in VERDICTS if count[verdict]]
    return f"{len(tested)} claim{'s' * (len(tested) > 1)} tested: {', '.join(parts)}."


def said(part: Mapping[str, Any]) -> str:
    """A part of a claim in words: the label, what it says, the effect and its interval, and where it is said.

    >>> said({"label": "held", "says": "rank: higher", "kind": "more", "effect": 2.0, "low": 1.0, "high": 3.0,
    ...     "margin": 0.5, "unit": "points", "seeds": 3, "source": "paper"})
    'held: rank: higher (2 points [1, 3], margin 0.5, 3 seeds; paper)'
    """
    return f"{part['label']}: {part['says']} ({effect(part)}; {part['source']})"


def effect(part: Mapping[str, Any]) -> str:
    """The effect of a part with its unit, interval, margin and number of seeds; of exact ones the worst value."""
    if part["kind"] == "exact":
        spare = part["effect"] + 0.0  # never minus zero
        return f"exact, {spare:.3g} to spare" if spare >= 0 else f"exact, misses by {-spare:.3g}"
    unit = f" {part['unit']}" if part["unit"] else ""
    if part["low"] is None:
        return f"{part['effect']:.3g}{unit}, one seed"
    within = f"{part['effect']:.3g}{unit} [{part['low']:.3g}, {part['high']:.3g}]"
    return ", ".join([within, f"margin {part['margin']:g}", f"{part['seeds']} seeds", *_read(part)])


def _read(part: Mapping[str, Any]) -> list[str]:
    """What the interval says and the label does not: which way an undecided effect is, and how small it may be."""
    low, high, margin = part["low"], part["high"], part["margin"]
    apart = low > 0 or high < 0
    if part["kind"] == "level":
        where = {"held": "within the margin", "undecided": "perhaps within the margin"}.get(part["label"])
        return [f"not equal, but {where}"] if apart and where else []
    if part["label"] != "undecided" or part["kind"] == "not behind":
        return []
    way = ["as claimed" if low > 0 else "against the claim"] if apart else []
    if max(-low, high) <= margin:
        return [*way, "too small to matter"]
    return [*way, "perhaps too small to matter"] if apart else []


def _height(panel: Markup) -> float:
    box = re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', panel)
    assert box is not None  # ours
    return float(box[1])
