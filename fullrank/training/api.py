"""`fullrank.train`, `load`, `embed` and `export`: what the commands do, from Python."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from torch import nn

from fullrank import recipes
from fullrank.data import DataOptions
from fullrank.data.sources.acting import refuse_idle_reading
from fullrank.data.sources.objects import is_object, is_place
from fullrank.engine import RunOptions
from fullrank.engine.launcher import process_rank
from fullrank.errors import UserError, command, suggest
from fullrank.evaluation.embed import Shards, embed_to, images_of, read_as_trained
from fullrank.evaluation.export import export_model
from fullrank.evaluation.model import Model, open_model
from fullrank.recipes import Recipe
from fullrank.report import write_report
from fullrank.runs.reading import as_path
from fullrank.runs.run import Run, read_run
from fullrank.terminal import say
from fullrank.training.fit import resume as go_on
from fullrank.training.fit import start
from fullrank.training.same_data import kept, place
from fullrank.training.step_plan import refuse_idle


def train(
    recipe: str | Recipe,
    *,
    data: object = None,
    out: str | Path | None = None,
    backbone: str | nn.Module | None = None,
    options: RunOptions | None = None,
    quiet: bool = True,
    **flags: Any,
) -> Run:
    """Train an encoder on unlabeled images, as `fullrank train` does, and return its run.

    Args:
        recipe: the name of a recipe, the path of a recipe's file, or a recipe with its settings, such as
            `fullrank.recipes.load("intl")(epochs=4, lr=0.003)`.
        data: what `--data` takes, or an object in its place: a tensor or an array of images, such a one and its
            labels, a list of PIL images, or a map-style data set; one that gives an index the same image each time
            is resumed exactly.
        out: the folder of the run; by default the first free runs/RECIPE-DATA-1, -2, ...
        backbone: the name of a network, or one of your own, images (N, C, S, S) to features (N, width), which is
            trained in place; `load` and `evaluate` must be given one like it again.
        options: where it runs and how it is watched.
        quiet: without progress in the terminal.
        **flags: settings of the recipe and of the run by the names of their flags, such as epochs=50, w2=0.5,
            devices=2.

    Returns:
        The finished run, or an unfinished one if it was asked to stop; `path` is its folder.

    Raises:
        UserError: for what the command refuses, for a flag that the recipe does not have, and for a value that it
            cannot have.

    >>> train("intll")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no recipe intll: did you mean intl? (`fullrank recipes` lists them all.)
    """
    name = recipe if isinstance(recipe, str) else _name(recipe)
    chosen = recipes.load(recipe)() if isinstance(recipe, str) else recipe
    network = backbone if isinstance(backbone, nn.Module) else None
    given = {"data": place(data), "backbone": None if network is not None else backbone}
    flags |= {flag: value for flag, value in given.items() if value is not None}
    if out is not None:
        flags["out"] = Path(out)
    changed, where = _apart(name, chosen, options or RunOptions(), flags)
    asked, where = recipes.as_declared(recipes.with_settings(chosen, changed)), recipes.as_declared(where)
    images = data if is_object(data) else None
    refuse_idle(asked, chosen, data=images, named=str)
    folder, ending = start(name, asked, where, Console(quiet=quiet), backbone=network, data=images)
    return _reported(folder, bool(ending))


def resume(
    run: str | Path | Run,
    *,
    data: object = None,
    any_data: bool = False,
    any_settings: bool = False,
    previous: bool = False,
    trust: bool = False,
    quiet: bool = True,
) -> Run:
    """Go on with a run exactly where its last checkpoint was, as `fullrank train --resume` does, and return it.

    Args:
        run: a run, or its folder.
        data: the data of the run, where they have moved or were an object.
        any_data: go on also where these are other images than the run began with.
        any_settings: go on also where config.json names other settings than the checkpoint was trained with.
        previous: go on from the checkpoint before the last one, where the last one is damaged.
        trust: run the files of code that the run names, although the user has not run them as they are.
        quiet: without progress in the terminal.

    Returns:
        The finished run, or an unfinished one if it was asked to stop.

    Raises:
        UserError: if the run is finished or has no checkpoint, or for other data.

    >>> resume("no/such/run")
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/run is not a run folder (config.json is missing): pass one that train made.
    """
    folder = _folder(run)
    recipe, options = kept(folder, data, trust=trust)
    given = {"any_data": any_data, "any_settings": any_settings, "previous": previous}
    images = data if is_object(data) else None
    ending = go_on(folder, recipe, options, Console(quiet=quiet), data=images, **given)
    return _reported(folder, bool(ending))


def _apart(
    name: str, recipe: Recipe, options: RunOptions, flags: Mapping[str, Any]
) -> tuple[dict[str, Any], RunOptions]:
    """The settings of the recipe among the flags, and the options with the others; an unknown one is an error."""
    ours = [field.name for field in dataclasses.fields(options)]
    known = list(recipes.settings(recipe))
    for flag in flags:
        if flag not in known + ours:
            hint = suggest(flag, known + ours, otherwise=f"`{command('train', name, '--help')}` lists its flags.")
            raise UserError(f"The recipe {name} has no setting {flag}: {hint}")
    changed = {flag: value for flag, value in flags.items() if flag in known}
    return changed, dataclasses.replace(options, **{flag: flags[flag] for flag in ours if flag in flags})


def load(run: str | Path | Run, *, backbone: nn.Module | None = None, trust: bool = False) -> Model:
    """Load the trained encoder of a run: `embed` takes images as they come, a call takes images (N, C, S, S).

    Args:
        run: a run, its folder, or an encoder.safetensors file. No code in it is executed.
        backbone: a network to take the weights of a run whose backbone was an object.
        trust: run the file of code that the run names as its backbone, although the user has not run it as it is.

    Returns:
        The encoder with the mean and standard deviation of its input: `embed(["a.jpg", image, tensor])`, or a call
        with images uint8, or float in [0, 1], for features (N, width).

    Raises:
        UserError: if there is no encoder, or the file is damaged.

    >>> load("no/such/run")
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/run does not exist: pass the folder of a run, or the file of an encoder.
    """
    return open_model(_folder(run), backbone=backbone, trust=trust)


def embed(
    encoder: str | Path | Run | Model,
    images: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    batch_size: int = 256,
    workers: int = 2,
    pages: Literal["first", "all"] | None = None,
    quiet: bool = True,
) -> Path:
    """Write the embeddings of images to a file, as `fullrank embed` does, in parts that survive an interruption.

    Args:
        encoder: a run, its folder, the file of an encoder, timm:NAME or torchvision:NAME, or what `load` gave.
        images: images, folders of them, an .npz file or a named data set.
        out: file that ends in .parquet, .npy, .safetensors or .zarr; names and labels are in it, or in NAME.rows.csv.
        batch_size: images that are encoded together, at least 1.
        workers: processes that decode images.
        pages: of files that hold several images, the first or all; by default as the run read its own.
        quiet: without progress in the terminal.

    Returns:
        The path of the file.

    Raises:
        UserError: for images or an encoder that cannot be read, and where the file exists already.

    >>> embed("no/such/run", "digits", out="z.npy")
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/run does not exist: pass the folder of a run, or the file of an encoder.
    """
    console = Console(quiet=quiet)
    tell = partial(say, console)
    source = encoder.path if isinstance(encoder, Run) else encoder
    model = source if isinstance(source, Model) else open_model(source, say=tell)
    data = [str(images)] if isinstance(images, str | Path) else [str(image) for image in images]
    given = recipes.as_declared(DataOptions(pages=pages))
    if data:  # images alone are read alike
        refuse_idle_reading(data if is_place(data) else data[0], given, named=str)
    reading = read_as_trained(model, given, data)
    found = images_of(data, channels=model.encoder.channels, root=None, options=reading, say=tell)
    one = Shards(1, (0,))
    return embed_to(Path(out), model, found, shards=one, batch_size=batch_size, workers=workers, console=console)[0]


def export(encoder: str | Path | Run | Model, to: str, *, out: str | Path) -> Path:
    """Write an encoder for another library, as `fullrank export` does; read again in a fresh process, and compared.

    Args:
        encoder: a run, its folder, the file of an encoder, or what `load` gave.
        to: timm, torchvision, huggingface, onnx, torch-export or detectron2.
        out: a new folder.

    Returns:
        The folder: the weights, fullrank.json and README.md, a model card.

    Raises:
        UserError: where the library does not have the network, a package is missing, or the features are not the same.

    >>> export("no/such/run", "onnx", out="exported")
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/run does not exist: pass the folder of a run, or the file of an encoder.
    """
    source = encoder.path if isinstance(encoder, Run) else encoder
    export_model(source if isinstance(source, Model) else open_model(source), to, Path(out))
    return Path(out)


def _folder(run: str | Path | Run) -> Path:
    return run.path if isinstance(run, Run) else as_path(run)


def _reported(folder: Path, finished: bool) -> Run:
    """The run, with its page if it is finished."""
    if finished and process_rank() == 0:
        write_report([folder], folder / "report.html")
    return read_run(folder)


def _name(recipe: Recipe) -> str:
    """The name of a recipe of FullRank, or the file of one's own, from which a run can be resumed."""
    module = type(recipe).__module__
    if module.startswith(f"{recipes.__name__}."):
        return module.removeprefix(f"{recipes.__name__}.")
    try:
        return str(Path(inspect.getfile(type(recipe))).resolve())
    except (OSError, TypeError):
        what = f"{type(recipe).__name__} is not defined in a file"
        raise UserError(f"{what}: put it into a .py file, so that the run can be resumed.") from None
