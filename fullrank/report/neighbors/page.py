"""The page of nearest images: each query with its neighbors, as pictures in the page itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fullrank.report.html import render, write_html

_SIDE = 128  # pixels of a picture


@dataclass(frozen=True)
class Shown:
    """An image on the page: name, class, cosine with the query, and a picture as a data URI, or why there is none."""

    name: str
    label: str
    cosine: float | None
    picture: str | None
    why: str = ""


@dataclass(frozen=True)
class Query:
    """An image that was asked about, and those nearest to it, the nearest first."""

    image: Shown
    neighbors: Sequence[Shown]

    @property
    def alike(self) -> str:
        """How many of the neighbors are of the query's class, where that is known."""
        known = [one for one in self.neighbors if one.label]
        if not self.image.label or not known:
            return ""
        return f"{sum(one.label == self.image.label for one in known)} of {len(known)} are {self.image.label}"


def missing(queries: Sequence[Query]) -> str:
    """How many images have no picture, with the reason of the first and the remedy; empty if all have one.

    >>> missing([Query(Shown("a.png", "", None, None, "there is no photos/a.png"), [])])
    '1 of 1 images is not shown (there is no photos/a.png): --images names the folder of their files.'
    """
    images = [one for query in queries for one in [query.image, *query.neighbors]]
    if not (unseen := [one for one in images if one.picture is None]):
        return ""
    verb = "is" if len(unseen) == 1 else "are"
    return (
        f"{len(unseen)} of {len(images)} images {verb} not shown ({unseen[0].why}): --images names the folder of their "
        "files."
    )


def write_neighbors(source: str, queries: Sequence[Query], out: Path, *, note: str = "") -> Path:
    """Write the page, complete or not at all, self-contained and without scripts; returns its path."""
    return write_html(render("neighbors/page.html.j2", {"source": source, "queries": queries, "note": note}), out)


def thumbnail(picture: Image.Image) -> str:
    """A small JPEG of a picture as a data URI.

    >>> thumbnail(Image.new("RGB", (400, 300)))[:23]
    'data:image/jpeg;base64,'
    """
    small = picture.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
