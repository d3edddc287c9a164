"""What a launcher has started is taken from it; a flag that says otherwise is an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fullrank.cli import main
from fullrank.engine import RunOptions
from fullrank.engine.launcher import (
    Launched,
    folder_of_all,
    launched,
    process_rank,
    processes,
    requeue,
    require_strategy,
    with_processes,
)
from fullrank.engine.trainer import make_trainer, quiet
from fullrank.errors import UserError
from fullrank.runs import read_json, read_rows

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "RANK": "5", "LOCAL_RANK": "1"}
SRUN = {"SLURM_NTASKS": "6", "SLURM_PROCID": "0", "SLURM_NNODES": "3", "SLURM_JOB_ID": "4711"}
BY_HAND = {"MASTER_ADDR": "node1", "MASTER_PORT": "29500", "NODE_RANK": "0"}
BATCH = {"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "job"}  # a shell's, too
PLACE = {"SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_JOB_NAME": "interactive", "SLURM_NTASKS_PER_NODE": "2"}
CHILD = BY_HAND | {"LOCAL_RANK": "1", "WORLD_SIZE": "2"}  # of Lightning, on the first machine


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [*TORCHRUN, *SRUN, *BATCH, *BY_HAND]:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(("said", "meant"), [(TORCHRUN, ("torchrun", 4, 2)), (SRUN, ("srun", 2, 3)), ({}, None)])
def test_a_launcher_is_known_by_its_environment(
    said: dict[str, str], meant: tuple[str, int, int] | None, environment: pytest.MonkeyPatch
) -> None:
    for name, value in said.items():
        environment.setenv(name, value)
    assert launched() == (None if meant is None else Launched(*meant))


def test_its_processes_are_taken_and_a_flag_against_them_is_an_error(environment: pytest.MonkeyPatch) -> None:
    options = RunOptions(out=Path("run"))
    assert with_processes(options) == options
    with pytest.raises(UserError, match=r"--nodes 2 would wait for machines that nothing has started: start"):
        with_processes(RunOptions(nodes=2))
    for name, value in TORCHRUN.items():
        environment.setenv(name, value)
    found = with_processes(options)
    assert (found.devices, found.nodes) == (4, 2)
    with pytest.raises(UserError, match=r"torchrun has started 4 processes on each machine, and --devices says 2"):
        with_processes(RunOptions(out=Path("run"), devices=2))
    with pytest.raises(UserError, match=r"torchrun has started 2 machines, and --nodes says 3"):
        with_processes(RunOptions(out=Path("run"), nodes=3))
    with pytest.raises(UserError, match="need one folder: pass --out"):
        with_processes(RunOptions())


@pytest.mark.parametrize(
    ("said", "rank"),
    [
        (TORCHRUN, 5),
        (TORCHRUN | SRUN, 5),  # torchrun on machines of SLURM
        (SRUN | {"SLURM_PROCID": "4", "RANK": "0"}, 4),
        (BY_HAND, 0),
        (BY_HAND | {"NODE_RANK": "1"}, 1),
        (BY_HAND | {"NODE_RANK": "1", "LOCAL_WORLD_SIZE": "4", "LOCAL_RANK": "2"}, 6),
        (CHILD, 1),
        (BATCH, 0),
        (BATCH | CHILD, 1),
        ({"SLURM_PROCID": "0", "SLURM_JOB_ID": "4711"} | CHILD, 1),  # a job that says no number of tasks
        ({"RANK": "0", "WORLD_SIZE": "1"} | CHILD, 1),
        ({"SLURM_PROCID": "3"}, 0),
    ],
)
def test_only_the_first_process_of_all_has_rank_0(
    said: dict[str, str], rank: int, environment: pytest.MonkeyPatch
) -> None:
    for name, value in said.items():
        environment.setenv(name, value)
    assert process_rank() == rank


def test_machines_without_a_launcher_must_find_each_other_and_one_folder(environment: pytest.MonkeyPatch) -> None:
    options = RunOptions(nodes=2, out=Path("run"))
    for missing in BY_HAND:
        for name, value in BY_HAND.items():
            environment.setenv(name, value)
        environment.delenv(missing)
        with pytest.raises(UserError, match="set MASTER_ADDR, MASTER_PORT and NODE_RANK on each"):
            with_processes(options)
    environment.setenv("NODE_RANK", "1")
    assert with_processes(options) == options
    with pytest.raises(UserError, match="The processes of 2 machines need one folder: pass --out"):
        with_processes(RunOptions(nodes=2))
    with pytest.raises(UserError, match=r"this is machine 1, counted from 0, and --nodes says 1: pass --nodes, or"):
        with_processes(RunOptions(out=Path("run")))


@pytest.mark.parametrize(("said", "kind"), [({}, "Lightning"), (BATCH, "Lightning"), (SRUN | PLACE, "SLURM")])
def test_lightning_starts_processes_exactly_where_no_launcher_did(
    said: dict[str, str], kind: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in said.items():
        environment.setenv(name, value)
    options = with_processes(RunOptions(out=tmp_path, devices=2, precision="32-true"))
    with quiet():
        trainer = make_trainer(tmp_path, options, steps=1, callbacks=[])
    of = trainer.strategy.cluster_environment  # type: ignore[attr-defined]
    assert type(of).__name__ == f"{kind}Environment"
    assert of.creates_processes_externally == (kind == "SLURM")
    assert trainer.num_devices == 2


def test_a_strategy_that_lightning_does_not_have_is_an_error() -> None:
    for name in ("auto", "ddp", "fsdp"):
        require_strategy(name)
    with pytest.raises(UserError, match=r"--strategy dpp is unknown: did you mean ddp\?"):
        require_strategy("dpp")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (TORCHRUN | {"WORLD_SIZE": "7"}, "torchrun has started 7 processes, not as many on each machine"),
        (SRUN | {"SLURM_NTASKS": "7"}, "srun has started 7 processes, not as many on each machine"),
        (SRUN | {"SLURM_NNODES": "4"}, "srun has started 6 processes, not as many on each machine"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "neither torchrun nor srun has started this one: start them by torchrun"),
    ],
)
def test_processes_that_cannot_be_understood_are_an_error(
    said: dict[str, str], sentence: str, environment: pytest.MonkeyPatch
) -> None:
    for name, value in said.items():
        environment.setenv(name, value)
    with pytest.raises(UserError, match=sentence):
        with_processes(RunOptions(out=Path("run")))


def test_numbers_that_are_none_are_not_taken(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WORLD_SIZE", "many")
    environment.setenv("RANK", "first")
    assert (processes(), process_rank()) == (1, 0)
    assert with_processes(RunOptions()) == RunOptions()


@pytest.mark.parametrize("said", [TORCHRUN, SRUN])
def test_several_processes_that_finetune_need_one_folder(
    said: dict[str, str], environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in said.items():
        environment.setenv(name, value)
    assert main(["finetune", "x"]) == 2
    assert "need one folder: pass --out" in capsys.readouterr().err


def test_a_job_is_queued_again_by_its_number(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert requeue() is None
    environment.setenv("SLURM_JOB_ID", "4711; rm -rf x")
    assert requeue() is None
    environment.setenv("SLURM_JOB_ID", "4711")
    environment.setenv("PATH", str(tmp_path))
    assert "could not be queued again" in str(requeue())
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    assert requeue() == "The job 4711 is queued again."
    assert (tmp_path / "asked").read_text() == "requeue 4711\n"


@pytest.mark.slow
def test_two_machines_of_torchrun_train_as_one_process(tmp_path: Path) -> None:
    """Two launchers on this machine, a process each, that meet on the loopback."""
    from tests.cli.test_processes import FLAGS, NO_BATCH_NORM

    (tmp_path / "linear.py").write_text(NO_BATCH_NORM)
    train = ["-m", "fullrank.cli", "train", "linear.py", *FLAGS, "--steps", "5", "--lr", "0.5", "--warmup-epochs", "0"]
    of = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    machines = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", "29555"]
    nodes = [
        subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *machines, "--node-rank", rank, *train, "--out", "two"],
            cwd=tmp_path,
            env=of,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in "01"
    ]
    said = [node.communicate(timeout=300)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    subprocess.run([sys.executable, *train, "--out", "one"], cwd=tmp_path, env=of, check=True, capture_output=True)
    losses = [
        [row["loss"] for row in read_rows(tmp_path / run / "metrics.jsonl") if row["kind"] == "train"]
        for run in ("one", "two")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    options = read_json(tmp_path / "two" / "config.json")["run"]
    assert (options["devices"], options["nodes"]) == (1, 2)


def test_the_folder_that_the_first_process_makes_is_that_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with folder_of_all(None, "run", lambda run: run.joinpath("config.json").touch()) as first:
        monkeypatch.setenv("RANK", "1")
        with folder_of_all(None, "run", Path.rmdir) as second:
            assert (second / "config.json").samefile(first / "config.json")
        monkeypatch.delenv("RANK")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(UserError, match="Several processes need one folder"), folder_of_all(None, "run", Path.rmdir):
        pass
    monkeypatch.setattr("fullrank.engine.launcher._PATIENCE", 0.0)
    with (
        pytest.raises(UserError, match="has not made out: pass an --out that all machines share"),
        folder_of_all(Path("out"), "run", Path.rmdir),
    ):
        pass


def test_a_folder_that_cannot_be_filled_does_not_stay(tmp_path: Path) -> None:
    def fail(run: Path) -> None:
        raise UserError(f"{run.name} cannot be filled: pass another.")

    with pytest.raises(UserError, match="cannot be filled"), folder_of_all(tmp_path / "run", "run", fail):
        pass
    assert [*tmp_path.iterdir()] == []
    assert "FULLRANK_RUN" not in os.environ
