"""The page about a comparison, from its JSON alone: the gate, both verdicts, every number, and the two spectra."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fullrank.report.comparison.text import CHANGED, CHECKED, cells, check_cells, unasked
from fullrank.report.draw.lines import column, panel, spectrum
from fullrank.report.html import render, write_html
from fullrank.report.runs.figures import Plot, run_keys
from fullrank.report.words import STATES

_GATE = {
    "different": "Different",
    "regressed": "Regressed",
    "same": "The same",
    "better": "Better",
    "undecided": "Undecided",
}
_TONES = {
    **dict.fromkeys(("different", "regressed", "collapsed"), "collapsed"),
    **dict.fromkeys(("same", "better", "healthy"), "healthy"),
}
_EXPECTED = {
    "same-model": "Are the new embeddings of the same samples by the same model, and not worse than the old?",
    "same-rows": "Are the new embeddings of the same samples, and not worse than the old ones?",
    "same-distribution": "Are the new embeddings of the same distribution, and not worse than the old ones?",
    None: "Are the new embeddings worse than the old ones?",
}


def write_comparison(content: Mapping[str, Any], out: Path) -> Path:
    """Write the page about a comparison, complete or not at all, from its JSON; returns its path."""
    return write_html(comparison_page(content), out)


def comparison_page(content: Mapping[str, Any]) -> str:
    """The HTML of a comparison, self-contained and without scripts, from its JSON (schema 2).

    >>> side = {"source": "z.npy", "verdict": "healthy", "kind": None, "sentence": "No collapse.", "n": 9, "dims": 4,
    ...     "spectrum": [2.0, 1.0]}
    >>> page = comparison_page({"outcome": "same", "sentence": "The same.", "expect": None, "checks": [],
    ...     "changes": [], "unasked": [], "old": side, "new": side, "fullrank": "0.1.0"})
    >>> page.count("No collapse."), "<script" in page
    (2, False)
    """
    shown = {
        "content": content,
        "gate": _GATE[content["outcome"]],
        "words": STATES,
        "tones": _TONES,
        "expected": _EXPECTED[content["expect"]],
        "unasked": unasked(content),
        "checked": CHECKED,
        "changed": CHANGED,
        "checks": [(check, check_cells(check)) for check in content["checks"]],
        "rows": [(change, cells(change)) for change in content["changes"]],
        "figure": _spectra([content[side]["spectrum"] for side in ("old", "new")]),
    }
    return render("comparison/page.html.j2", shown)


def _spectra(spectra: list[list[float]]) -> Plot | None:
    """Both spectra (D,) in one drawing, each as shares of its sum; None if neither is known."""
    if not any(spectra):
        return None
    lines = [spectrum(values / (values.sum() or 1), run) for run, values in enumerate(map(column, spectra))]
    drawn = panel("spectra", "", "share of the variance", lines, across="direction, largest variance first", log=True)
    caption = (
        "Each spectrum is drawn as shares of its own variance, so that a change of scale alone shows nothing. Where "
        "the new line falls below the old one, directions have lost their weight; where it ends at a cliff, they are "
        "unused."
    )
    return None if drawn is None else Plot("spectra", "Spectra", caption, run_keys(["old", "new"]), [drawn])
