"""`fullrank neighbors FILE QUERY ...`: the images nearest to some, on a page that works offline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fullrank.commands._common import parse, terminal
from fullrank.errors import UserError
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from fullrank.embeddings import EmbeddingFile
    from fullrank.embeddings.described import Described
    from fullrank.report.neighbors.page import Shown


@dataclass(frozen=True, kw_only=True)
class Neighbors:
    """Show the images nearest to some, by the cosine of their embeddings."""

    file: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE")]
    """Embeddings that `fullrank embed` wrote: a file, or a pattern of its shards."""
    queries: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="QUERY")]
    """Rows of the file, by number from 0 or by name, or images, which its encoder embeds."""
    out: Path = Path("neighbors.html")
    """The page."""
    k: int = 12
    """Neighbors of each query."""
    images: Path | None = None
    """Folder of the images, if it has moved."""
    encoder: str | None = None
    """Encoder of the file (a run, a file, ...), if it has moved or the file does not name it."""
    trust: bool = False
    """Run the Python file of the encoder's network although you never ran it as it is now."""


def neighbors(options: Neighbors, console: Console) -> int:
    """Run the command; returns the exit code."""
    import torch

    from fullrank.embeddings import open_embeddings
    from fullrank.embeddings.described import described
    from fullrank.report.html import require_page
    from fullrank.report.neighbors.page import Query, missing, write_neighbors

    require_page(options.out)
    if not options.queries:
        raise UserError("Which images? Pass rows of the file, by number or name, or images behind it.")
    if options.k < 1:
        raise UserError(f"--k {options.k} is not a number of neighbors: pass 1 or more.")
    if options.images is not None and not options.images.is_dir():
        raise UserError(f"--images {options.images} is not a folder: pass the one that has the images of the file.")
    file, known = open_embeddings(options.file), described(options.file)
    if file.n not in (None, count := len(known.columns["name"])):
        raise UserError(f"{options.file} has {file.n} rows and {count} names: write it again by `fullrank embed`.")
    rows = [_row(query, known) for query in options.queries]
    if None not in rows:
        _refuse_encoder(options)
    asked = [_vector(query, row, options, known) for query, row in zip(options.queries, rows, strict=True)]
    near_each, left_out = _nearest(file, torch.stack(asked), options.k + 1)
    root = options.images or (Path(known.about["root"]) if known.about.get("root") else None)
    found = []
    for query, row, near in zip(options.queries, rows, near_each, strict=True):
        image = _shown(known, row, root) if row is not None else _image(query)
        others = [(at, cosine) for at, cosine in near if at != row][: options.k]
        found.append(Query(image, [_shown(known, at, root, value) for at, value in others]))
    note = " ".join(filter(None, (left_out, missing(found))))
    page = write_neighbors(options.file, found, options.out, note=note)
    for one in found:
        first = [other.name for other in one.neighbors[:3]] + ["..."] * (len(one.neighbors) > 3)
        alike = f" ({one.alike})" if one.alike else ""
        say(console, f"{one.image.name}: {', '.join(first) or 'there is no other image'}{alike}")
    if note:
        say(console, note)
    say(console, f"Page: {page}")
    return 0


def _nearest(file: EmbeddingFile, asked: Tensor, k: int) -> tuple[list[list[tuple[int, float]]], str]:
    """The nearest rows of each query (q, D) with their cosines, and what is said of rows that are left out."""
    from fullrank.evaluation.nearest import nearest

    broken = 0

    def chunks() -> Iterator[Tensor]:
        nonlocal broken
        for chunk in file.read(0, None):
            broken += int((~chunk.isfinite().all(1)).sum())
            yield chunk

    cosines, places = nearest(asked, chunks(), k)
    found = [
        [(at, cosine) for at, cosine in zip(near, values, strict=True) if cosine != -math.inf]
        for near, values in zip(places.tolist(), cosines.tolist(), strict=True)
    ]
    rows = f"{broken:,} row{'s' * (broken != 1)} with NaN or infinity"
    return found, f"Left out: {rows}." if broken else ""


def _row(query: str, known: Described) -> int | None:
    """The row that a query names, or None where it is an image."""
    names = known.columns["name"]
    if query in names:
        return names.index(query)
    if query.isdecimal():
        if int(query) >= len(names):
            raise UserError(f"There is no row {query}: pass 0 to {len(names) - 1}.")
        return int(query)
    if not Path(query).is_file():
        raise UserError(f"{query} is neither a row of the file nor an image: pass a number, a name or a path.")
    return None


def _refuse_encoder(options: Neighbors) -> None:
    """Raise a UserError for a flag of the encoder where no query is an image."""
    encoder, trust = (options.encoder is not None, "embeds images"), (options.trust, "is about the encoder of images")
    for flag, (given, does) in {"--encoder": encoder, "--trust": trust}.items():
        if given:
            raise UserError(f"{flag} {does}, and every query is a row of the file: leave it away.")


def _vector(query: str, row: int | None, options: Neighbors, known: Described) -> Tensor:
    """The embedding of a query (D,)."""
    from fullrank.embeddings import open_embeddings
    from fullrank.evaluation.embed import identity
    from fullrank.evaluation.model import open_model

    if row is not None:
        found: Tensor = next(iter(open_embeddings(options.file).read(row, row + 1)))[0]
        if not bool(found.isfinite().all()):
            raise UserError(f"Row {row} has NaN or infinity, so that nothing is near to it: pass another one.")
        return found
    place = options.encoder or known.about.get("encoder")
    if place is None:
        raise UserError(f"{options.file} does not name its encoder: pass --encoder, or a row instead of an image.")
    model = open_model(place, trust=options.trust)
    if known.about.get("encoder_sha256", identity(model)) != identity(model):
        raise UserError(f"{place} is not the encoder that made {options.file}: pass that one as --encoder.")
    return model.embed([query])[0]


def _shown(known: Described, row: int, root: Path | None, cosine: float | None = None) -> Shown:
    from fullrank.data import strict_decoding
    from fullrank.data.decode import reason, to_show
    from fullrank.report.neighbors.page import Shown, thumbnail

    name, picture, why = known.columns["name"][row], None, "the file does not say where they are"
    if root is not None:
        try:
            with strict_decoding():
                picture = thumbnail(to_show(root / name))
        except FileNotFoundError:
            why = f"there is no {root / name}"
        except Exception as error:  # decoders raise anything
            why = f"{root / name} cannot be read: {reason(error)}"
    label: Sequence[str] = known.columns.get("label", [])
    return Shown(name, label[row] if label else "", cosine, picture, why)


def _image(path: str) -> Shown:
    from fullrank.data import strict_decoding
    from fullrank.data.decode import to_show
    from fullrank.report.neighbors.page import Shown, thumbnail

    with strict_decoding():
        return Shown(path, "", None, thumbnail(to_show(Path(path))))


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return neighbors(parse(Neighbors, arguments, "neighbors"), terminal())
