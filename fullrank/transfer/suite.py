"""Transfer to several data sets, in one table: those of torchvision by short names, other named sets, and paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from fullrank.engine.launcher import process_rank
from fullrank.engine.progress import first_speaks
from fullrank.engine.signals import Ending
from fullrank.errors import UserError
from fullrank.runs import read_json
from fullrank.terminal import say
from fullrank.transfer.evaluate import Asked, judge, question, refuse_numbers, settled, together
from fullrank.transfer.options import Where
from fullrank.transfer.place import begin, end, known_folder, refuse_others
from fullrank.transfer.protocols import Protocol
from fullrank.transfer.results import sentences, settings_rows, write_results
from fullrank.transfer.task import Say, Wanted, refuse_idle, task_of

SETS = {
    "flowers102": "Flowers102",
    "pets": "OxfordIIITPet",
    "dtd": "DTD",
    "food101": "Food101",
    "eurosat": "EuroSAT",
    "caltech101": "Caltech101",
    "aircraft": "FGVCAircraft",
    "cars": "StanfordCars",
    "svhn": "SVHN",
    "sun397": "SUN397",
}


def places(names: Sequence[str]) -> dict[str, str]:
    """The data of each name of a suite, in its order; a name with commas is several, and a name twice a UserError.

    >>> places(["dtd,digits", "my/photos/"])
    {'dtd': 'torchvision:DTD', 'digits': 'digits', 'photos': 'my/photos/'}
    """
    found: dict[str, str] = {}
    for name in [part for given in names for part in ([given] if Path(given).exists() else given.split(",")) if part]:
        short = name if name in SETS else Path(name).name
        if short in found:
            raise UserError(f"--suite has {short} twice: pass each data set once, under a name of its own.")
        found[short] = f"torchvision:{SETS[name]}" if name in SETS else name
    return found


def evaluate_suite(
    names: Sequence[str], wanted: Wanted, asked: Asked, where: Where, console: Console, *, out: Path | None = None
) -> tuple[Path, Ending]:
    """Judge an encoder on each data set; the folder with the table, and how it ended: false if stopped.

    All data sets are opened before the first is scored, so that one that is missing is said at once. The folder is
    `out`, or RUN/transfer/suite-PROTOCOL for a run; what is there already is not computed again.
    """
    refuse_numbers(wanted, asked, where)
    console = first_speaks(console)
    if wanted.data is not None:
        raise UserError("--data and --suite both say which images: pass one of them.")
    tell, sets = partial(say, console), places(names)
    refuse_idle(wanted, [*sets.values()])
    tasks = {name: task_of(replace(wanted, data=[place]), seed=0, say=tell) for name, place in sets.items()}
    hows: dict[str, Protocol] = {}
    for name, task in tasks.items():
        tell(f"{name}:")
        hows[name] = settled(asked, task, tell)
    suite = f"suite-{asked.protocol}"
    known, kept = known_folder(wanted, suite, out), dict[str, dict[str, Any]]()
    if known is not None:
        refuse_others(known, "suite")
        for name, task in tasks.items():
            refuse_others(known / name, "evaluation")
            if (file := known / name / "result.json").exists():
                kept[name] = _answered(file, question(task, hows[name], asked, where))
    out = together([*hows.values()], where, suite, known)
    if process_rank() == 0:
        begin(out, "suite")
    found: dict[str, dict[str, Any]] = {}
    for name, task in tasks.items():
        content = kept.get(name) or judge(out / name, task, hows[name], asked, where, console, source=wanted.source)
        if isinstance(content, Ending):
            return out, content
        found[name] = content
        for line in sentences(content.get("rows", {})):
            tell(f"{name}: {line.strip()}")
    if process_rank() == 0:
        _write(out, found, hows[name], tell)
        end(out)
    return out, Ending(True)


def _answered(file: Path, now: Mapping[str, Any]) -> dict[str, Any]:
    """The result that is there already; raises UserError if it answers another question than what is asked now."""
    content = read_json(file)
    before = content.get("asked")
    if before is None:
        raise UserError(
            f"{file.parent} holds an evaluation of a former version, which did not note its encoder and images: remove "
            "it, or pass another --out."
        )
    if changed := [name for name, value in now.items() if before.get(name) != value]:
        raise UserError(
            f"{file.parent} holds another evaluation (with another {', '.join(changed)}): remove it, or pass another "
            "--out."
        )
    return content


def _write(out: Path, found: Mapping[str, dict[str, Any]], how: Protocol, tell: Say) -> None:
    """The table of all data sets."""
    rows = {
        f"{name}: {part}": {"last": row["last"], "best": row["best"]}
        for name, content in found.items()
        for part, row in content["rows"].items()
    }
    first = next(iter(found.values()))
    tops = [content["rows"]["linear"]["last"]["top1"]["mean"] for content in found.values()]
    mean = 100 * sum(tops) / len(tops)
    sets = f"{len(found)} data set{'s' if len(found) > 1 else ''}"
    content = {
        "kind": "suite",
        "source": first["source"],
        "data": ", ".join(found),
        "scored_on": sets,
        "protocol": how.name,
        "protocol_source": how.source,
        "notes": [f"{name}: {one['scored_on']}." for name, one in found.items()] + list(how.notes),
        "sentence": f"{sets}: linear {mean:.1f} %{' on average' if len(found) > 1 else ''}.",
        "classes": [],
        "seeds": first["seeds"],
        "rows": rows,
        "settings": settings_rows({"linear": how.linear, "knn": how.knn}),
    }
    write_results(out, content, {})
    tell(content["sentence"])
