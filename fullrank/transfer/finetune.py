"""Fine-tune an encoder on all labels or a share of them, in a run folder that can be gone on with, with a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from safetensors.torch import save

from fullrank.data import select
from fullrank.data.identity import OBJECT, absolute, fingerprint
from fullrank.data.missing import MISSING, Missing
from fullrank.data.options import data_name
from fullrank.data.sources.objects import is_object, places_in
from fullrank.engine.device import this_device, world
from fullrank.engine.environment import environment
from fullrank.engine.launcher import folder_of_all, process_rank, refuse_uneven
from fullrank.engine.options import require_numbers
from fullrank.engine.progress import first_speaks
from fullrank.engine.signals import Ending
from fullrank.errors import UserError
from fullrank.evaluation.embed import identity
from fullrank.nn import SavedEncoder, encoder_bytes
from fullrank.nn.encoder import encoder_name
from fullrank.nn.weights import LIBRARIES
from fullrank.runs import read_as_run, read_json, refuse_used, sole_writer, write_json
from fullrank.runs import replace as put
from fullrank.runs.kind import require_made_by
from fullrank.runs.reading import record_of, value_of
from fullrank.terminal import say
from fullrank.transfer.fit import Fit, Fitted, fit
from fullrank.transfer.labels import Labels, said, write_list
from fullrank.transfer.options import LEAST, Changes, Finetuning, Reading, Where
from fullrank.transfer.protocols import Classify, Protocol, with_finetuning
from fullrank.transfer.results import row_of, say_top5, sentences, settings_rows, write_results
from fullrank.transfer.task import Say, Task, Wanted, labels_of, refuse_idle, task_of

ENCODER, CONTROL = "fine-tuned", "from scratch"


@dataclass(frozen=True, eq=False)
class Job:
    """What a fine-tuning means for its images."""

    task: Task
    asked: Finetuning
    labels: Labels
    how: Classify
    protocol: Protocol
    where: Where
    most: float  # share of the images that may be missing


def start(
    wanted: Wanted, asked: Finetuning, changes: Changes, where: Where, console: Console, *, out: Path | None = None
) -> tuple[Path, Ending]:
    """Fine-tune in a new run folder; the folder, and how it ended: false if it was stopped before the end.

    Everything that can be wrong is found before the folder is made.
    """
    if out is not None and process_rank() == 0:
        refuse_used(out)
    console = first_speaks(console)
    processes = world(where.options(out))
    refuse_idle(wanted)
    job = prepare(wanted, asked, changes, where, console)
    refuse_uneven(job.how.batch_size, processes)
    name = f"finetune-{Path(wanted.source).name.replace(':', '-')}-{data_name(job.task.name)}"

    def fill(folder: Path) -> None:
        write_json(folder / "config.json", _config(wanted, changes, job))
        write_json(folder / "env.json", environment(this_device()))

    with folder_of_all(out, name, fill) as folder:
        return folder, finish(folder, job, console)


def resume(folder: Path, console: Console, *, data: object = None) -> Ending:
    """Go on with a fine-tuning exactly where its last checkpoint was; `data` are its images, where they have moved.

    Raise a UserError if it is finished, or where encoder or images are not those that it began with.
    """
    config, console = read_json(folder / "config.json"), first_speaks(console)
    require_made_by("finetune", folder, config)
    if (folder / "result.json").exists():
        raise UserError(f"{folder} is finished: fine-tune with another --out for a new one.")
    with read_as_run(folder):
        if data is None and config["wanted"]["data"] == OBJECT:
            raise UserError(f"The images of {folder} were an object: pass it again, as data= from Python.")
        asked, changes = record_of(Finetuning, config["asked"]), record_of(Changes, config["changes"])
        where = record_of(Where, config["where"])
        job = prepare(_kept(config["wanted"], data), asked, changes, where, console, record=folder / MISSING)
        for what, now in _identity(job).items():
            if config[what] != now:
                raise UserError(
                    f"{folder} was begun with another {what}: put it back, or begin anew with another --out."
                )
    return finish(folder, job, console)


def _kept(wanted: dict[str, Any], data: object) -> Wanted:
    """What config.json says of encoder and images; `data` are these in their new place."""
    reading = Reading.from_json(wanted["reading"])
    said = {name: value_of(name, str | None, wanted[name]) for name in ("source", "backbone", "data_root")}
    trust = bool(value_of("trust", bool, wanted["trust"]))
    root = None if said["data_root"] is None else Path(said["data_root"])
    images = data or value_of("data", str | tuple[str, ...] | None, wanted["data"])
    return Wanted(
        source=str(said["source"]), backbone=said["backbone"], data=images, data_root=root, reading=reading, trust=trust
    )


def prepare(
    wanted: Wanted,
    asked: Finetuning,
    changes: Changes,
    where: Where,
    console: Console,
    *,
    record: Path | None = None,
) -> Job:
    """Open the encoder, read images and list, choose the protocol's settings; what was chosen is said.

    `record` is that of the missing images of a fine-tuning that goes on.
    """
    tell = partial(say, console)
    require_numbers(vars(asked) | vars(where) | vars(wanted.reading), LEAST)
    labels = Labels.of(asked.labels)
    task = task_of(wanted, seed=0, say=tell, record=record)
    if not any(parameter.requires_grad for parameter in task.model.encoder.parameters()):
        raise UserError(f"{wanted.source} has no weights that can be trained: pass a run, or the file of an encoder.")
    task = labels.learned_from(task)
    rows = labels.rows(task, 0)
    share = len(rows) / len(task.train)
    protocol = with_finetuning(asked.protocol, image_size=task.model.encoder.image_size, labels=share)
    assert protocol.finetune is not None
    how = changes.of(protocol.finetune)
    tell(f"Protocol {protocol.name}: {protocol.source}.")
    tell(f"Learned from {said(rows, labels_of(task.train), task.classes)}; scored on {task.about}.")
    say_top5(len(task.classes), tell)
    return Job(task, asked, labels, how, protocol, where, wanted.reading.most_corrupt)


def finish(folder: Path, job: Job, console: Console) -> Ending:
    """Train what is not yet trained of a folder, and write its result and page; false if it was asked to stop."""
    tell = partial(say, console)
    missing = Missing(job.task.whole, job.task.root, job.most, folder / MISSING, tell)
    first = process_rank() == 0
    with sole_writer(folder) if first else nullcontext():
        done: dict[str, list[Fitted]] = {ENCODER: [], **({CONTROL: []} if job.asked.control else {})}
        for seed in range(job.asked.seeds):
            for name, found in done.items():
                fitted = _fit(folder, job, name, seed, missing, console)
                if isinstance(fitted, Ending):
                    return fitted
                found.append(fitted)
        if first:
            _write(folder, job, done, tell)
        if lost := missing.summary():
            tell(lost)
    return Ending(True)


def _fit(folder: Path, job: Job, name: str, seed: int, missing: Missing, console: Console) -> Fitted | Ending:
    task = job.task
    rows = job.labels.rows(task, seed)
    encoder: SavedEncoder = task.model if name == ENCODER else task.model.untrained(seed)
    at = folder / f"{name.replace(' ', '-')}-{seed}"
    one = Fit(encoder, select(task.train, rows), task, job.how, seed, missing)
    fitted = fit(at, one, job.where, console, name=f"{name}, seed {seed}")
    if not isinstance(fitted, Ending) and process_rank() == 0:
        write_list(folder / f"labels-{seed}.txt", task.rows[rows], task.whole)
        _keep(at, encoder, fitted, task)
    return fitted


def _keep(at: Path, encoder: SavedEncoder, fitted: Fitted, task: Task) -> None:
    """encoder.safetensors and head.safetensors of a finished classifier."""
    span = task.range or encoder.range  # images of 8 bits have none
    trained = fitted.classifier.encoder
    content = encoder_bytes(trained, mean=encoder.mean, std=encoder.std, recipe="finetune", span=span)
    put(at / "encoder.safetensors", lambda beside: beside.write_bytes(content))
    head = {name: value.detach().cpu().contiguous() for name, value in fitted.classifier.head.state_dict().items()}
    said = save(head, metadata={"classes": json.dumps([*task.classes])})
    put(at / "head.safetensors", lambda beside: beside.write_bytes(said))


def _write(folder: Path, job: Job, done: Mapping[str, list[Fitted]], say: Say) -> None:
    task, how = job.task, job.protocol
    rows = {name: row_of([one.last for one in found], [one.course for one in found]) for name, found in done.items()}
    top = {name: row["last"]["top1"]["mean"] for name, row in rows.items()}
    chosen = job.labels.rows(task, 0)
    content = {
        "kind": "finetuning",
        "source": task.model.place,
        "data": task.name,
        "scored_on": task.about,
        "labels": {"said": job.asked.labels, "images": len(chosen), "of": len(task.train)},
        "protocol": how.name,
        "protocol_source": how.source,
        "notes": [
            f"Learned from {said(chosen, labels_of(task.train), task.classes)}"
            + ("." if job.asked.seeds == 1 or job.labels.file else "; another draw for each seed."),
            *how.notes,
            *([_OF_CONTROL] if job.asked.control else []),
        ],
        "sentence": f"{task.name}: {', '.join(f'{name} top-1 {100 * value:.1f} %' for name, value in top.items())}.",
        "classes": [*task.classes],
        "seeds": [*range(job.asked.seeds)],
        "rows": rows,
        "settings": settings_rows({"finetune": job.how}),
    }
    write_results(folder, content, {name: [one.last for one in found] for name, found in done.items()})
    for line in sentences(rows):
        say(line)


_OF_CONTROL = "The control from scratch has the protocol's settings too, which were made for a pretrained encoder."


def _config(wanted: Wanted, changes: Changes, job: Job) -> dict[str, Any]:
    """What resume needs; places mean the same from every working directory."""
    data = None if wanted.data is None else OBJECT if is_object(wanted.data) else absolute(_one(wanted.data))
    file, *of_it = wanted.source.partition("::")
    source = wanted.source if wanted.source.startswith(LIBRARIES) else "".join((str(Path(file).resolve()), *of_it))
    backbone = wanted.backbone and encoder_name(wanted.backbone)
    asked = job.asked if job.labels.file is None else replace(job.asked, labels=str(job.labels.file.resolve()))
    classes, root = (path and path.absolute() for path in (wanted.reading.classes, wanted.data_root))
    reading = replace(wanted.reading, classes=classes)
    kept = replace(wanted, source=source, backbone=backbone, data=None, data_root=root, reading=reading)
    return {
        "kind": "finetuning",
        "wanted": {**asdict(kept), "data": data},
        "asked": asdict(asked),
        "changes": asdict(changes),
        "where": asdict(job.where),
        **_identity(job),
    }


def _one(data: object) -> str | list[str]:
    places = places_in(data)
    return places[0] if len(places) == 1 else places


def _identity(job: Job) -> dict[str, Any]:
    """What must be the same where a fine-tuning goes on."""
    return {
        "encoder": identity(job.task.model),
        "images": fingerprint(job.task.train),
        "list": None if job.labels.file is None else job.labels.file.read_text("utf-8", "surrogateescape"),
    }
