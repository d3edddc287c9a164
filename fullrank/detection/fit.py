"""From an encoder, annotations and settings to a run folder with a trained and scored detector."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from fullrank.data import Order
from fullrank.detection.file import detector_bytes, plain
from fullrank.detection.job import Job
from fullrank.detection.models import Detector
from fullrank.detection.module import Detecting
from fullrank.detection.norms import settle
from fullrank.detection.pictures import draw_some
from fullrank.detection.predict import as_results, find_all, scored
from fullrank.detection.record import Record
from fullrank.detection.samples import ORDER, Batch, Samples, batches
from fullrank.detection.scores import Found
from fullrank.engine.checkpoint import Checkpoint, last_checkpoint
from fullrank.engine.device import this_device
from fullrank.engine.environment import environment
from fullrank.engine.gather import place_among_processes
from fullrank.engine.launcher import folder_of_all, lost_process_is_an_error, process_rank
from fullrank.engine.progress import Progress, Steps, say_once
from fullrank.engine.signals import Ending
from fullrank.engine.trainer import Batches, in_good_order, make_trainer
from fullrank.report.detection.page import write_detection
from fullrank.runs import read_as_run, replace, sole_writer, write_json

CONTROL = "control"  # the folder of the detector from random weights, in that of the run


def start(
    job: Job, console: Console, *, name: str, preset: str | None = None, control: bool = False
) -> tuple[Path, Ending]:
    """Train a detector in a new run folder; the folder, and how it ended: false if it was stopped before the end."""

    def fill(run: Path) -> None:
        config: dict[str, Any] = {
            "kind": "detection",
            "preset": preset,
            "control": control,
            "fullrank": version("fullrank"),
            "encoder": job.encoder,
            "network": job.network,
            "settings": asdict(job.settings),
            "data": job.kept(),
            "run": asdict(job.options),
        }
        write_json(run / "config.json", config)
        write_json(run / "env.json", environment(this_device()))

    with folder_of_all(job.options.out, f"detect-{name}", fill) as run:
        return run, finish(run, job, console)


def finish(run: Path, job: Job, console: Console) -> Ending:
    """Train the run, and its control if it has one, from where they are to the end; then write the page."""
    with sole_writer(run) if process_rank() == 0 else nullcontext():
        return _finish(run, job, console)


def _finish(run: Path, job: Job, console: Console) -> Ending:
    ending = Ending(True)
    if not (run / "result.json").exists() and not (ending := _fit(run, job.detector(), job, console)):
        return ending
    if job.control:
        if ending.signal:  # it came at the last step
            return Ending(False, ending.signal)
        folder = run / CONTROL
        folder.mkdir(exist_ok=True)
        say_once(console, f"The control in {folder}: the same from random weights.")
        control = job.detector(untrained=True)
        if not (folder / "result.json").exists() and not (ending := _fit(folder, control, job, console)):
            return ending
    if process_rank() == 0:
        with read_as_run(run):
            write_detection(run, run / "report.html")
    return Ending(True)


def _fit(run: Path, detector: Detector, job: Job, console: Console) -> Ending:
    options, settings, plan = job.options, job.settings, job.plan
    (run / "checkpoints").mkdir(exist_ok=True)
    progress = Progress(run.name, plan.steps, console, plain="train")

    def show(row: dict[str, Any]) -> None:
        if row["kind"] == "train":
            progress.show(row)
        else:
            say_once(console, f"step {row['step']}: {sentence(row['scores'])}")

    def score(device: torch.device, last: bool) -> tuple[Sequence[Found], dict[str, Any]]:
        if last and settings.precise_bn:
            settle(detector, _settling(job), seed=settings.seed, device=device)
        found = find_all(
            detector, plain(job.val.images, settings, job.decoding), device=device, workers=options.workers
        )
        return found, scored(found, job.val, masks=settings.masks) if process_rank() == 0 else {}

    record = Record(run, score, every=options.evaluate_every, show=show)
    checkpoint = Checkpoint(run, every=options.checkpoint_every, learned=asdict(settings))
    training = Detecting(detector, settings, plan)
    begun = last_checkpoint(run) if last_checkpoint(run).exists() else None
    steps = Steps(progress, settings.batch_size)
    with in_good_order(checkpoint, progress, silent=console.quiet):
        trainer = make_trainer(run, job.options, steps=plan.steps, callbacks=[record, checkpoint, steps])
        made = Batches(lambda: _batches(job, trainer.global_step, trainer.global_rank, trainer.world_size))
        trainer.fit(training, made, ckpt_path=begun, weights_only=True)
    done = bool(trainer.global_step >= plan.steps)
    if done and record.last is None:  # killed between its last checkpoint, whose norms are settled, and its result
        device = trainer.strategy.root_device
        detector.to(device)
        with lost_process_is_an_error():
            record.last = score(device, False)
    if record.last is not None and done and trainer.is_global_zero:
        found, scores = record.last
        _write(run, detector, job, found, scores, record.spent)
        checkpoint.forget_previous()
    return Ending(done, checkpoint.stopped_by)


def _batches(job: Job, step: int, rank: int, world: int) -> Iterable[Batch]:
    accumulate = job.options.accumulate
    steps = range(step * accumulate, job.plan.steps * accumulate)
    return _of(job, steps, rank, world)


def _settling(job: Job) -> Iterable[Batch]:
    """The batches after the training's, shared by the processes."""
    last = job.plan.steps * job.options.accumulate
    return _of(job, range(last, last + job.settings.precise_bn), *place_among_processes())


def _of(job: Job, steps: range, rank: int, world: int) -> Iterable[Batch]:
    samples = Samples(job.images, job.settings, job.decoding)
    order = Order(len(job.images), job.settings.batch_size, job.settings.seed, steps, rank, world, stream=(ORDER,))
    return batches(samples, order, job.options.workers, pin=torch.cuda.is_available())


def _write(
    run: Path, detector: Detector, job: Job, found: Sequence[Found], scores: dict[str, Any], seconds: float
) -> None:
    content = detector_bytes(detector, job.network, job.settings, job.val.classes)
    replace(run / "detector.safetensors", lambda beside: beside.write_bytes(content))
    results = json.dumps(as_results(found, job.val))
    replace(run / "predictions.json", lambda beside: beside.write_text(results, encoding="utf-8"))
    draw_some(found, job.val, run / "pictures")
    versions = {name: version(name) for name in ("fullrank", "torch", "torchvision", "timm", "torchmetrics")}
    about = {"steps": job.plan.steps, "seed": job.settings.seed, "seconds": round(seconds, 1), "versions": versions}
    write_json(run / "result.json", {"kind": "detection", "scores": scores, **about})


def sentence(scores: dict[str, Any]) -> str:
    """The scores in a line.

    >>> sentence({"box": {"AP": 0.5, "AP50": 0.75, "AP75": None}, "voc": {"AP50_11_points": 0.7, "AP50_area": 0.72}})
    'box AP 0.500, AP50 0.750, AP75 –; VOC AP50 0.700 by eleven points, 0.720 by area'
    """

    def value(number: float | None) -> str:
        return "–" if number is None else f"{number:.3f}"

    parts = [
        f"{kind} " + ", ".join(f"{name} {value(scores[kind][name])}" for name in ("AP", "AP50", "AP75"))
        for kind in ("box", "mask")
        if kind in scores
    ]
    voc = scores["voc"]
    eleven, area = value(voc["AP50_11_points"]), value(voc["AP50_area"])
    return "; ".join([*parts, f"VOC AP50 {eleven} by eleven points, {area} by area"])
