"""`make`: every source, as it is and ruined, as one .npy, and one line about each in sets.jsonl."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .ruin import RUINS, Duty, Ruin, ruins_for
from .source import Half, Source, seed_of

MOST = 3000  # rows of a set
RUINED = 600  # rows of a ruined one, of which there are many
_DUTY: dict[str, Duty] = {"healthy": "harmless", "ruined": "must", "open": "may"}


@dataclass(frozen=True)
class Set:
    """What is known of one file of embeddings.

    duty: it "must" be called degraded or collapsed, it must not ("harmless"), a finding must "name" one of `kinds`, or
    either is right ("may"). labels: the file of them; with it the labels are told.
    """

    name: str
    source: str
    domain: str
    profile: str
    half: Half
    duty: Duty
    ruin: str
    grade: str
    kinds: tuple[str | None, ...]
    n: int
    dims: int
    file: str
    labels: str | None = None


def slug(text: str) -> str:
    """A file name of a text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def make(folder: Path, sources: Iterable[Source]) -> None:
    """Add the sets of these sources to a folder; those that are there stay."""
    known = {one.name: one for one in read(folder)} if (folder / "sets.jsonl").exists() else {}
    for source in sources:
        if f"{source.name}: as it is" in known:
            continue
        print(source.name, flush=True)
        found = _of_source(folder, source)
        known |= {one.name: one for one in found}
        lines = [json.dumps(asdict(one)) for one in known.values()]
        (folder / "sets.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _of_source(folder: Path, source: Source) -> list[Set]:
    z, labels = source.make(folder)
    z, labels = z[:MOST].float(), None if labels is None else labels[:MOST]
    duty = _DUTY[source.expected]
    found = [_write(folder, source, z, "as it is", "", duty)]
    if labels is not None:
        found.append(_write(folder, source, z, "as it is, labels told", "", duty, labels=labels))
    return found + [_ruined(folder, source, z[:RUINED], ruin) for ruin in ruins_for(source, z.shape[1])]


def _ruined(folder: Path, source: Source, z: Tensor, ruin: Ruin) -> Set:
    random = torch.Generator().manual_seed(seed_of(source.name, ruin.name, ruin.grade))
    duty = ruin.duty_under(source.profile)
    return _write(folder, source, ruin.change(z, random), ruin.name, ruin.grade, duty, kinds=ruin.kinds)


def _write(
    folder: Path,
    source: Source,
    z: Tensor,
    ruin: str,
    grade: str,
    duty: Duty,
    *,
    kinds: tuple[str | None, ...] = (),
    labels: Tensor | None = None,
) -> Set:
    name = f"{source.name}: {ruin}{', ' if grade else ''}{grade}"
    file, beside = f"sets/{slug(name)}.npy", f"sets/{slug(name)}.labels.npy"
    (folder / "sets").mkdir(parents=True, exist_ok=True)
    np.save(folder / file, z.numpy().astype(np.float32))
    if labels is not None:
        np.save(folder / beside, labels.numpy())
    about = name, source.name, source.domain, source.profile, source.half
    n, dims = z.shape
    return Set(*about, duty, ruin, grade, kinds, n, dims, file, None if labels is None else beside)


def read(folder: Path) -> list[Set]:
    """The sets of a folder, with the duties and kinds that ruins have today."""
    lines = (folder / "sets.jsonl").read_text(encoding="utf-8").splitlines()
    found = [Set(**{**(one := json.loads(line)), "kinds": tuple(one["kinds"])}) for line in lines]
    ruins = {(ruin.name, ruin.grade): ruin for ruin in RUINS}

    def today(one: Set, ruin: Ruin) -> Set:
        return replace(one, duty=ruin.duty_under(one.profile), kinds=ruin.kinds)

    return [today(one, ruins[one.ruin, one.grade]) if one.grade else one for one in found]
