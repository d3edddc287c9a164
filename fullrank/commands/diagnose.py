"""`fullrank diagnose FILE[::KEY]`: have these embeddings collapsed: verdict, evidence, cause, remedy."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from fullrank.commands._common import parse, terminal
from fullrank.engine.options import require_numbers
from fullrank.errors import UserError, as_flag
from fullrank.runs.reading import is_run
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console

    from fullrank.diagnosis.loss_plateau import LossValue
    from fullrank.diagnosis.report import Report

STDOUT = Path("-")


@dataclass(frozen=True, kw_only=True)
class Diagnose:
    """Are these embeddings collapsed: which kind, why, and what to try.

    Exit codes: 0 healthy or degraded, 1 collapsed, 2 bad input, 3 undetermined or too early to judge.
    """

    file: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FILE")]
    """File, file::key, pattern of shards, URL, - for a .npy on standard input, or the folder of a run."""
    labels: str | None = None
    """Column with the class of each sample (file::key), to look at classes too."""
    groups: str | None = None
    """Column that says what was sampled together (donor, document), for honest intervals."""
    before: str | None = None
    """File with embeddings of the same samples by the network before training, or the inputs themselves as rows: a low
    rank that they have as well is the data's."""
    views: int = 1
    """Number of views: the rows are as many blocks of equal length, view 1 of all samples, then view 2, ..."""
    on: str | None = None
    """Cluster that reads the shards: dask, ray, or either with :ADDRESS of one that runs, as dask:tcp://host:8786."""
    profile: str | None = None
    """What made them: generic, contrastive, non-contrastive, supervised, text, clip, recsys or bio.
    By default generic, and for a run what its recipe is."""
    loss: str | None = None
    """Name and value of the loss, such as infonce=5.54, to see whether it stands at that of a collapse."""
    batch_size: int | None = None
    """Samples of a whole batch, for a --loss whose value depends on it."""
    local_batch: int | None = None
    """Samples of a batch in one process, at most those of the whole batch, for a contrastive --loss."""
    prototypes: int | None = None
    """Prototypes, for a --loss of DINO, SwAV or MSN."""
    margin: float | None = None
    """Margin, for a --loss of triplets."""
    data: tuple[str, ...] = ()
    """Images to encode with the run, a file, timm:NAME or torchvision:NAME; by default the run's last saved sample."""
    trust: bool = False
    """With --data, run the Python file of the run's backbone although you never ran it as it is now."""
    layer: Literal["backbone", "embedding"] | None = None
    """Which output of a run to look at. By default the backbone, with the embedding beside it."""
    fail_on: Literal["warn", "fail"] = "fail"
    """Verdict from which on the exit code is 1: fail is collapsed, warn is degraded too."""
    json: Path | None = None
    """Write the report as JSON to this file, or to standard output (-)."""
    junit: Path | None = None
    """Write JUnit XML for continuous integration to this file."""
    out: Path | None = None
    """Folder of report.html and report.json; by default NAME-diagnosis in the current folder."""
    report: bool = True
    """Write that folder."""
    seed: int = 0
    """Seed of the sample of rows whose pairs are measured."""


def diagnose(options: Diagnose, console: Console) -> int:
    """Run the diagnosis, print it and write it; returns the exit code."""
    said = spoken(console, options.json)
    if options.out is not None and not options.report:
        raise UserError("--out names the folder of the report, and --no-report leaves it out: pass one of them.")
    require_numbers({"seed": options.seed}, {"seed": 0})
    if options.trust and not options.data:
        raise UserError("--trust acts with --data only: leave it out, or pass the images to encode as --data.")
    training: list[dict[str, Any]] = []
    if options.data:
        made, classes = _image_report(options, said)
    elif is_run(Path(options.file)):
        made, training, classes = _run_report(options, said)
    else:
        made, classes = _file_report(options, said)
    content = made.to_json() | ({"classes": classes} if classes else {}) | ({"training": training} if training else {})
    from fullrank.report.diagnosis.text import junit, print_diagnosis, print_training

    print_diagnosis(content, said)
    if training:
        said.print("\nOver training, by the monitor's numbers (the last by all of the above):")
        print_training(training, said)
    write_json_to(options.json, content)
    if options.junit is not None:
        write_text(options.junit, junit(content, fail_on=options.fail_on))
    if options.report:
        _write_folder(options, content, said)
    return exit_code(content["verdict"], options.fail_on)


def exit_code(verdict: str, fail_on: str) -> int:
    """The exit code of a verdict.

    >>> [exit_code(verdict, "warn") for verdict in ("healthy", "degraded", "collapsed", "undetermined", "early")]
    [0, 1, 1, 3, 3]
    """
    return {"collapsed": 1, "degraded": 1 if fail_on == "warn" else 0, "undetermined": 3, "early": 3}.get(verdict, 0)


def _file_report(options: Diagnose, console: Console) -> tuple[Report, list[str]]:
    from fullrank.commands._reading import read_sketch, said_of
    from fullrank.diagnosis.diagnose import diagnose_sketch
    from fullrank.diagnosis.known import NOTHING, known_of
    from fullrank.diagnosis.profiles import find_profile

    if options.layer is not None:
        raise UserError(f"--layer is of use for the folder of a run only, and {options.file} is none: leave it out.")
    profile = options.profile or "generic"
    find_profile(profile)  # a mistyped name is found before a large file is read
    loss = loss_of(options)
    if options.before == options.file == "-":
        raise UserError("Standard input is read once, so it cannot be --before too: save one of them to a file.")
    file, found, labels = read_sketch(
        options.file,
        console,
        views=options.views,
        labels=options.labels,
        groups=options.groups,
        seed=options.seed,
        on=options.on,
    )
    earlier = None
    if options.before is not None:
        of_before, earlier, _ = read_sketch(options.before, console, seed=options.seed)
        say(console, f"Before training: {said_of(of_before, earlier)}")
    with console.status("Measuring"):
        made = diagnose_sketch(
            found,
            earlier,
            labels=None if labels is None else labels.codes,
            profile=profile,
            source=file.name,
            read_as=said_of(file, found),
            seed=options.seed,
            known=NOTHING if loss is None else known_of(replace(loss, dims=found.sample.rows.shape[2])),
        )
    return made, [] if labels is None else [*labels.names]


def _image_report(options: Diagnose, console: Console) -> tuple[Report, list[str]]:
    """The report on what an encoder makes of images, and the names of their classes."""
    _refuse_flags_of_files(options, "images")
    if options.layer == "embedding":
        raise UserError("--data looks at the backbone, all that an encoder's file keeps: leave out --layer.")
    from fullrank.commands._images import image_report

    return image_report(
        options.file,
        options.data,
        profile=options.profile,
        seed=options.seed,
        trust=options.trust,
        console=console,
    )


def _refuse_flags_of_files(options: Diagnose, what: str) -> None:
    """Raise a UserError for the first flag that is about a file of embeddings alone."""
    from fullrank.diagnosis.loss_plateau import SETTINGS

    of_files = ("labels", "groups", "before", "on", "loss", *SETTINGS)
    given = [name for name in of_files if getattr(options, name) is not None] + ["views"] * (options.views != 1)
    if given:
        raise UserError(f"{as_flag(given[0])} is of no use for {what}, only for a file of embeddings: leave it out.")


def _run_report(options: Diagnose, console: Console) -> tuple[Report, list[dict[str, Any]], list[str]]:
    """The report on a run's last look, its verdicts over training, and the names of the classes."""
    from fullrank.diagnosis.known import parts_of
    from fullrank.diagnosis.profiles import find_profile
    from fullrank.diagnosis.training import diagnose_run, looks_of, over_training, profile_of
    from fullrank.runs import read_as_run, read_config, read_rows
    from fullrank.runs.probe import read_probe

    run = Path(options.file)
    _refuse_flags_of_files(options, "a run")
    config = read_config(run)
    with read_as_run(run):
        name, parts = config["recipe"], parts_of(config["recipe"], config["settings"])
    profile = profile_of(name) if options.profile is None else find_profile(options.profile)
    kept = read_probe(run)
    looks = looks_of(read_rows(run / "metrics.jsonl"))
    with console.status("Measuring"), read_as_run(run):
        made = diagnose_run(
            kept, looks, profile=profile, source=str(run), parts=parts, layer=options.layer, seed=options.seed
        )
    say(console, made.read_as)
    return made, over_training(looks, profile, options.layer, end=(kept.step, made)), [*kept.classes]


def loss_of(options: Diagnose) -> LossValue | None:
    """What --loss and its companions say."""
    from fullrank.diagnosis.loss_plateau import SETTINGS, LossValue, settings_of

    given = {name: value for name in SETTINGS if (value := getattr(options, name)) is not None}
    if options.loss is None:
        for name in given:
            raise UserError(f"{as_flag(name)} is a setting of a loss: pass --loss too, such as --loss infonce=5.54.")
        return None
    name, _, value = options.loss.partition("=")
    try:
        number = float(value)
    except ValueError:
        raise UserError(f"--loss {options.loss} is not a name and value: write it as infonce=5.54.") from None
    needed, useful = settings_of(LossValue(name, number).loss)
    if idle := [setting for setting in given if setting not in useful]:
        raise UserError(f"The plateau of {name} does not depend on {as_flag(idle[0])}: leave it out.")
    lacking = [setting for setting in SETTINGS if setting in needed and setting not in given]
    if lacking and math.isfinite(number):  # else it has diverged, whatever they are
        raise UserError(f"The plateau of {name} depends on {as_flag(lacking[0])}: pass it too.")
    require_numbers(given, {"batch_size": 2, "local_batch": 2, "prototypes": 2})
    if given.get("local_batch", 0) > given.get("batch_size", math.inf):
        whole = f"--batch-size {options.batch_size}"
        raise UserError(f"--local-batch {options.local_batch} is not a part of {whole}: pass the share of one process.")
    return LossValue(name, number, **given)


def spoken(console: Console, json_to: Path | None) -> Console:
    """Where words go: to standard error if the JSON goes to standard output."""
    return terminal(stderr=True) if json_to == STDOUT else console


def write_json_to(path: Path | None, content: Mapping[str, Any]) -> None:
    """Write JSON to a file, or to standard output."""
    if path == STDOUT:
        sys.stdout.write(json.dumps(content, indent=2, allow_nan=False) + "\n")
    elif path is not None:
        write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file that the user named, in a folder that exists."""
    from fullrank.runs import replace as replace_file

    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: name a file, in a folder that exists.")
    replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def _write_folder(options: Diagnose, content: Mapping[str, Any], console: Console) -> None:
    from fullrank.commands._reading import stem
    from fullrank.report.diagnosis.page import write_diagnosis
    from fullrank.runs import full_disk_is_an_error, write_json

    folder = options.out or Path(f"{stem(options.file)}-diagnosis")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: pass another --out, or --no-report.")
    with full_disk_is_an_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
    before = (folder / "report.html").exists()
    write_json(folder / "report.json", content)
    page = write_diagnosis(content, folder / "report.html")
    replaced = " (in place of the one that was there)" if before else ""
    say(console, f"Report: {page}{replaced}")


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return diagnose(parse(Diagnose, arguments, "diagnose"), terminal())
