"""A reader of text with numbers between white space: numpy.savetxt, word2vec and GloVe; one embedding per line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fullrank.embeddings.delimited import Layout, is_number
from fullrank.embeddings.source import LINE, EmbeddingFile, damage, opened, rows_at_once
from fullrank.errors import UserError

_LOOK = 100  # lines that say which columns are embeddings


@dataclass(frozen=True)
class _Plan:
    """Which cells of a line are its numbers, and whether the first line is a heading above them."""

    headed: bool
    words: bool
    cells: tuple[int, ...]
    width: int
    left_out: tuple[str, ...]
    promised: int | None
    """Rows, by the first line of word2vec."""


def read_spaced(path: Path, how: Layout) -> EmbeddingFile:
    """The numbers of every line, without a word before them, a column of whole numbers, or a first line of counts."""
    name = str(path)
    with damage(name, "text"):
        plan = _plan(name, list(islice((cells for cells in _lines(path) if not _marked(cells)), _LOOK)), how)
    dims = len(plan.cells)

    def read(start: int, stop: int | None) -> Iterator[Tensor]:
        at = start
        with damage(name, "text"):
            chosen = islice(_body(path, plan, how), start, stop)
            while some := list(islice(chosen, rows_at_once(dims, 8))):
                at += len(some)
                yield torch.from_numpy(np.array([_row(name, line, plan, how) for line in some]))
        if stop is None and plan.promised not in (None, at):
            raise UserError(f"{name} has {at} rows, and its first line says {plan.promised}: write it again, whole.")

    return EmbeddingFile(name, None, dims, "float64", read, left_out=plan.left_out)


def _lines(path: Path) -> Iterator[list[str]]:
    """The cells of the lines that are not empty."""
    with opened(path) as file:
        for line in iter(lambda: file.readline(LINE), b""):
            if len(line) >= LINE:
                raise UserError(f"{path} has a line of more than {LINE} bytes: write one embedding per line.")
            cells = line.decode("utf-8-sig").split()
            if cells:
                yield cells


def _marked(cells: Sequence[str]) -> bool:
    """Whether a line begins as comments do."""
    return cells[0].startswith("#")


def _body(path: Path, plan: _Plan, how: Layout) -> Iterator[list[str]]:
    """The lines of embeddings; a word that begins with # has one, too."""
    headed = plan.headed
    for cells in _lines(path):
        if _marked(cells):
            if plan.words and len(cells) - 1 == plan.width == _count(cells[1:], how):
                yield cells
        elif headed:
            headed = False
        else:
            yield cells


def _plan(name: str, lines: Sequence[list[str]], how: Layout) -> _Plan:
    if not lines:
        raise UserError(f"{name} is empty: pass at least one row.")
    left, promised = [], None
    if len(lines) > 1 and len(lines[0]) == 2 != len(lines[1]) and all(cell.isdigit() for cell in lines[0]):
        left, promised = ["the first line (how many words and dimensions)"], int(lines[0][0])
    elif len(lines) > 1 and how.named:
        left = ["the first line (names)"]
    headed = bool(left)
    body = lines[headed:]
    words = not is_number(body[0][0], how.decimal)
    if words:
        left.append("the first word of each line")
    width = len(body[0]) - words
    table = [row[len(row) - width :] for row in body if len(row) >= width]
    whole = [j for j in range(width) if all(_is_whole(row[j]) for row in table) and any(row[j] != "0" for row in table)]
    codes = [j for j in range(width) if j not in whole and _are_codes([row[j] for row in table], how.decimal)]
    if len(codes) == 1 < width - len(whole):  # of several, any could be a dimension
        whole = sorted([*whole, *codes])
    cells = tuple(j for j in range(width) if j not in whole)
    if not cells:
        raise UserError(f"{name} holds no numbers with a fraction: pass floating-point embeddings, one per line.")
    left += [f"column {j + 1 + words} (whole numbers)" for j in whole]
    return _Plan(headed, words, cells, width, tuple(left), promised)


def _count(cells: Sequence[str], how: Layout) -> int:
    return sum(is_number(cell, how.decimal) for cell in cells)


def _is_whole(cell: str) -> bool:
    return cell.lstrip("+-").isdigit()


def _are_codes(cells: Sequence[str], decimal: str) -> bool:
    """Whether cells hold whole numbers that are written as floats, and not all the same, as labels are.

    >>> _are_codes(["0.0", "3e1"], "."), _are_codes(["1.0", "1.0"], "."), _are_codes(["0.5", "1.0"], ".")
    (True, False, False)
    """
    if not all(is_number(cell, decimal) for cell in cells):
        return False
    values = {float(cell.replace(decimal, ".")) for cell in cells}
    return len(values) > 1 and all(map(float.is_integer, values))


def _row(name: str, cells: list[str], plan: _Plan, how: Layout) -> list[float]:
    """The numbers of a line; the word before them may hold spaces itself."""
    more = len(cells) - plan.width
    try:
        if more < plan.words or (more and not plan.words):
            raise ValueError
        return [float(cells[more + j].replace(how.decimal, ".")) for j in plan.cells]
    except ValueError:
        wanted = "a number" if plan.width == 1 else f"{plan.width} numbers"
        raise UserError(
            f"{name} is ragged, or no numbers stand in the line '{' '.join(cells)[:40]}': write {wanted} in each line."
        ) from None
