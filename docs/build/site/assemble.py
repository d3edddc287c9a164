"""Pages for Sphinx in one folder: those of docs/, the project's own, and the reference; links follow them there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from docs.build.site import reference

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")  # beside docs/, and pages of the site
SECTIONS = {  # of the site, in its order
    "Getting started": ("start/photographs", "start/embeddings", "start/loop"),
    "How to": (
        "how/choose",
        "how/findings",
        "reference/kinds/index",
        "data",
        "how/weights",
        "in_and_out",
        "how/cluster",
        "how/few_labels",
        "transfer",
        "detection",
        "how/export",
        "how/gate",
        "watching",
        "diagnosis",
        "comparison",
        "settings",
    ),
    "Explanation": ("explain/collapse", "explain/papers", "explain/ranks"),
    "Evidence": ("papers", "checks", "calibration", "reliability", "scale", "speed", "sets"),
    "Reference": ("reference/index", "losses", "contract"),
    "Project": ("architecture", "style", "CONTRIBUTING", "SECURITY", "CHANGELOG"),
}
CONF = """\
project = "FullRank"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "FullRank"
html_show_copyright = False
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
html_static_path = ["_static"]
html_css_files = ["style.css"]
"""


_LINK = re.compile(r"\[((?:`[^`\n]*`|[^\[\]`])*)\]\(([^()\s]+)\)")


def assemble(out: Path) -> None:
    """Write conf.py and all pages to the empty folder `out`."""
    sources = {str(path.relative_to(ROOT / "docs").with_suffix("")): path for path in (ROOT / "docs").rglob("*.md")}
    sources |= {Path(name).stem: ROOT / name for name in PROJECT}
    places = {path: name for name, path in sources.items()}
    for name, path in sources.items():
        _write(out / f"{name}.md", moved(path, name, places, out))
    for name, text in reference.pages().items():
        _write(out / "reference" / f"{name}.md", text)
    named = {page for pages in SECTIONS.values() for page in pages}
    there = {*sources, "reference/index", "reference/kinds/index"}
    trees = [reference.toctree([page for page in pages if page in there], title) for title, pages in SECTIONS.items()]
    rest = reference.toctree(sorted(set(sources) - named - {"index"}), "Results", hidden=True)
    _write(out / "index.md", "\n".join([(ROOT / "docs" / "index.md").read_text(encoding="utf-8"), *trees, rest]))
    _write(out / "conf.py", CONF)
    _write(out / "_static" / "style.css", "td { vertical-align: top; }\n")


def moved(path: Path, name: str, places: Mapping[Path, str], out: Path) -> str:
    """A page as it stands on the site: links follow the pages, files come along, and other places are no links."""

    def link(match: re.Match[str]) -> str:
        shown, place = match.groups()
        target, sharp, anchor = place.partition("#")
        if "://" in place or not target:
            return match.group(0)
        file, folder = (path.parent / target).resolve(), Path(name).parent
        if file in places:
            return f"[{shown}]({os.path.relpath(f'{places[file]}.md', folder)}{sharp}{anchor})"
        if not (file.is_file() and file.is_relative_to(ROOT / "docs")):
            return shown
        beside = file.relative_to(ROOT / "docs")
        (out / beside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, out / beside)
        return f"[{shown}]({os.path.relpath(beside, folder)})"

    parts = re.split(r"(```.*?```)", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
