"""The result of `fullrank.diagnose`: a verdict with its evidence, as text, JSON and HTML, or as an error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from fullrank.diagnosis.finding import Finding
from fullrank.diagnosis.judge import State
from fullrank.diagnosis.profiles import find_profile
from fullrank.diagnosis.rule import Kind
from fullrank.errors import CollapseError, UserError
from fullrank.metrics.figures import figures
from fullrank.metrics.measure import RECORDS, Measured
from fullrank.runs.former import NUMBERS
from fullrank.stats.sketch import Sketch

Side = Mapping[str, Any]  # the JSON of a report
_BESIDE = ("where", "verdict", "sentence")
SCHEMA = 1  # of the JSON; docs/diagnosis.schema.json
_WORDS = ("source", "verdict", "sentence")  # of the JSON, that a comparison uses


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """A verdict about embeddings, with all of its evidence.

    Attributes:
        verdict: "collapsed", "degraded" (a warning), "healthy", "undetermined" or "early" (a training that is too
            young to be judged).
        kind: The kind of collapse, or None.
        silenced: Rules that were left out, with the reason.
        unasked: Rules whose measurements were not made.
        n: The samples that were judged.
        left_out: The samples that were not, as they are zero, exploded or near-empty.
        beside: Of a run, the other layer with its verdict and sentence.
        read_as: What was read of a file, in one sentence.
    """

    verdict: State
    kind: Kind | None
    sentence: str
    findings: tuple[Finding, ...]
    silenced: tuple[tuple[str, str], ...]
    unasked: tuple[tuple[str, tuple[str, ...]], ...]
    measurements: Mapping[str, Measured]
    source: str
    where: str
    profile: str
    n: int
    dims: int
    views: int
    left_out: int
    sketch: Sketch = field(repr=False)
    labels: Tensor | None = field(repr=False)
    seed: int = field(repr=False)
    beside: tuple[str, State, str] | None = None
    read_as: str = ""

    def __str__(self) -> str:
        lines = [self.sentence]
        lines += [f"  beside it, the {self.beside[0]}: {self.beside[2]}"] if self.beside else []
        for one in self.findings:
            lines.append(f"  {one.severity}: {one.rule}: {one.sentence}.")
            lines += [f"    {one.which_are}: {', '.join(map(str, one.which))}"] if one.which else []
        lines += [f"  left out: {name}: {because}." for name, because in self.silenced]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentence, and every finding."""
        found = "".join(
            f"<li>{one.severity}: {escape(one.rule)}: {escape(one.sentence)}.</li>" for one in self.findings
        )
        return f"<p><b>{escape(self.sentence)}</b></p>" + (f"<ul>{found}</ul>" if found else "")

    @cached_property
    def figures(self) -> dict[str, dict[str, Any]]:
        """The numbers behind the figures, computed when they are first asked for."""
        return figures(self.sketch, labels=self.labels, seed=self.seed)

    def to_json(self) -> dict[str, Any]:
        """All of it as a dict for JSON, by docs/diagnosis.schema.json; what is not finite is None."""
        return {
            "schema": SCHEMA,
            "fullrank": version("fullrank"),
            "source": self.source,
            "read_as": self.read_as,
            "where": self.where,
            "profile": self.profile,
            "n": self.n,
            "dims": self.dims,
            "views": self.views,
            "left_out": self.left_out,
            "groups": self.sketch.groups,
            "labeled": self.labels is not None,
            "verdict": self.verdict,
            "kind": self.kind,
            "sentence": self.sentence,
            "measurements": [_measurement(one) for one in self.measurements.values()],
            "findings": [as_json(one) for one in self.findings],
            "silenced": [{"rule": name, "because": because} for name, because in self.silenced],
            "unasked": [{"rule": name, "needs": [*needed]} for name, needed in self.unasked],
            "figures": self.figures,
            **({} if self.beside is None else {"beside": dict(zip(_BESIDE, self.beside, strict=True))}),
        }

    def to_html(self, path: str | Path) -> None:
        """Write one self-contained HTML page."""
        from fullrank.report.diagnosis.page import write_diagnosis

        write_diagnosis(self.to_json(), Path(path))

    def raise_for_status(self) -> None:
        """Raise a CollapseError, which is an AssertionError, with the sentence if the verdict is "collapsed"."""
        if self.verdict == "collapsed":
            raise CollapseError(self.sentence)


def _measurement(one: Measured) -> dict[str, Any]:
    entry = RECORDS[one.name]
    return {
        "name": one.name,
        "title": entry.title,
        "value": _finite(one.value),
        "low": _finite(one.low),
        "high": _finite(one.high),
        "null": _finite(one.null),
        "healthy": _finite(one.healthy),
        "direction": entry.direction,
        "group": entry.group,
        "conventions": entry.how,
        "blind_to": sorted(entry.blind_to or ()),
        "sampled": one.sampled,
        "which": [*one.which],
        "which_are": entry.which_are,
    }


def as_json(one: Finding) -> dict[str, Any]:
    """A finding as the JSON of a diagnosis has it."""
    return {
        "rule": one.rule,
        "kind": one.kind,
        "severity": one.severity,
        "sentence": one.sentence,
        "evidence": [*one.evidence],
        "which": [*one.which],
        "which_are": one.which_are,
        "why": one.advice.why,
        "causes": [{"cause": cause.text, "test": cause.test} for cause in one.advice.causes],
        "remedies": [{"text": remedy.text, "code": remedy.code} for remedy in one.advice.remedies],
        "verify": one.advice.verify,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def saved_side(content: Mapping[str, Any], name: str) -> Side:
    """The JSON of a report with the numbers under the names of today; a UserError that begins with the name if it is
    none.

    >>> saved_side({"z": 1}, "old.json")
    Traceback (most recent call last):
    fullrank.errors.UserError: old.json is not a report of version 1: pass the report.json of `fullrank diagnose`.
    """
    try:
        rows, findings = _rows(content), _findings(content)
        known = content["schema"] == SCHEMA and "kind" in content
        known = known and all(isinstance(content[word], str) for word in _WORDS)
        known = known and isinstance(content.get("profile", ""), str)
        known = known and all(isinstance(content[size], int) for size in ("n", "dims"))
        known = known and all(isinstance(x, int | float) for x in spectrum_of(content))
    except (KeyError, TypeError, AttributeError, IndexError):
        known = False
    if not known:
        raise UserError(f"{name} is not a report of version 1: pass the report.json of `fullrank diagnose`.")
    return {**content, "measurements": rows, "findings": findings}


def _rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The measurements; what is missing or of another type raises an error of Python."""
    rows = [{**row, "name": NUMBERS.get(row["name"], row["name"])} for row in content["measurements"]]
    for row in rows:
        numbers = (row["value"], row["low"], row["high"])
        if not isinstance(row["title"], str) or not all(isinstance(x, int | float | None) for x in numbers):
            raise TypeError
    return rows


def _findings(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The findings, of which the severity and the first evidence are used; raises errors as above."""
    found = []
    for one in content.get("findings", []):
        first, *others = one["evidence"]
        found.append({**one, "severity": one["severity"], "evidence": [NUMBERS.get(first, first), *others]})
    return found


def common_profile(asked: str | None, reports: Iterable[Report | Side]) -> str:
    """The profile of the reports, so that both sides are judged alike; a UserError if they differ or none is known."""
    judged = {one.profile if isinstance(one, Report) else one.get("profile", "generic") for one in reports}
    judged |= {asked} if asked is not None else set()
    for name in judged:
        find_profile(name)
    if len(judged) > 1:
        both = " and as ".join(sorted(judged))
        raise UserError(f"The embeddings are judged as {both}: judge both sides with one and the same profile.")
    return judged.pop() if judged else "generic"


def spectrum_of(side: Side) -> list[float]:
    """The eigenvalues of a report's JSON, largest first; none if it has no figures."""
    return list(side.get("figures", {}).get("spectrum", {}).get("eigenvalue", []))
