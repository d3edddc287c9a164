"""Judge a frozen encoder as a paper did: neighbors, a linear head, and how its test set lies on the sphere."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from fullrank.data import ImageSet
from fullrank.data.options import data_name
from fullrank.engine.device import this_device, world
from fullrank.engine.launcher import lost_process_is_an_error, process_rank, refuse_uneven
from fullrank.engine.options import require_numbers
from fullrank.engine.progress import first_speaks
from fullrank.engine.signals import Ending
from fullrank.engine.trainer import launch
from fullrank.errors import UserError, as_flag
from fullrank.runs import new_run, sole_writer
from fullrank.terminal import say
from fullrank.transfer import protocols
from fullrank.transfer.fit import Fit, fit, settings_of
from fullrank.transfer.frozen.head import fit_head
from fullrank.transfer.frozen.neighbors import choose_k, votes
from fullrank.transfer.frozen.sphere import lies, projector_of
from fullrank.transfer.frozen.stored import Stored, store
from fullrank.transfer.options import LEAST, Changes, Where
from fullrank.transfer.place import SCRATCH, begin, end, in_a_path, known_folder, refuse_others
from fullrank.transfer.protocols import Neighbors, Protocol, protocol
from fullrank.transfer.results import row_of, say_top5, sentences, settings_rows, write_results
from fullrank.transfer.scores import Scores, scores_of
from fullrank.transfer.task import Say, Task, Wanted, labels_of, refuse_idle, task_of

Course = tuple[list[Scores], list[dict[str, Any]]]  # the scores of a head, the last one last, and those of the epochs


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a frozen encoder is judged."""

    protocol: str
    seeds: int = 1
    k: int | None = None
    choose_k: bool = False
    memory: float = 1.0
    changes: Changes = field(default_factory=Changes)


def evaluate_by_protocol(
    wanted: Wanted, asked: Asked, where: Where, console: Console, *, out: Path | None = None
) -> tuple[Path, Ending]:
    """Judge an encoder by a protocol; the folder with result.json and report.html, and how it ended: false if stopped.

    The folder is `out`, or RUN/transfer/PROTOCOL-DATA for a run; one that was left unfinished goes on. Everything that
    can be wrong is found before the folder is made.
    """
    refuse_numbers(wanted, asked, where)
    console = first_speaks(console)
    tell = partial(say, console)
    refuse_idle(wanted)
    task = task_of(wanted, seed=0, say=tell)
    how = settled(asked, task, tell)
    name = f"{how.name}-{data_name(task.name)}"
    known = known_folder(wanted, name, out)
    if known is not None:
        refuse_others(known, "evaluation")
        if (known / "result.json").exists():
            raise UserError(f"{known} is finished: remove it, or pass --out for another evaluation.")
    folder = together([how], where, name, known)
    content = judge(folder, task, how, asked, where, console, source=wanted.source)
    if isinstance(content, Ending):
        return folder, content
    for line in sentences(content.get("rows", {})):
        tell(line)
    return folder, Ending(True)


def refuse_numbers(wanted: Wanted, asked: Asked, where: Where) -> None:
    """Raise a UserError for a number that cannot be used."""
    require_numbers(vars(asked) | vars(where) | vars(wanted.reading), LEAST)


def together(hows: Sequence[Protocol], where: Where, name: str, known: Path | None) -> Path:
    """Have all processes, after everything that can be wrong has been found, and the folder: `known`, or a new one."""
    options = where.options(known)
    if known is None and world(options) > 1:
        raise UserError("Several processes need one folder: pass --out.")
    on_crops = [how.linear for how in hows if how.linear is not None and how.linear.on == "crops"]
    for linear in on_crops:
        refuse_uneven(linear.batch_size, world(options))
    for flag in ("precision", "checkpoint_every"):
        if not on_crops and getattr(where, flag) != getattr(Where(), flag):
            raise UserError(
                f"{as_flag(flag)} is for heads that are trained on crops, and {hows[0].name} has none: leave it out."
            )
    launch(options)
    return known or new_run(None, f"evaluate-{in_a_path(name)}")


def judge(
    folder: Path, task: Task, how: Protocol, asked: Asked, where: Where, console: Console, *, source: str
) -> dict[str, Any] | Ending:
    """Judge an encoder by a settled protocol in a folder: the content of result.json, or how it was asked to stop.

    Several processes share the features and the steps on crops; the first does the rest, the others have no content.
    """
    first = process_rank() == 0
    if first:
        begin(folder, "evaluation")
    with sole_writer(folder) if first else nullcontext(), lost_process_is_an_error():
        try:
            found = _Judge(task, how, asked, where, console, folder).run(source)
        finally:
            if first:
                shutil.rmtree(folder / SCRATCH, ignore_errors=True)
        if first and not isinstance(found, Ending):
            end(folder)
        return found


def settled(asked: Asked, task: Task, tell: Say) -> Protocol:
    """The protocol for the size of the images, with the changes; what was chosen is said."""
    if asked.changes.backbone_lr is not None:
        raise UserError("--backbone-lr trains the encoder, which is frozen here: leave it away, or use finetune.")
    if asked.k is not None and asked.choose_k:
        raise UserError("--choose-k chooses the number of neighbors that --k says: pass one of them.")
    how = protocol(asked.protocol, image_size=task.model.encoder.image_size)
    others = [name for name in protocols.tables(asked.protocol.partition("/")[0]) if name != how.name]
    rest = f" (others: {', '.join(others)})" if others and "/" not in asked.protocol else ""
    tell(f"Protocol {how.name}{rest}: {how.source}.")
    tell(f"Scored on {task.about}.")
    say_top5(len(task.classes), tell)
    linear = None if how.linear is None else asked.changes.of(how.linear)
    if linear is not None and linear.optimizer == "lbfgs" and linear != how.linear:
        tell("The head is fitted by L-BFGS, without epochs, batches or a rate, unless its features exceed --memory.")
    knn = how.knn
    if asked.k is not None or asked.choose_k:
        knn = knn or protocol("ours", image_size=1).knn
        assert knn is not None
        knn = replace(knn, k=asked.k or knn.k, sources={**knn.sources, "k": "changed by a flag"})
    return replace(how, linear=linear, knn=knn)


def question(task: Task, how: Protocol, asked: Asked, where: Where) -> dict[str, Any]:
    """What is asked of which encoder and images, as JSON has it: where it is the same, a result is."""
    parts = {"linear": how.linear, "knn": how.knn, "sphere": how.sphere}
    return {
        **task.identity,
        "source": task.model.place,
        "classes": [*task.classes],
        "protocol": how.name,
        **{name: None if part is None else settings_of(part) for name, part in parts.items()},
        "seeds": asked.seeds,
        "choose_k": asked.choose_k,
        "memory": asked.memory,
        "precision": where.precision,
    }


@dataclass(frozen=True, eq=False)
class _Judge:
    task: Task
    how: Protocol
    asked: Asked
    where: Where
    console: Console
    folder: Path

    def run(self, source: str) -> dict[str, Any] | Ending:
        """All parts of the protocol, written, or how it was asked to stop; what all processes do comes first."""
        device = this_device()
        self.task.model.encoder.to(device)
        test = self._stored(self.task.test, "test", device).take(torch.arange(len(self.task.test)))
        bank, fitted = self._bank(device), self._by_crops()
        if isinstance(fitted, Ending) or process_rank() != 0:
            return fitted if isinstance(fitted, Ending) else {}
        rows: dict[str, dict[str, Any]] = {}
        confusions: dict[str, list[Scores]] = {}
        how = self.how
        if how.knn is not None and bank is not None:
            how = replace(how, knn=self._neighbors(how.knn, bank))
            assert how.knn is not None
            found = self._by_neighbors(how.knn, bank, test)
            rows[f"{how.knn.k} neighbors"], confusions["neighbors"] = row_of([found], []), [found]
        project, why = projector_of(source, self.task.model)
        on_sphere = lies(
            self.task, test, None if project is None else project.to(device), how.sphere, device=device,
            workers=self.where.workers,
        )  # fmt: skip
        if fitted := fitted or self._on_features(bank, test):
            rows["linear"] = row_of([scores[-1] for scores, _ in fitted], [course for _, course in fitted])
            confusions["linear"] = [scores[-1] for scores, _ in fitted]
        content = self._content(how, rows) | {"sphere": on_sphere.numbers, "why_no_embedding": why}
        write_results(self.folder, content, confusions, on_sphere.spectra)
        return content

    def _content(self, how: Protocol, rows: Mapping[str, Any]) -> dict[str, Any]:
        task, top = self.task, {name: row["last"]["top1"]["mean"] for name, row in rows.items()}
        said = ", ".join(f"{name} top-1 {100 * value:.1f} %" for name, value in top.items())
        return {
            "kind": "evaluation",
            "source": task.model.place,
            "data": task.name,
            "scored_on": task.about,
            "protocol": how.name,
            "protocol_source": how.source,
            "notes": [*how.notes],
            "sentence": f"{task.name}: {said}.",
            "classes": [*task.classes],
            "seeds": [*range(self.asked.seeds)],
            "rows": rows,
            "settings": settings_rows({"linear": how.linear, "knn": how.knn, "sphere": how.sphere}),
            "asked": question(task, self.how, self.asked, self.where),
        }

    def _bank(self, device: torch.device) -> Stored | None:
        """The features of the training images, where something is computed of them."""
        needed = self.how.knn is not None or (self.how.linear is not None and self.how.linear.on == "features")
        return self._stored(self.task.train, "train", device) if needed else None

    def _stored(self, images: ImageSet, name: str, device: torch.device) -> Stored:
        if process_rank() == 0:
            (self.folder / SCRATCH).mkdir(exist_ok=True)
        found = store(
            self.task.model,
            self.task.plain(images, self.where.workers, shared=True),
            len(images),
            file=self.folder / SCRATCH / f"{name}.npy",
            limit=int(self.asked.memory * 2**30),
            device=device,
        )
        if not found.in_memory:
            say(self.console, f"The {name} features are kept in a file, in float16: {len(found):,} x {found.width:,}.")
        return found

    def _neighbors(self, how: Neighbors, bank: Stored) -> Neighbors:
        """The neighbors that vote, with k chosen where that was asked for; a k that is too large is said."""
        labels = labels_of(self.task.train)
        if self.asked.choose_k:
            tried = choose_k(bank, labels, how, classes=len(self.task.classes), seed=0)
            best = max(tried, key=lambda k: tried[k])
            say(
                self.console,
                f"k = {best} scores best among {', '.join(map(str, tried))}, leaving one training image out at a time.",
            )
            return replace(how, k=best, sources={**how.sources, "k": "chosen by leaving one training image out"})
        counts = torch.bincount(labels, minlength=len(self.task.classes))
        known = [(int(count), name) for count, name in zip(counts, self.task.classes, strict=True) if count]
        least, name = min(known)
        if how.k > least:
            say(
                self.console,
                f"k = {how.k} is more than the {least} training images of {name}: --choose-k chooses it by leaving one "
                "training image out at a time.",
            )
        return how

    def _by_neighbors(self, how: Neighbors, bank: Stored, test: Tensor) -> Scores:
        counted = votes(bank, labels_of(self.task.train), test, how, classes=len(self.task.classes))
        return scores_of(counted, labels_of(self.task.test))

    def _by_crops(self) -> list[Course] | Ending:
        """For each seed a head that is trained on crops, if the protocol has it; or how it was asked to stop."""
        how, found = self.how.linear, []
        if how is None or how.on == "features":
            return []
        for seed in range(self.asked.seeds):
            job = Fit(self.task.model, self.task.train, self.task, how, seed, of=self.task.identity)
            done = fit(self.folder / f"linear-{seed}", job, self.where, self.console, name=f"linear, seed {seed}")
            if isinstance(done, Ending):
                return done
            found.append(([done.last], done.course))
        return found

    def _on_features(self, bank: Stored | None, test: Tensor) -> list[Course]:
        """The same on features that were computed once."""
        how, found = self.how.linear, []
        if how is None or bank is None:
            return []
        labels, asked = labels_of(self.task.train), labels_of(self.task.test)
        for seed in range(self.asked.seeds):
            scores = fit_head(bank, labels, test, asked, how, classes=len(self.task.classes), seed=seed)
            found.append((scores, [{"epoch": at, **one.to_json()} for at, one in enumerate(scores, start=1)]))
        return found
