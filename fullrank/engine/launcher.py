"""Processes that a launcher has started, as torchrun and SLURM say them in the environment, and SLURM's queue."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from fullrank.engine.options import TrainerOptions
from fullrank.errors import UserError, suggest
from fullrank.runs import new_run

Options = TypeVar("Options", bound=TrainerOptions)

_RUN = "FULLRANK_RUN"  # tells the processes that Lightning starts which folder the first one made
_PATIENCE = 300.0  # seconds
_FILLED = "checkpoints"  # the folder that is made last
_OF_PROCESSES = ("DistBackendError", "DistNetworkError", "DistStoreError")  # what torch.distributed raises


@dataclass(frozen=True)
class Launched:
    """Who has started the processes, how many on each machine, and on how many machines."""

    who: str
    devices: int
    nodes: int


def process_rank() -> int:
    """Rank of this process, also before the process group exists: its launcher says it in the environment.

    Without one, Lightning says which machine of its this is, and which of its processes; only the first is 0.

    >>> process_rank()
    0
    """
    by = launched()
    if by is not None:
        return _number("SLURM_PROCID" if by.who == "srun" else "RANK", 0)
    lightnings = _number("NODE_RANK", 0) * _number("LOCAL_WORLD_SIZE", 1) + _number("LOCAL_RANK", 0)
    return max(_number("RANK", 0), lightnings)  # what a shell inherits may be 0 in all of them


def launched() -> Launched | None:
    """The launcher of this process; None where Lightning is to start the processes itself.

    Raise a UserError where its machines have different numbers of processes.

    >>> launched() is None
    True
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = _number("LOCAL_WORLD_SIZE", 1)
        count = _number("WORLD_SIZE", devices)
        return _evenly(Launched("torchrun", devices, count // devices), count, "--nproc-per-node")
    if _number("SLURM_NTASKS", 1) > 1 and "SLURM_PROCID" in os.environ:
        count, nodes = _number("SLURM_NTASKS", 1), _number("SLURM_NNODES", _number("SLURM_JOB_NUM_NODES", 1))
        return _evenly(Launched("srun", count // nodes, nodes), count, "--ntasks-per-node")
    return None


def require_strategy(name: str) -> None:
    """Raise a UserError for a strategy that Lightning does not have."""
    if name != "auto":
        from lightning.pytorch.strategies import StrategyRegistry

        known = StrategyRegistry.available_strategies()
        if name not in known:
            raise UserError(
                f"--strategy {name} is unknown: {suggest(name, known, otherwise='pass auto, ddp or fsdp.')}"
            )


def processes() -> int:
    """How many there are by the environment, also where neither torchrun nor srun has started them.

    >>> processes()
    1
    """
    by = launched()
    return _number("WORLD_SIZE", 1) if by is None else by.devices * by.nodes


def _evenly(found: Launched, count: int, flag: str) -> Launched:
    if found.devices * found.nodes != count:
        raise UserError(
            f"{found.who} has started {count} processes, not as many on each machine: start as many on each, by {flag}."
        )
    return found


def with_processes(options: Options, *, otherwise: int | None = None) -> Options:
    """The options with the processes of the launcher, if there is one; without, and without a flag, `otherwise`.

    Raises UserError where a flag says another number, or names machines that nothing has started.
    """
    by = launched()
    if by is None and "RANK" in os.environ and processes() > 1:
        raise UserError(
            f"WORLD_SIZE says that there are {processes()} processes, and neither torchrun nor srun has started this "
            "one: start them by torchrun, or unset WORLD_SIZE and RANK."
        )
    if by is None:
        _refuse_machines(options)
        return replace(options, devices=options.devices or otherwise)
    for flag, asked, has in (("--devices", options.devices, by.devices), ("--nodes", options.nodes, by.nodes)):
        if asked not in (None, has) and not (flag == "--nodes" and asked == 1):
            what = "processes on each machine" if flag == "--devices" else "machines"
            raise UserError(f"{by.who} has started {has} {what}, and {flag} says {asked}: leave out {flag}.")
    if options.out is None:
        raise UserError(f"The processes that {by.who} has started need one folder: pass --out.")
    return replace(options, devices=by.devices, nodes=by.nodes)


def _refuse_machines(options: TrainerOptions) -> None:
    """Raise a UserError for several machines without a launcher that cannot find each other, or this one's place."""
    if options.nodes > 1 and not {"MASTER_ADDR", "MASTER_PORT", "NODE_RANK"} <= {*os.environ}:
        raise UserError(
            f"--nodes {options.nodes} would wait for machines that nothing has started: start the command on each by "
            "torchrun or srun, or set MASTER_ADDR, MASTER_PORT and NODE_RANK on each."
        )
    if options.nodes > 1 and options.out is None:
        raise UserError(f"The processes of {options.nodes} machines need one folder: pass --out.")
    if _number("NODE_RANK", 0) >= options.nodes:
        raise UserError(
            f"NODE_RANK says that this is machine {_number('NODE_RANK', 0)}, counted from 0, and --nodes says "
            f"{options.nodes}: pass --nodes, or unset NODE_RANK."
        )


@contextmanager
def folder_of_all(out: Path | None, name: str, fill: Callable[[Path], None]) -> Iterator[Path]:
    """The new folder of a run, with what `fill` writes into it, made by the first process and known to all.

    Those that Lightning starts during the body are told of it; those of a launcher wait for it. Where `fill` fails,
    nothing stays. Raises UserError where a process cannot know the folder, or waits in vain.
    """
    if process_rank() != 0:
        if out is None and _RUN not in os.environ:
            raise UserError("Several processes need one folder: pass --out.")
        yield _made_by_the_first(Path(os.environ.get(_RUN) or str(out)))
        return
    run = new_run(out, name)
    os.environ[_RUN] = str(run.resolve())
    try:
        try:
            fill(run)
            (run / _FILLED).mkdir()
        except BaseException:
            shutil.rmtree(run, ignore_errors=True)
            raise
        yield run
    finally:
        os.environ.pop(_RUN, None)


def _made_by_the_first(run: Path) -> Path:
    """Wait for the folder that the first process makes; a launcher starts all of them at once."""
    until = time.monotonic() + _PATIENCE
    while not (run / _FILLED).is_dir():
        if time.monotonic() > until:
            raise UserError(f"The first process has not made {run}: pass an --out that all machines share.")
        time.sleep(0.1)
    return run


def refuse_uneven(batch_size: int, world: int) -> None:
    """Raise a UserError unless so many processes can share a batch.

    >>> refuse_uneven(65, 2)
    Traceback (most recent call last):
    fullrank.errors.UserError: A batch of 65 cannot be shared by 2 processes: pass --batch-size 64.
    """
    if batch_size % world:
        few = max(batch_size // world, 1) * world
        raise UserError(f"A batch of {batch_size} cannot be shared by {world} processes: pass --batch-size {few}.")


@contextmanager
def lost_process_is_an_error() -> Iterator[None]:
    """During the body, that another process of the same training has gone is a UserError.

    >>> with lost_process_is_an_error():
    ...     raise RuntimeError("[gloo/transport/tcp/pair.cc:545] Connection reset by peer")
    Traceback (most recent call last):
    fullrank.errors.UserError: Another process of this training has ended: see its last lines. --resume ...
    """
    try:
        yield
    except RuntimeError as error:
        if "gloo/transport" not in str(error) and type(error).__name__ not in _OF_PROCESSES:
            raise
        raise UserError(
            "Another process of this training has ended: see its last lines. --resume continues from its checkpoint."
        ) from error


def requeue() -> str | None:
    """Ask SLURM to queue this job again, which goes on with its run; what came of it, None outside of SLURM."""
    job = os.environ.get("SLURM_JOB_ID", "")
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        job = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '')}"
    if not job.replace("_", "").isdigit():
        return None
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"The job {job} could not be queued again ({error})."
    if done.returncode:
        return f"The job {job} could not be queued again ({done.stderr.strip()[:200]})."
    return f"The job {job} is queued again."


def _number(name: str, otherwise: int) -> int:
    said = os.environ.get(name, "")
    return int(said) if said.isdigit() and int(said) > 0 else otherwise
