"""Writes docs/papers.md: `python -m docs.build.papers`."""

from __future__ import annotations

import sys

from docs.build.papers.page import page
from docs.build.papers.results import DOCS

(DOCS / "papers.md").write_text(page(), encoding="utf-8")
sys.stdout.write(f"{DOCS / 'papers.md'}\n")
