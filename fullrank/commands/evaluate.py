"""`fullrank evaluate RUN [--protocol NAME]`: score a frozen encoder: kNN and linear probe, or a paper's protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from fullrank.commands._common import parse, stopped, terminal
from fullrank.data.options import DataOptions
from fullrank.errors import UserError, as_flag, command, shell
from fullrank.terminal import say
from fullrank.transfer.options import Changes, Where

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """How to score a frozen encoder."""

    k: int | None = None
    """Number of neighbors that vote; by default 20, or those of the protocol."""
    temperature: float | None = None
    """A neighbor votes with the weight exp(cosine / temperature); by default 0.07. Protocols have their own."""
    baselines: bool = False
    """Also score raw pixels and the untrained encoder."""
    validation: bool = False
    """Score on a held-out tenth of the training labels instead of the test set, and write nothing: for choosing
    settings."""
    data: tuple[str, ...] = ()
    """Data to score on: those of the run in their new place, or other labeled images; by default those of the run."""
    data_root: Path | None = None
    """Folder of the named data set; by default that of the run."""
    trust: bool = False
    """Run the Python file of the run's backbone although it has changed since the training."""
    protocol: str | None = None
    """Score as a paper did: intl, corinfomax, directclr, w2, moco or ours, or one of its settings, such as
    intl/imagenet; by default kNN and a linear probe. RUN may then also be the file of an encoder, an export, timm:NAME
    or torchvision:NAME."""
    suite: tuple[str, ...] = ()
    """Score on several data sets in one table, by --protocol: flowers102,pets,dtd,food101,eurosat,
    caltech101,aircraft,cars,svhn,sun397, other named sets, and paths. --data-root is the folder of torchvision's data
    sets, and --download gets them."""
    seeds: int = 1
    """Seeds of the linear head; with several, mean and standard deviation are shown."""
    choose_k: bool = False
    """Choose the number of neighbors by leaving one training image out at a time."""
    backbone: str | None = None
    """Network that the weights of another framework belong to."""
    memory: float = 1.0
    """GiB of features above which they are kept in a file, in float16, and the head is trained by batches."""
    out: Path | None = None
    """Folder for the protocol's result and page; by default RUN/transfer/PROTOCOL-DATA."""
    changes: Annotated[Changes, arg(name="changes of the protocol")] = field(default_factory=Changes)
    where: Annotated[Where, arg(name="place")] = field(default_factory=Where)
    reading: Annotated[DataOptions, arg(name="data", prefix_name=False)] = field(default_factory=DataOptions)


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    from dataclasses import make_dataclass

    import tyro

    run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", help="Folder of a finished run.")]
    both = make_dataclass("Evaluation", [("run", run), ("flags", Annotated[Evaluate, tyro.conf.arg(name="")])])
    both.__doc__ = "Score a frozen encoder by kNN and a linear probe, or by a paper's protocol, with a page."
    parsed = parse(both, arguments, "evaluate")
    options: Evaluate = parsed.flags
    console = terminal()
    if options.protocol is not None or options.suite:
        return _by_protocol(parsed.run, options, console, arguments)
    _refuse_of_protocols(options)
    return _of_run(parsed.run, options, console)


def _of_run(run: Path, options: Evaluate, console: Console) -> int:
    with console.status("Starting"):
        from fullrank.engine.launcher import process_rank
        from fullrank.engine.memory import memory_is_an_error
        from fullrank.evaluation.evaluate import evaluate_run
        from fullrank.report import write_report
        from fullrank.runs import read_as_run

    with read_as_run(run), memory_is_an_error("--protocol ours, which keeps features in a file (--memory)"):
        evaluate_run(
            run,
            k=options.k,
            temperature=options.temperature,
            baselines=options.baselines,
            validation=options.validation,
            data_root=options.data_root,
            trust=options.trust,
            data=options.data or None,
            reading=options.reading,
            devices=options.where.devices,
            nodes=options.where.nodes,
            console=console,
        )
    if not options.validation and process_rank() == 0:
        page = write_report([run], run / "report.html")
        say(console, f"Report: {page}")
    return 0


def _by_protocol(run: Path, options: Evaluate, console: Console, arguments: list[str]) -> int:
    """Judge as a paper did; if it was stopped, it goes on by the same command in the same folder."""
    for name in ("baselines", "validation", "temperature"):
        if getattr(options, name) not in (None, False):
            raise UserError(f"--{name} is not a part of a protocol: leave out --{name} or --protocol.")
    with console.status("Starting"):
        from fullrank.transfer.evaluate import Asked, evaluate_by_protocol
        from fullrank.transfer.suite import evaluate_suite
        from fullrank.transfer.task import Wanted
    wanted = Wanted(
        source=str(run),
        backbone=options.backbone,
        data=options.data or None,
        data_root=options.data_root,
        reading=options.reading,
        trust=options.trust,
    )
    asked = Asked(
        protocol=options.protocol or "ours",
        seeds=options.seeds,
        k=options.k,
        choose_k=options.choose_k,
        memory=options.memory,
        changes=options.changes,
    )
    if options.suite:
        folder, ending = evaluate_suite(options.suite, wanted, asked, options.where, console, out=options.out)
    else:
        folder, ending = evaluate_by_protocol(wanted, asked, options.where, console, out=options.out)
    from fullrank.engine.launcher import process_rank

    if process_rank() != 0:
        return 0
    if not ending:
        again = "the same command" if options.out else command("evaluate", *arguments, "--out", folder)
        return stopped(ending, again, console)
    say(console, f"Report: {shell(folder / 'report.html')}")
    return 0


def _refuse_of_protocols(options: Evaluate) -> None:
    """Raise a UserError for a flag that acts in a protocol only."""
    given, default = ({**vars(each), **vars(each.changes), **vars(each.where)} for each in (options, Evaluate()))
    of_protocols = ("seeds", "choose_k", "backbone", "memory", "out", *vars(options.changes), *vars(options.where))
    for name in of_protocols:
        if name not in ("devices", "nodes") and given[name] != default[name]:  # these two act in both
            raise UserError(f"{as_flag(name)} acts with --protocol only: pass --protocol ours, or another one.")
