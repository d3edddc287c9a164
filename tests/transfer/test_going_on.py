"""An evaluation that was stopped: what it goes on with, and by which command."""

from __future__ import annotations

import io
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

import fullrank
from fullrank.cli import main
from fullrank.errors import UserError
from fullrank.evaluation.model import Model
from fullrank.nn.exports.folder import About, whole
from fullrank.runs import read_json
from fullrank.transfer import fit as fitting
from fullrank.transfer.classifier import Classifier
from fullrank.transfer.fit import Fit, Fitted, fit
from fullrank.transfer.options import Where
from fullrank.transfer.protocols import protocol
from fullrank.transfer.task import labels_of
from tests.transfer.made import images, task, write_source
from tests.transfer.test_finetune import stop_after

COMMAND = ["evaluate", "encoder.safetensors", "--data", "made.npz", "--protocol", "moco"]
SHORT = ["--epochs", "2", "--batch-size", "16"]  # three steps an epoch


def test_an_evaluation_is_gone_on_with_by_its_encoder_and_its_images_alone(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the head that would be taken over is finished, and the one after it is not."""
    command = [*COMMAND, *SHORT, "--seeds", "2", "--out", "out"]
    for stopped_in, step in (("linear-0", 4), ("linear-1", 4)):
        with monkeypatch.context() as patch:
            stop_after(step, patch)
            assert main(command) == 130
        assert (source / "out" / stopped_in / "checkpoints" / "last.ckpt").exists()
        write_source(seed=1)
        assert main(command) == 2
        assert "out/linear-0 was begun with another encoder: remove it" in " ".join(capsys.readouterr().err.split())
        write_source(seed=0)
        for labels in (labels_of(images(60, 6, seed=0)).flip(0), None):
            made = images(60, 6, seed=1 if labels is None else 0)
            numbers = labels_of(made) if labels is None else labels
            np.savez("made.npz", images=made.images[:, 0].numpy(), labels=numbers.numpy())
            assert main(command) == 2
            said = " ".join(capsys.readouterr().err.split())
            assert "out/linear-0 was begun with another training images, test images: remove it" in said
        write_source(seed=0)
    assert main(command) == 0
    assert main([*command[:-1], "whole"]) == 0
    assert read_json(source / "out" / "result.json")["rows"] == read_json(source / "whole" / "result.json")["rows"]


def test_a_checkpoint_of_a_former_version_goes_on(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [*COMMAND, *SHORT, "--out", "out"]
    with monkeypatch.context() as patch:
        patch.setattr("fullrank.transfer.evaluate.Task.identity", {})  # it did not note encoder and images
        stop_after(4, patch)
        assert main(command) == 130
    assert main(command) == 0


def test_the_command_that_goes_on_has_the_folder(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for flag, folder in {"--data": "evaluate-moco-imagenet-made-1", "--suite": "evaluate-suite-moco-1"}.items():
        with monkeypatch.context() as patch:
            stop_after(4, patch)
            assert main([*COMMAND[:2], *COMMAND[4:], *SHORT, flag, "made.npz"]) == 130
        said = " ".join(capsys.readouterr().out.split()).partition("nothing is lost. Go on with: fullrank ")[2]
        assert main(shlex.split(said)) == 0
        assert (source / "runs" / folder / "result.json").exists()
    assert len([*Path("runs").iterdir()]) == 2


def test_python_says_which_folder_goes_on(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(4, patch)
        with pytest.raises(UserError, match="the same call with out='runs/evaluate-moco-imagenet-made-1' goes on"):
            fullrank.evaluate("encoder.safetensors", data="made.npz", protocol="moco", epochs=2, batch_size=16)


@pytest.mark.parametrize("backbone_lr", [0.0, 0.01])
def test_a_finished_classifier_is_scored_again_where_it_was_trained(
    backbone_lr: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its encoder too, which is frozen outside of it; on a GPU, Lightning has left the head on the CPU."""
    work, how = task(), protocol("moco", image_size=8).linear
    assert how is not None
    job = Fit(work.model, work.train, work, replace(how, epochs=1, lr=0.1, backbone_lr=backbone_lr), 0)

    def scored() -> Fitted:
        found = fit(tmp_path, job, Where(workers=0), Console(file=io.StringIO()), name="made")
        assert isinstance(found, Fitted)
        return found

    first, again = scored(), scored()
    assert first.last.to_json() == again.last.to_json()
    assert torch.equal(first.last.confusion, again.last.confusion)
    assert again.classifier.device.type == "cpu"
    where: set[str] = set()

    def answers(of: Classifier, *rest: object) -> Tensor:
        where.update(tensor.device.type for each in (of, of.encoder) for tensor in each.state_dict().values())
        return torch.zeros(len(work.test), len(work.classes))

    monkeypatch.setattr(fitting, "this_device", lambda: torch.device("meta"))
    monkeypatch.setattr(fitting, "_answers", answers)
    monkeypatch.setattr(Classifier, "cpu", lambda self: self)  # nothing comes back from meta
    scored()
    assert where == {"meta"}


def test_an_export_whose_weights_are_in_its_file_alone_is_told_from_another(tmp_path: Path) -> None:
    about = About("onnx", "tiny", "small", 8, 1, 4, (0.5,), (0.25,), None, {})
    saved = whole(about, lambda x: x.flatten(1)[:, :4])
    about.write(tmp_path)
    found = []
    for weights in (b"one", b"two", b"two"):
        (tmp_path / "model.onnx").write_bytes(weights)
        exported = Model(saved.encoder, saved.mean, saved.std, place=str(tmp_path))
        found.append(replace(task(), model=exported).identity["encoder"])
    assert found[0] != found[1] == found[2]
