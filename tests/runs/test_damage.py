"""Whatever a file of a run holds, every command that reads it ends in one sentence or in its result."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from fullrank import recipes
from fullrank.cli import main
from fullrank.engine import RunOptions
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.engine.sealed import is_sealed, read
from fullrank.engine.signals import Ending
from fullrank.errors import UserError, printable
from fullrank.nn import load_encoder
from fullrank.runs import read_json, read_rows
from fullrank.runs.probe import read_probe
from fullrank.runs.run import read_run
from fullrank.training.fit import start
from fullrank.training.same_data import kept
from tests.runs.mutations import mutated, values_changed

TRIES = 200
HUGE = (
    '{"kind": "train", "step": 1e999}',
    '{"kind": "train", "step": 9007199254740993, "loss": 1.0, "terms": {}}',
    f'{{"kind": "train", "step": 2, "loss": {10**400}, "terms": {{}}}}',
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a few steps."""
    out = tmp_path_factory.mktemp("damage") / "run"
    recipe = recipes.load("intl")(data="digits", image_size=8, batch_size=32, steps=4, projector=(16, 8), lr=0.01)
    where = RunOptions(out=out, monitor_every=2, checkpoint_every=2, probe=32)
    start("intl", recipe, where, Console(file=io.StringIO()))
    return out


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def checkpoint_is_read(run: Path) -> None:
    is_sealed(last_checkpoint(run))
    read(last_checkpoint(run))


def load_encoder_of(run: Path) -> None:
    load_encoder(run / "encoder.safetensors")


READERS: dict[str, tuple[Callable[[Path], object], ...]] = {
    "config.json": (read_run, lambda run: kept(run, None)),
    "metrics.jsonl": (read_run,),
    "spectra.npz": (read_run,),
    "samples.npz": (read_run,),
    "result.json": (read_run,),
    "probe.npz": (read_probe,),
    "checkpoints/last.ckpt": (checkpoint_is_read,),
}
EVERY_READER = {reader for readers in READERS.values() for reader in readers}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.slow
def test_a_file_that_is_mutated_at_random_is_read_or_refused(name: str, run: Path, tmp_path: Path) -> None:
    content = (run / name).read_bytes()
    refused = []
    for seed in range(TRIES):
        (run / name).write_bytes(mutated(content, seed))
        for reader in READERS[name]:
            try:
                reader(run)
            except UserError as error:
                refused.append(printable(error))
    assert refused or name == "metrics.jsonl"  # whose damaged lines are left out
    assert not any("Traceback" in said for said in refused)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize("name", ["config.json", "result.json", "metrics.jsonl"])
@pytest.mark.slow
def test_json_with_other_values_is_read_or_refused(name: str, run: Path) -> None:
    content = (run / name).read_text()
    for seed in range(TRIES):
        (run / name).write_bytes(values_changed(content, seed).encode("latin-1"))
        for reader in READERS[name]:
            with suppress(UserError):
                reader(run)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "spectra.npz", "result.json", "encoder.safetensors"])
def test_every_command_ends_in_order(name: str, seed: int, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    damage = (lambda text, at: values_changed(text.decode(), at).encode()) if name.endswith("json") else mutated
    (run / name).write_bytes(damage((run / name).read_bytes(), seed))
    if seed:  # what takes long is done for the first alone, and read by every one
        monkeypatch.setattr("fullrank.training.fit.fit", lambda *_, **__: Ending(False, 15))
    monkeypatch.setattr("fullrank.transfer.finetune.finish", lambda *_: Ending(False, 15))
    monkeypatch.setattr("fullrank.evaluation.embed.embed_to", lambda *_, **__: [])
    monkeypatch.setattr("fullrank.evaluation.export.export_model", lambda *_: 0.0)
    for arguments in (
        ["report", "run"],
        ["diagnose", "run", "--no-report"],
        *([] if seed else [["evaluate", "run"], ["diagnose", "run", "--data", "digits", "--no-report"]]),
        ["embed", "run", "digits", "--out", "z.npy"],
        ["export", "run", "--to", "onnx"],
        ["finetune", "run", "--out", "tuned"],
    ):
        code = main(arguments)
        assert code in (0, 1, 2, 3) or (code == 143 and arguments[0] == "finetune"), arguments
        shutil.rmtree("tuned", ignore_errors=True)
    for finished in ("result.json", "encoder.safetensors"):
        (run / finished).unlink()
    assert main(["train", "--resume", "run"]) in (0, 2, 143)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def zeros_without_end(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [Path.mkdir, a_pipe, zeros_without_end, a_loop])
def test_what_is_not_a_file_is_refused_and_not_waited_for(
    make: Callable[[Path], None], whole: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    names = [path.relative_to(run) for path in run.rglob("*") if path.is_file()]
    assert len(names) >= 9
    for name in names:
        kept = (run / name).read_bytes()
        (run / name).unlink()
        make(run / name)
        for reader in (*EVERY_READER, load_encoder_of):
            with suppress(UserError):
                reader(run)
        (run / name).rmdir() if make is Path.mkdir else (run / name).unlink()
        (run / name).write_bytes(kept)


@pytest.mark.slow
def test_one_damaged_line_costs_that_line_alone(run: Path) -> None:
    path = run / "metrics.jsonl"
    rows, lines = read_rows(path), path.read_text().split("\n")
    for damage in ("{", '{"kind": "monitor", "step": 2}', "[" * 100_000, "\x00", *HUGE):
        path.write_text("\n".join([lines[0], damage, *lines[1:]]))
        assert read_rows(path) == rows
        assert read_run(run).unreadable == 1


def test_an_archive_that_claims_more_than_memory_is_refused_before_any_is_taken(run: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    for name in ("samples.npz", "spectra.npz"):
        with zipfile.ZipFile(run / name, "w") as archive:
            archive.writestr("steps.npy", header.getvalue())
        with pytest.raises(UserError, match="claims more bytes"):
            read_run(run)
        (run / name).unlink()


def test_a_config_of_another_kind_is_one_sentence(run: Path) -> None:
    whole: dict[str, Any] = read_json(run / "config.json")
    for settings in ({"lr": "fast"}, {"projector": "wide"}, {"seed": True}, {"optimizer": "adam"}, {"steps": 2.5}):
        (run / "config.json").write_text(json.dumps(whole | {"settings": whole["settings"] | settings}))
        with pytest.raises(UserError, match=r"config.json says \w+ is .*, which it cannot be"):
            kept(run, None)


def test_a_name_is_shown_without_being_obeyed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = "a\x1b[2J\x07\nfullrank: all is well\u202e"
    assert main(["report", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "a\\x1b[2J\\x07\\nfullrank: all is well\\u202e" in said
