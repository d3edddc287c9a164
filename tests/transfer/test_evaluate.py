"""`fullrank evaluate RUN --protocol NAME`: its result, its page, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fullrank
from fullrank.cli import main
from fullrank.data import ImageTensor, load_dataset
from fullrank.engine.checkpoint import Checkpoint
from fullrank.errors import UserError
from fullrank.evaluation.evaluate import divide
from fullrank.metrics import uniformity, w2_uniformity
from fullrank.nn import load_encoder
from fullrank.runs import read_json
from fullrank.transfer import protocols
from fullrank.transfer.record import Epochs
from tests.transfer.made import SIDE


def judge(*flags: str, name: str = "out") -> tuple[int, dict[str, Any]]:
    code = main(["evaluate", "encoder.safetensors", "--data", "made.npz", "--out", name, *flags])
    return code, read_json(Path(name) / "result.json") if (Path(name) / "result.json").exists() else {}


@pytest.mark.parametrize("protocol", ["intl", "w2", "moco", "ours"])
def test_a_protocol_leaves_a_result_and_a_page(protocol: str, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    epochs = [] if protocol == "ours" else ["--epochs", "2"]
    code, result = judge("--protocol", protocol, "--seeds", "2", *epochs)
    assert code == 0
    how = protocols.protocol(protocol, image_size=SIDE)
    assert (result["protocol"], result["protocol_source"]) == (how.name, how.source)
    linear = result["rows"]["linear"]
    assert len(linear["last"]["top1"]["values"]) == 2
    if protocol == "ours":
        assert linear["best"] is None
    else:
        assert all(len(course) == 2 for course in linear["course"])
        assert linear["best"]["top1"]["values"] == [max(course) for course in linear["course"]]
        assert linear["last"]["top1"]["values"] == [course[-1] for course in linear["course"]]
    assert ("5 neighbors" in result["rows"]) == (protocol == "intl")
    assert not (source / "out" / "features").exists()
    page = (source / "out" / "report.html").read_text()
    assert "best epoch" in page or protocol == "ours"
    assert "Confusion" in page
    assert how.source.replace("'", "&#39;") in page
    assert "Protocol " + how.name in capsys.readouterr().out


def test_python_says_of_a_damaged_run_what_the_command_says(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source / "run").mkdir()
    (source / "encoder.safetensors").rename("run/encoder.safetensors")
    settings = {"data": str(source / "made.npz"), "data_root": None}  # and no seed
    (source / "run" / "config.json").write_text(json.dumps({"recipe": "intl", "settings": settings, "data": {}}))
    (source / "run" / "result.json").write_text("{}")
    with pytest.raises(UserError, match=r"^run cannot be read as a run \(KeyError: 'seed'\)") as caught:
        fullrank.evaluate("run")
    assert main(["evaluate", "run"]) == 2
    assert " ".join(capsys.readouterr().err.split()) == f"fullrank: {caught.value}"


@pytest.mark.slow
def test_python_judges_as_the_command_does(source: Path) -> None:
    _, told = judge("--protocol", "ours", "--seeds", "2", "--k", "3")
    flags: dict[str, Any] = {"data": "made.npz", "protocol": "ours", "k": 3, "seeds": 2}
    found = fullrank.evaluate("encoder.safetensors", **flags, out="python", workers=0)
    assert found["rows"] == told["rows"]
    assert (source / "python" / "report.html").is_file()
    with pytest.raises(UserError, match="evaluate has no setting epoch: did you mean epochs"):
        fullrank.evaluate("encoder.safetensors", **flags, epoch=3)
    with pytest.raises(UserError, match="validation is not a part of a protocol"):
        fullrank.evaluate("encoder.safetensors", **flags, validation=True)
    with pytest.raises(UserError, match="seeds acts with a protocol only"):
        fullrank.evaluate("encoder.safetensors", seeds=3)


def test_the_test_set_on_the_sphere_is_measured_whole(source: Path) -> None:
    _, result = judge("--protocol", "w2", "--epochs", "1")
    test = divide(load_dataset("made.npz"), seed=0).test
    assert isinstance(test, ImageTensor)
    z = load_encoder("encoder.safetensors")(test.images).detach()
    numbers = result["sphere"]["representation"]
    assert numbers["w2_uniformity"] == pytest.approx(w2_uniformity(z), rel=1e-5)
    assert numbers["uniformity"] == pytest.approx(uniformity(z), rel=1e-5)
    assert 0 < numbers["alignment"] < 4
    values = np.load(source / "out" / "spectra.npz")["representation"]
    by_hand = np.linalg.svd(np.cov(torch.nn.functional.normalize(z).double().numpy().T), compute_uv=False)
    assert values == pytest.approx(by_hand[: len(values)], rel=1e-4, abs=1e-9)
    assert result["why_no_embedding"] == "no embedding: only a run keeps its projector"


@pytest.mark.slow
def test_a_stopped_evaluation_goes_on_and_ends_as_one_that_was_not(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge("--protocol", "directclr", "--epochs", "4", "--batch-size", "16", name="whole")
    real = Epochs.on_train_batch_end

    def stop(self: Any, trainer: Any, *rest: Any) -> None:
        real(self, trainer, *rest)
        if trainer.global_step == 5:
            next(one for one in trainer.callbacks if isinstance(one, Checkpoint)).ask_to_stop()

    monkeypatch.setattr(Epochs, "on_train_batch_end", stop)
    flags = ("--protocol", "directclr", "--epochs", "4", "--batch-size", "16")
    assert judge(*flags, name="stopped") == (130, {})
    monkeypatch.setattr(Epochs, "on_train_batch_end", real)
    assert judge(*flags, name="stopped")[0] == 0
    whole, stopped = (read_json(Path(name) / "result.json")["rows"] for name in ("whole", "stopped"))
    assert whole == stopped
    with_another = (*flags[:2], "--epochs", "5", *flags[4:])
    (Path("stopped") / "result.json").unlink()
    assert judge(*with_another, name="stopped")[0] == 2


@pytest.mark.slow
def test_features_on_disk_give_nearly_the_scores_of_features_in_memory(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in (["--protocol", "intl", "--epochs", "40"], ["--protocol", "ours"]):
        _, memory = judge(*flags, name=f"memory-{flags[1]}")
        _, disk = judge(*flags, "--memory", "0.00001", name=f"disk-{flags[1]}")
        for row in memory["rows"]:
            tops = [result["rows"][row]["last"]["top1"]["mean"] for result in (memory, disk)]
            assert tops[0] == pytest.approx(tops[1], abs=0.17)  # two of twelve test images
    assert "kept in a file, in float16: 48 x 512" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--protocol", "intll"], "There is no protocol intll: did you mean intl?"),
        (["--protocol", "intl/cifra"], "intl has no protocol cifra: did you mean cifar?"),
        (["--protocol", "intl", "--seeds", "0"], "--seeds 0 is too small: pass 1 or more."),
        (["--protocol", "moco", "--epochs", "0"], "--epochs must be positive, got 0."),
        (["--protocol", "ours", "--baselines"], "--baselines is not a part of a protocol"),
        (["--protocol", "ours", "--temperature", "0.5"], "--temperature is not a part of a protocol"),
        (["--protocol", "intl", "--backbone-lr", "0.5"], "--backbone-lr trains the encoder, which is frozen here"),
        (["--protocol", "ours", "--k", "5", "--choose-k"], "pass one of them."),
        (["--nodes", "2", "--protocol", "ours"], "--nodes 2 would wait for machines that nothing has started"),
        (["--protocol", "ours", "--k", "0"], "--k 0 is too small: pass 1 or more."),
        (["--choose-k"], "fullrank: --choose-k acts with --protocol only: pass --protocol ours, or another one."),
        (["--workers", "0"], "fullrank: --workers acts with --protocol only: pass --protocol ours, or another one."),
        (["--batch-size", "8"], "fullrank: --batch-size acts with --protocol only: pass --protocol ours"),
        (["--protocol", "ours", "--checkpoint-every", "9"], "--checkpoint-every is for heads that are"),
        (["--protocol", "intl/cifar", "--precision", "32-true"], "on crops, and intl/cifar has none: leave it out."),
        (["--protocol", "ours", "--pages", "all"], "--pages does not act on made.npz, only on folders of images"),
        (["--protocol", "ours", "--data-root", "x"], "--data-root does not act on made.npz, only on fashion-mnist and"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    flags: list[str], sentence: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "encoder.safetensors", "--data", "made.npz", *flags]
    assert main(command) == 2
    assert sentence in capsys.readouterr().err


def test_an_encoder_that_is_no_run_needs_data(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "encoder.safetensors", "--protocol", "ours"]) == 2
    assert "Which labeled images? encoder.safetensors is not a run" in capsys.readouterr().err


@pytest.mark.slow
def test_a_k_above_a_class_is_said_and_another_can_be_chosen(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge("--protocol", "ours", name="a")
    assert "k = 20 is more than the 8 training images of 0: --choose-k chooses it" in capsys.readouterr().out
    _, result = judge("--protocol", "ours", "--choose-k", name="b")
    assert "scores best among 1, 3, 5, 10, 20, leaving one training image out" in capsys.readouterr().out
    assert json.dumps(result).count("chosen by leaving one training image out") == 1


def test_every_value_of_a_protocol_has_its_source_and_none_is_from_memory() -> None:
    for paper in protocols.NAMES:
        for name in protocols.tables(paper):
            found = protocols.protocol(name, image_size=32)
            assert found.source
            for part in (found.linear, found.knn, found.finetune, found.sphere):
                if part is not None:
                    assert all(source.strip() for source in part.sources.values()), name
                    assert not any("memory" in source and paper != "ours" for source in part.sources.values())
