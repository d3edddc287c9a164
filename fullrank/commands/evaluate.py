"""`fullrank evaluate RUN`: score a run's frozen encoder: kNN and linear probe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from fullrank.commands._common import parse, terminal
from fullrank.data.options import DataOptions


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """How to score the frozen encoder of a run."""

    k: int = 20
    """Neighbors that vote."""
    temperature: float = 0.07
    """Divides the cosine in a neighbor's weight."""
    baselines: bool = False
    """Also score raw pixels and the untrained encoder."""
    validation: bool = False
    """Score on a held-out tenth of the training labels instead of the test set, and write nothing: for choosing
    settings."""
    data: tuple[str, ...] = ()
    """Score on these data: those of the run in their new place, or other labeled images."""
    data_root: Path | None = None
    """Folder of the named data set, if it has moved."""
    trust: bool = False
    """Run the file of the run's own backbone although it is not as it was in the training."""
    reading: Annotated[DataOptions, arg(name="data", prefix_name=False)] = DataOptions()  # noqa: RUF009 (a frozen record)


def run(arguments: list[str]) -> int:
    """Do it; the exit code."""
    from dataclasses import make_dataclass
    from typing import Annotated

    import tyro

    run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN", help="Folder of a finished run.")]
    both = make_dataclass("Evaluation", [("run", run), ("flags", Evaluate)])
    both.__doc__ = "Score the frozen encoder of a run by kNN and a linear probe, into its result.json and report."
    parsed = parse(both, arguments, "evaluate")
    options: Evaluate = parsed.flags

    console = terminal()
    with console.status("Starting"):
        from fullrank.evaluation.evaluate import evaluate_run
        from fullrank.report import write_report

    evaluate_run(
        parsed.run,
        k=options.k,
        temperature=options.temperature,
        baselines=options.baselines,
        validation=options.validation,
        data_root=options.data_root,
        trust=options.trust,
        data=options.data or None,
        reading=options.reading,
        console=console,
    )
    if not options.validation:
        page = write_report([parsed.run], parsed.run / "report.html")
        console.print(f"Report: {page}", highlight=False, soft_wrap=True)
    return 0
