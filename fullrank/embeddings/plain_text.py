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
    """How many lines come before the first embedding, and which cells of a line are its numbers."""

    skipped: int
    words: bool
    cells: tuple[int, ...]
    width: int
    left_out: tuple[str, ...]


def read_spaced(path: Path, how: Layout) -> EmbeddingFile:
    """The numbers of every line, without a word before them, a column of whole numbers, or a first line of counts."""
    name = str(path)
    with damage(name, "text"):
        plan = _plan(name, list(islice(_lines(path), _LOOK)), how)
    dims = len(plan.cells)

    def read(start: int, stop: int | None) -> Iterator[Tensor]:
        begin = plan.skipped
        with damage(name, "text"):
            chosen = islice(_lines(path), begin + start, None if stop is None else begin + stop)
            while some := list(islice(chosen, rows_at_once(dims, 8))):
                yield torch.from_numpy(np.array([_row(name, line, plan, how) for line in some]))

    return EmbeddingFile(name, None, dims, "float64", read, left_out=plan.left_out)


def _lines(path: Path) -> Iterator[list[str]]:
    """The cells of the lines that are neither empty nor comments."""
    with opened(path) as file:
        for line in iter(lambda: file.readline(LINE), b""):
            if len(line) >= LINE:
                raise UserError(f"{path} has a line of more than {LINE} bytes: write one embedding per line.")
            cells = line.decode("utf-8-sig").split()
            if cells and not cells[0].startswith("#"):
                yield cells


def _plan(name: str, lines: Sequence[list[str]], how: Layout) -> _Plan:
    if not lines:
        raise UserError(f"{name} is empty: pass at least one row.")
    left, skipped = [], 0
    if len(lines) > 1 and len(lines[0]) == 2 != len(lines[1]) and all(cell.isdigit() for cell in lines[0]):
        left, skipped = ["the first line (how many words and dimensions)"], 1
    elif len(lines) > 1 and how.named and _count(lines[0], how) in (*range(_count(lines[1], how)), len(lines[0])):
        left, skipped = ["the first line (names)"], 1
    body = lines[skipped:]
    words = not is_number(body[0][0], how.decimal)
    if words:
        left.append("the first word of each line")
    width = len(body[0]) - words
    table = [row[len(row) - width :] for row in body if len(row) >= width]
    whole = [j for j in range(width) if all(_is_whole(row[j]) for row in table) and any(row[j] != "0" for row in table)]
    cells = tuple(j for j in range(width) if j not in whole)
    if not cells:
        raise UserError(f"{name} holds no numbers with a fraction: pass floating-point embeddings, one per line.")
    left += [f"column {j + 1 + words} (whole numbers)" for j in whole]
    return _Plan(skipped, words, cells, width, tuple(left))


def _count(cells: Sequence[str], how: Layout) -> int:
    return sum(is_number(cell, how.decimal) for cell in cells)


def _is_whole(cell: str) -> bool:
    return cell.lstrip("+-").isdigit()


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
