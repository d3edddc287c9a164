"""From a recipe and its options to a run folder with a trained encoder."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from rich.console import Console
from torch import nn

from fullrank.data import Augmentation, Batch, Dataset, ImageTensor, Views, crop_views, default_preset, train_batches
from fullrank.data.missing import Missing
from fullrank.data.pace import Pace, Speed
from fullrank.data.views.own import own_views
from fullrank.data.views.published import without_color
from fullrank.diagnosis.training import profile_of
from fullrank.engine import RunOptions
from fullrank.engine.checkpoint import Checkpoint, begun_by, from_previous, last_checkpoint
from fullrank.engine.device import world
from fullrank.engine.launcher import process_rank, with_processes
from fullrank.engine.memory import memory_is_an_error
from fullrank.engine.progress import Progress, Steps, first_speaks
from fullrank.engine.signals import Ending
from fullrank.engine.trainer import Batches, in_good_order, make_trainer
from fullrank.errors import UserError
from fullrank.methods import compile_networks
from fullrank.recipes import Recipe
from fullrank.report.runs.live import LivePage
from fullrank.runs import read_as_run, read_config, refuse_used, sole_writer
from fullrank.runs.spectra import pack_spectra
from fullrank.runs.trusted import is_file_of_code
from fullrank.terminal import say
from fullrank.training.begin import begin, settled, weights_of
from fullrank.training.choose import choose, say_chosen, settled_side, this_machine
from fullrank.training.cost import bytes_per_image
from fullrank.training.module import Training
from fullrank.training.on_collapse import OnCollapse
from fullrank.training.outputs import finish, made_run, save_probe, write_result
from fullrank.training.probe import Probe, probe_size, read, take_probe
from fullrank.training.record import Record
from fullrank.training.regularize import by_flag, require_loss
from fullrank.training.same_data import (
    keep_same_data,
    keep_same_settings,
    learned,
    load_images,
    missing_of,
    say_processes,
    with_missing,
)
from fullrank.training.step_plan import Job, check, make_plan, refuse_large_batch


def start(
    name: str,
    recipe: Recipe,
    options: RunOptions,
    console: Console,
    *,
    preset: str | None = None,
    backbone: nn.Module | None = None,
    data: object = None,
) -> tuple[Path, Ending]:
    """Train a recipe in a new run folder; the folder, and how it ended: false if it was stopped before the end.

    Everything that can be wrong is found before the folder is made. `name` is the recipe's, or its file; `preset`
    the name of the published settings that it started from, to be noted in config.json; `backbone` a network that is
    trained in place of the recipe's; `data` an object with the images, in place of the recipe's.
    """
    options = with_processes(options)
    if options.out is not None and process_rank() == 0:
        refuse_used(options.out)
    spoken = first_speaks(console)
    job = prepare(recipe, options, spoken, backbone=backbone, data=data)
    say_chosen(job.recipe, job.options, job.reasons, spoken)
    with made_run(name, job, preset) as run, _writing(run), _gone_if_nothing_was_done(run):
        return run, fit(run, job, console)


def resume(
    run: Path,
    recipe: Recipe,
    options: RunOptions,
    console: Console,
    *,
    any_data: bool = False,
    any_settings: bool = False,
    previous: bool = False,
    data: object = None,
) -> Ending:
    """Go on with a run exactly where its last checkpoint was, or begin it; false if it was stopped before the end.

    The data must be those of the run, unless `any_data`, and the settings those of its checkpoint, unless
    `any_settings`; where the data have moved, their new place is kept. `previous` goes on from the checkpoint before
    the last one.
    """
    options = with_processes(options)
    if is_finished(run):
        raise UserError(f"{run} is finished: train with another --out for a new run.")
    config, spoken = read_config(run), first_speaks(console)
    with _writing(run):
        if previous and process_rank() == 0:
            from_previous(run)
        begun = last_checkpoint(run).exists()
        with read_as_run(run):
            start = config.get("start", {}) if begun else None
            job = prepare(recipe, options, spoken, kept=start, data=data, run=run)
            now = learned(str(config["recipe"]), job.recipe, job.options)
            changed = False
            if begun:
                then = begun_by(run)
                changed = keep_same_settings(run, then, now, spoken, any_settings=any_settings)
                say_processes(run, then, world(job.options), job.method, spoken)
            keep_same_data(run, recipe.data, job.dataset, spoken, any_data=any_data)
        return fit(run, job, console, changed=changed)


def is_finished(run: Path) -> bool:
    """Whether a run has reached its last step and left its result."""
    return (run / "result.json").exists() and (run / "encoder.safetensors").exists()


@contextmanager
def _gone_if_nothing_was_done(run: Path) -> Iterator[None]:
    """Remove a new run's folder on an error before its first row, so that the corrected command can have it."""
    try:
        yield
    except UserError:
        if process_rank() == 0 and not (run / "metrics.jsonl").exists():
            shutil.rmtree(run, ignore_errors=True)
        raise


def _writing(run: Path) -> AbstractContextManager[None]:
    """The first process holds the lock of a run, for all."""
    return sole_writer(run) if process_rank() == 0 else nullcontext()


def prepare(
    recipe: Recipe,
    options: RunOptions,
    console: Console,
    *,
    kept: Mapping[str, Any] | None = None,
    backbone: nn.Module | None = None,
    data: object = None,
    run: Path | None = None,
) -> Job:
    """Load the data, build views and method, and choose what was not given; the caller's random state is untouched.

    `kept` is what config.json says of the beginning of a run that goes on: its weights are those of its checkpoint;
    `run` is its folder.
    """
    check(recipe, options)
    weights = weights_of(recipe) if kept is None else None
    recipe = settled(recipe, weights, backbone)
    dataset = load_images(recipe, console, data)
    if run is not None:
        dataset = with_missing(dataset, run, recipe.data, console)
    images = dataset.train
    refuse_large_batch(recipe, len(images))
    if isinstance(images, ImageTensor) and options.workers is None:
        options = dataclasses.replace(options, workers=0)  # there is no file to read
    size, reasons = settled_side(recipe, images, resumed=kept is not None)
    recipe = dataclasses.replace(recipe, image_size=size)
    sizes, channels = recipe.view_sizes(size), images.channels
    augmentations = _augmentations(recipe, dataset, size, console)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        tell = partial(say, console)
        begun = begin(
            recipe, dataset, image_size=size, view_sizes=sizes, weights=weights, kept=kept, backbone=backbone, say=tell
        )
        recipe = dataclasses.replace(recipe, start=begun.start)
        with memory_is_an_error("a smaller --projector, --image-size or --backbone"), by_flag(recipe):
            method = recipe.build(begun.encoder).to(memory_format=torch.channels_last)
    views = Views(augmentations, mean=begun.mean, std=begun.std)
    chosen = choose(
        recipe,
        options,
        images=len(images),
        network=method.encoder,
        bytes_per_image=lambda: bytes_per_image(method.encoder, channels, sizes),
        machine=this_machine(options.devices),
    )
    plan = make_plan(chosen.recipe, chosen.options, len(images))
    require_loss(chosen.recipe, method, sizes, plan.batch_size)
    reasons |= begun.reasons | chosen.reasons
    return Job(chosen.recipe, chosen.options, reasons, dataset, method, views, plan, size, begun.about)


def _augmentations(recipe: Recipe, dataset: Dataset, size: int, console: Console) -> list[Augmentation]:
    """The views of an image; what they leave out of images without color is said."""
    channels, sizes = dataset.train.channels, recipe.view_sizes(size)
    name = recipe.views
    if is_file_of_code(name):
        return own_views(name, sizes, channels=channels)
    if name == "auto":  # a mirrored digit is not a digit
        name = "digits" if dataset.name == "digits" else default_preset(size=size, channels=channels)
    if said := without_color(name, size=size, channels=channels):
        say(console, said)
    return crop_views(name, sizes, channels=channels)


def fit(run: Path, job: Job, console: Console, *, changed: bool = False) -> Ending:
    """Train from the run's checkpoint, whose settings may have `changed`, or from the start, to the end of the plan."""
    with memory_is_an_error("a smaller --image-size, --batch-size, --probe or --backbone"):
        return _fit(run, job, console, changed=changed)


def _fit(run: Path, job: Job, console: Console, *, changed: bool) -> Ending:
    options, plan = job.options, job.plan
    count = probe_size(job.dataset.train, options.probe)
    missing = missing_of(run, job.recipe, job.dataset, console)
    probe = take_probe(job.dataset.train, size=job.image_size, count=count, seed=job.recipe.seed, missing=missing)
    progress, page = Progress(run.name, plan.steps, console), LivePage(run)
    name = str(read_config(run)["recipe"])
    checkpoint = Checkpoint(run, every=options.checkpoint_every, learned=learned(name, job.recipe, options))
    stop = checkpoint.ask_to_stop if options.on_collapse == "stop" else None
    watch = OnCollapse(run, profile_of(name), say=partial(say, console), stop=stop)

    def show(row: dict[str, Any]) -> None:
        progress.show(row)
        watch.show(row)
        page.show(row)

    speed = Speed(Pace(), workers=options.workers or 0, world=world(options))
    record = Record(run, probe, every=options.monitor_every, show=show, speed=speed)
    training = Training(job.method, job.views, plan, changed=changed)
    if options.compile:
        compile_networks(job.method)
    begun = last_checkpoint(run) if last_checkpoint(run).exists() else None
    told = [record, watch, checkpoint, Steps(progress, plan.batch_size * plan.accumulate)]
    with in_good_order(checkpoint, progress, silent=console.quiet):
        trainer = make_trainer(run, options, steps=plan.steps, callbacks=told, logger=options.logger)
        batches = Batches(lambda: _batches(job, training, trainer, missing, speed.pace))
        trainer.fit(training, batches, ckpt_path=begun, weights_only=True)
    finished = bool(trainer.global_step >= plan.steps)
    if trainer.is_global_zero:
        pack_spectra(run)
        page.end()
        if said := missing.summary():
            say(console, said)
    if finished and trainer.is_global_zero:
        with read_as_run(run):
            _finish(run, job, record, probe)
        checkpoint.forget_previous()
    return Ending(finished, 0 if finished else checkpoint.stopped_by)


def _finish(run: Path, job: Job, record: Record, probe: Probe) -> None:
    """Write what a training at its last step leaves; its page comes when that is whole."""
    (run / "report.html").unlink(missing_ok=True)
    reading, steps = record.last, job.plan.steps
    if reading is None:  # killed between its last step and its result
        reading = read(job.method, probe, job.views)
        save_probe(run, probe, reading, step=steps)
    finish(run, job.method, job.views, probe, reading)
    speed = record.speed.whole() if record.speed else {}
    if speed:
        speed |= {"workers": job.options.workers, "cores": this_machine(job.options.devices).cores}
    write_result(run, probe, reading, seconds=record.seconds, speed=speed, steps=steps, seed=job.recipe.seed)


def _batches(job: Job, training: Training, trainer: pl.Trainer, missing: Missing, pace: Pace) -> Iterable[Batch]:
    batches = train_batches(
        job.dataset.train,
        batch_size=job.plan.batch_size,
        seed=job.recipe.seed,
        start=trainer.global_step * job.plan.accumulate,
        stop=job.plan.steps * job.plan.accumulate,
        rank=trainer.global_rank,
        world=trainer.world_size,
        workers=job.options.workers or 0,
        crop=job.views.crop,
        device=training.device,
        missing=missing,
        pace=pace,
    )
    taken = iter(batches)
    return chain(islice(taken, 1), pace.waiting(taken))  # Lightning takes the first before the clock starts
