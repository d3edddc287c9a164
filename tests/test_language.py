"""The forms that docs/style.md replaces do not come back, in code, tests or pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXTS = [
    *sorted((ROOT / "fullrank").rglob("*.py")),
    *sorted((ROOT / "fullrank").rglob("*.j2")),
    *sorted((ROOT / "fullrank").rglob("*.toml")),
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "style.md"),
    *sorted(page for folder in ("start", "how", "explain") for page in (ROOT / "docs" / folder).glob("*.md")),
    ROOT / "README.md",
]
_NOT_A_NOUN = "a|and|as|along|for|from|if|in|is|nor|of|on|or|than|that|to|with|without"
_UNITS = "class|column|document|dimension|file|format|image|line|page|row|sample|slice|step|view"
FORMS = {
    "one X a Y": rf"\b(?:[Oo]ne|[Aa]n?) (?!(?:{_NOT_A_NOUN})\b)[a-z]+ an? (?:{_UNITS})\b",
    "one a X": rf"\bone an? (?:{_UNITS}|point)\b",
    "is no X": r"(?<![Tt]here )(?<=\S )is no (?!longer|less|more|better|worse|faster|slower|one\b)[a-z]+",
    "drawn by lot": r"\bby lot\b",
    "participle first": r"(?:^ *|[.:;|] |\"\"\")[A-Z][a-z]+(?:ed|wn) (?:is|are|was|were)\b",
    "error without a verb": r"(?:[.;] |\"\"\")UserError (?:if|for|where|unless|which)\b",
    "terms of the field": r"\btowers?\b|nobody's neighbor|passes a gradient|objective of single samples|is no use|"
    r"only therefore|in the mean\b",
    "British spelling": r"(?i)\b(?:neighbour|centre[ds]?\b|normalis|optimis|initialis|colour|behaviour|regularis)",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_does_not_come_back(form: str) -> None:
    found = []
    for path in TEXTS:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if (match := re.search(FORMS[form], line)) and f"{path.name}: {match[0]}" not in ALLOWED:
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


ALLOWED = {
    "former.py: neighbour",  # names in the files of version 0.1.0
    "module.py: centre",
}


def test_the_forms_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "style.md").read_text(encoding="utf-8")
    left = ". ".join(row.split("|")[1].strip() for row in page.splitlines() if row.startswith("|"))
    assert [form for form, pattern in FORMS.items() if not re.search(pattern, left)] == []
