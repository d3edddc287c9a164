"""`fullrank.evaluate` and `fullrank.finetune`: what the commands do, from Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from fullrank.engine.memory import memory_is_an_error
from fullrank.engine.options import by_record
from fullrank.errors import UserError, command
from fullrank.evaluation.evaluate import evaluate_run
from fullrank.evaluation.model import Model, open_model
from fullrank.runs import read_as_run, read_json
from fullrank.runs.reading import as_path
from fullrank.runs.run import Run
from fullrank.transfer.evaluate import Asked, evaluate_by_protocol
from fullrank.transfer.finetune import ENCODER, start
from fullrank.transfer.options import Changes, Finetuning, Where
from fullrank.transfer.task import Wanted


@dataclass(frozen=True)
class Finetuned:
    """A finished fine-tuning: the folder of its run, and the content of its result.json."""

    path: Path
    result: Mapping[str, Any]

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy on the test set after the last epoch, in [0, 1]: the mean over seeds."""
        return float(self.result["rows"][ENCODER]["last"]["top1"]["mean"])

    def load(self, seed: int = 0) -> Model:
        """The fine-tuned encoder of a seed, whose `embed` takes images."""
        return open_model(self.path / f"{ENCODER}-{seed}")

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentence and the page."""
        link = f'<a href="{escape(str(self.path / "report.html"))}">report</a>'
        return f"<p>{escape(str(self.result['sentence']))} {link}</p>"


def evaluate(
    run: str | Path | Run,
    *,
    protocol: str | None = None,
    k: int | None = None,
    temperature: float | None = None,
    baselines: bool = False,
    validation: bool = False,
    data: object = None,
    data_root: str | Path | None = None,
    backbone: str | nn.Module | None = None,
    trust: bool = False,
    out: str | Path | None = None,
    quiet: bool = True,
    **flags: Any,
) -> dict[str, Any]:
    """Score a frozen encoder by kNN and a linear probe, or by a paper's protocol, as `fullrank evaluate` does.

    Args:
        run: A run, or its folder; with a protocol also the file of an encoder, an export, timm:NAME or
            torchvision:NAME, or with `backbone` any weights.
        protocol: intl, corinfomax, directclr, w2, moco or ours, or one of their settings, as intl/imagenet.
        k: Number of neighbors that vote; by default 20, or those of the protocol.
        temperature: A neighbor votes with the weight exp(cosine / temperature), by default 0.07; not with a protocol.
        baselines: Also score raw pixels and the untrained encoder; not with a protocol.
        validation: Score on a held-out tenth of the training labels instead of the test set, and write nothing; not
            with a protocol.
        data: The data of the run in their new place, or other labeled images to score on: a place or an object as for
            `train`, or a `fullrank.data.Dataset` with a test set.
        data_root: Folder of the named data set, if it has moved.
        backbone: A network to take the weights of a run whose backbone was an object; with a protocol the name of the
            network that weights of another framework are of.
        trust: Run the file of code that the run names as its backbone, although the user has not run it as it is.
        out: Folder of a protocol's result and page; by default RUN/transfer/PROTOCOL-DATA, or for other
            encoders than runs the first free runs/evaluate-PROTOCOL-DATA-1, -2, ...
        quiet: Without progress in the terminal.
        **flags: With a protocol: seeds, choose_k and memory; epochs, batch_size and lr in the place of the protocol's;
            precision, workers and checkpoint_every.

    Returns:
        The content of the run's result.json, where "knn" and "linear" are accuracies in [0, 1]; of a protocol that of
        its own result.json, with "rows" by encoder.

    Raises:
        UserError: If the run is not finished, or its images have no labels; for what the command refuses; and if a
            protocol was asked to stop before the end.

    >>> evaluate("no/such/run")
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/run is not a run folder (config.json is missing): pass one that train made.
    """
    root = None if data_root is None else Path(data_root)
    if protocol is not None:
        outside = {"baselines": baselines, "validation": validation, "temperature": temperature is not None}
        given = [name for name, one in outside.items() if one]
        if given or isinstance(backbone, nn.Module):
            name = given[0] if given else "a backbone that is an object"
            raise UserError(f"{name} is not a part of a protocol: leave it out, or leave out protocol.")
        wanted = Wanted(source=_source(run), backbone=backbone, data=data, data_root=root, trust=trust)
        return _by_protocol(wanted, protocol, k, None if out is None else Path(out), Console(quiet=quiet), flags)
    if flags or out is not None or isinstance(backbone, str):
        name = next(iter(flags), "out" if out is not None else "the name of a backbone")
        raise UserError(f"{name} acts with a protocol only: pass protocol='ours', or another one.")
    path = run.path if isinstance(run, Run) else as_path(run)
    with read_as_run(path), memory_is_an_error("protocol='ours', which keeps features in a file (memory=)"):
        return evaluate_run(
            path,
            k=k,
            temperature=temperature,
            baselines=baselines,
            validation=validation,
            data=data,
            data_root=root,
            backbone=backbone,
            trust=trust,
            console=Console(quiet=quiet),
        )


def _by_protocol(
    wanted: Wanted, protocol: str, k: int | None, out: Path | None, console: Console, flags: Mapping[str, Any]
) -> dict[str, Any]:
    judged = {name: flags[name] for name in ("seeds", "choose_k", "memory") if name in flags}
    others = {name: flag for name, flag in flags.items() if name not in judged}
    changes, where = by_record("evaluate", others, Changes, Where)
    asked = Asked(protocol=protocol, k=k, changes=Changes(**changes), **judged)
    folder, ending = evaluate_by_protocol(wanted, asked, Where(**where), console, out=out)
    if not ending:
        raise UserError(f"The evaluation was stopped: the same call with out={str(folder)!r} goes on with it.")
    return dict(read_json(folder / "result.json"))


def _source(encoder: str | Path | Run) -> str:
    return str(encoder.path if isinstance(encoder, Run) else encoder)


def finetune(
    encoder: str | Path | Run,
    *,
    labels: float | str | Path = 1.0,
    data: object = None,
    protocol: str = "ours",
    control: bool = False,
    seeds: int = 1,
    backbone: str | None = None,
    out: str | Path | None = None,
    quiet: bool = True,
    **flags: Any,
) -> Finetuned:
    """Fine-tune an encoder with all of its weights on labeled images, as `fullrank finetune` does.

    Args:
        encoder: A run, the file of an encoder, an export, timm:NAME or torchvision:NAME, or with `backbone` any
            weights.
        labels: Share of the training labels in (0, 1], drawn by seed in proportion from every class, or the file of a
            list of images.
        data: What `--data` takes, or an object with images and labels as for `train`; by default the run's own.
        protocol: intl, corinfomax or ours, or one of their settings, as intl/imagenet-multicrop.
        control: Also train the same network from random weights, for comparison.
        seeds: How many seeds.
        backbone: The network that weights of another framework are of.
        out: Folder of the fine-tuning; by default the first free runs/finetune-NAME-DATA-1, -2, ...
        quiet: Without progress in the terminal.
        **flags: epochs, batch_size, lr (of the head) and backbone_lr in the place of the protocol's; precision,
            workers and checkpoint_every.

    Returns:
        The folder, and the content of its result.json; accuracies are in [0, 1].

    Raises:
        UserError: For what the command refuses, and if it was asked to stop before the end.

    >>> finetune("no/such/run")
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/run does not exist: pass the folder of a run, or the file of an encoder.
    """
    changes, where = by_record("finetune", flags, Changes, Where)
    folder, ending = start(
        Wanted(source=_source(encoder), backbone=backbone, data=data),
        Finetuning(labels=str(labels), protocol=protocol, control=control, seeds=seeds),
        Changes(**changes),
        Where(**where),
        Console(quiet=quiet),
        out=None if out is None else Path(out),
    )
    if not ending:
        raise UserError(
            f"The fine-tuning in {folder} was stopped: go on with `{command('finetune', '--resume', folder)}`."
        )
    return Finetuned(folder, read_json(folder / "result.json"))
