"""`fullrank finetune`: whole and killed runs are the same bit for bit, and what it leaves and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

import fullrank
from fullrank.cli import main
from fullrank.engine.checkpoint import Checkpoint
from fullrank.engine.sealed import read
from fullrank.errors import UserError
from fullrank.nn import encoder, encoder_bytes, load_encoder
from fullrank.runs import read_json
from fullrank.transfer.fit import Fit
from fullrank.transfer.record import Epochs, course
from fullrank.transfer.task import labels_of
from tests.transfer.made import SIDE, images, write_source

SHORT = ["--epochs", "2", "--batch-size", "8"]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an untrained encoder, in a folder with labeled images in made.npz."""
    monkeypatch.chdir(tmp_path)
    write_source(seed=9)
    return tmp_path


def tune(*flags: str, out: str = "out") -> int:
    return main(["finetune", "encoder.safetensors", "--data", "made.npz", "--out", out, *SHORT, *flags])


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let whatever is trained be asked to stop at this step."""
    real = Epochs.on_train_batch_end

    def ask(self: Any, trainer: Any, *rest: Any) -> None:
        real(self, trainer, *rest)
        if trainer.global_step == step:
            next(one for one in trainer.callbacks if isinstance(one, Checkpoint)).ask_to_stop()

    monkeypatch.setattr(Epochs, "on_train_batch_end", ask)
    return monkeypatch


@pytest.mark.slow
def test_a_stopped_finetuning_goes_on_and_ends_bit_for_bit_as_one_that_was_not(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--labels", "0.5", "--control")
    assert tune(*flags, out="whole") == 0
    with monkeypatch.context() as patch:
        stop_after(5, patch)
        assert tune(*flags, out="stopped") == 130
        assert "fullrank finetune --resume stopped" in capsys.readouterr().out
        assert main(["finetune", "--resume", "stopped"]) == 130  # stopped again, in the control
    assert main(["finetune", "--resume", "stopped"]) == 0
    for part in ("fine-tuned-0", "from-scratch-0"):
        whole, stopped = (load_file(Path(run) / part / "encoder.safetensors") for run in ("whole", "stopped"))
        assert all(torch.equal(value, stopped[name]) for name, value in whole.items())
        states = [read(Path(run) / part / "checkpoints" / "last.ckpt") for run in ("whole", "stopped")]
        momenta = [
            [entry["momentum_buffer"] for entry in state["optimizer_states"][0]["state"].values()] for state in states
        ]
        assert all(torch.equal(a, b) for a, b in zip(*momenta, strict=True))
        assert course(Path("whole") / part) == course(Path("stopped") / part)
    assert read_json(Path("whole/result.json"))["rows"] == read_json(Path("stopped/result.json"))["rows"]
    assert main(["finetune", "--resume", "stopped"]) == 2


@pytest.mark.slow
def test_it_leaves_scores_an_encoder_a_head_lists_and_a_page(source: Path) -> None:
    assert tune("--labels", "0.5", "--control", "--seeds", "2", "--protocol", "intl") == 0
    result = read_json(source / "out" / "result.json")
    assert result["protocol"] == "intl/imagenet"
    assert result["labels"] == {"said": "0.5", "images": 24, "of": 48}
    for row in result["rows"].values():
        assert len(row["last"]["balanced"]["values"]) == 2
        assert row["best"]["top1"]["values"] == [max(course) for course in row["course"]]
    page = (source / "out" / "report.html").read_text()
    for word in ("fine-tuned", "from scratch", "balanced accuracy", "best epoch", "0.006", "two-view encoders"):
        assert word in page, word
    lists = [(source / "out" / f"labels-{seed}.txt").read_text().split() for seed in (0, 1)]
    assert [len(lines) for lines in lists] == [24, 24]
    assert lists[0] != lists[1]
    assert tune("--labels", "out/labels-1.txt", out="again") == 0
    with safe_open("out/fine-tuned-0/head.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["classes"]) == ["0", "1", "2", "3", "4", "5"]
    assert fullrank.load("out/fine-tuned-1").encoder.width == 512


@pytest.mark.slow
def test_a_pretrained_encoder_moves_and_the_control_begins_elsewhere(source: Path) -> None:
    assert tune("--control") == 0
    begun = load_file("encoder.safetensors")
    tuned, control = (load_file(f"out/{part}-0/encoder.safetensors") for part in ("fine-tuned", "from-scratch"))
    (name,) = [name for name in begun if name.endswith("weight") and begun[name].ndim == 4][:1]
    assert 0 < (tuned[name] - begun[name]).norm() < 0.5 * begun[name].norm()
    assert (control[name] - begun[name]).norm() > 0.5 * begun[name].norm()


def test_from_python(source: Path) -> None:
    x, y = images(40, 4, seed=0).images, images(40, 4, seed=0).labels
    assert y is not None
    done = fullrank.finetune("encoder.safetensors", data=(x, y), labels=0.5, epochs=1, out="out")
    assert done.accuracy == done.result["rows"]["fine-tuned"]["last"]["top1"]["mean"]
    assert done.load().embed(x[:2]).shape == (2, 512)
    assert "report" in done._repr_html_()
    with pytest.raises(UserError, match=r"finetune has no setting epoch: did you mean epochs\?"):
        fullrank.finetune("encoder.safetensors", epoch=1)
    with pytest.raises(UserError, match="out exists already"):
        fullrank.finetune("encoder.safetensors", data=(x, y), epochs=1, out="out")


def test_a_finetuning_is_gone_on_with_by_its_encoder_and_its_images_alone(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        stop_after(5, patch)
        assert tune(out="stopped") == 130
    made = images(60, 6, seed=1)
    np.savez("other.npz", images=made.images[:, 0].numpy(), labels=labels_of(made).numpy())
    assert main(["finetune", "--resume", "stopped", "--data", "other.npz"]) == 2
    assert "stopped was begun with another images" in capsys.readouterr().err
    torch.manual_seed(1)
    content = encoder_bytes(encoder("tiny", image_size=SIDE, channels=1), mean=(0.5,), std=(0.25,))
    Path("encoder.safetensors").write_bytes(content)
    assert main(["finetune", "--resume", "stopped"]) == 2
    assert "stopped was begun with another encoder" in capsys.readouterr().err


def test_a_finetuning_goes_on_from_another_folder(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "classes.txt").write_text("0\n1\n2\n")
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        assert tune("--classes", "classes.txt", out="stopped") == 130
    (source / "elsewhere").mkdir()
    (source / "elsewhere" / "classes.txt").write_text("3\n4\n")
    monkeypatch.chdir(source / "elsewhere")
    assert main(["finetune", "--resume", "../stopped"]) == 0


@pytest.mark.parametrize(("flags", "span"), [([], (0.0, 40000.0)), (["--range", "0,50000"], (0.0, 50000.0))])
def test_a_finetuned_encoder_reads_more_than_8_bits_as_its_images_were_read(
    flags: list[str], span: tuple[float, float], source: Path
) -> None:
    content = encoder_bytes(encoder("tiny", image_size=SIDE, channels=1), mean=(0.5,), std=(0.25,), span=(0.0, 40000.0))
    Path("encoder.safetensors").write_bytes(content)
    for at in range(10):
        (source / "deep" / "ab"[at % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 3000 * at, np.uint16)).save(source / "deep" / "ab"[at % 2] / f"{at}.png")
    assert main(["finetune", "encoder.safetensors", "--data", "deep", "--out", "out", "--epochs", "1", *flags]) == 0
    assert load_encoder("out/fine-tuned-0/encoder.safetensors").range == span


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["encoder.safetensors"], "Which labeled images? encoder.safetensors is not a run, which has its own"),
        ([], "Which encoder? Pass a run, the file of an encoder, or --weights."),
        (["encoder.safetensors", "--weights", "x"], "RUN and --weights both say where to begin: pass one of them."),
        (["encoder.safetensors", "--data", "nowhere"], "nowhere is neither a built-in data set nor an existing path"),
        (["encoder.safetensors", "--data", "made.npz", "--labels", "2"], "--labels 2 is not a share"),
        (["encoder.safetensors", "--data", "made.npz", "--protocol", "w2"], "w2 has no protocol of fine-tuning"),
        (["encoder.safetensors", "--data", "split"], "1 of the 3 classes of the test set have no training images"),
        (["--resume", "nowhere"], "nowhere is not a run folder"),
        (
            ["encoder.safetensors", "--data", "split/mixed"],
            "pass --folder-labels folders if the folders are classes, or",
        ),
        (
            ["encoder.safetensors", "--data", "made.npz", "--folder-labels", "folders"],
            "--folder-labels folders does not act on made.npz, only on folders of images and lists of images: leave it",
        ),
        (["encoder.safetensors", "--data", "wrong.npz"], "save one label per image, or pass --folder-labels none."),
        (["encoder.safetensors", "--data", "made.npz", "--pages", "all"], "--pages does not act on made.npz, only on"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    command: list[str], sentence: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, kinds in (("train", "ab"), ("test", "bc")):
        for kind in kinds:
            (source / "split" / part / kind).mkdir(parents=True)
            for at in range(3):
                Image.new("L", (8, 8), at).save(source / "split" / part / kind / f"{at}.png")
    for at, place in enumerate(("a", "b", ".", ".", ".")):
        (source / "split" / "mixed" / place).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), at).save(source / "split" / "mixed" / place / f"{at}.png")
    np.savez("wrong.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.arange(3))
    assert main(["finetune", *command]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (source / "runs").exists()


def test_labels_that_are_left_out_are_said_by_the_flag_that_leaves_them_out(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in "ab":
        (source / "photos" / kind).mkdir(parents=True)
        for at in range(3):
            Image.new("L", (8, 8), at).save(source / "photos" / kind / f"{at}.png")
    assert main(["finetune", "encoder.safetensors", "--data", "photos", "--folder-labels", "none"]) == 2
    said = capsys.readouterr()
    assert "labels left out by --folder-labels none" in " ".join(said.out.split())
    assert "have no labels" in said.err


@pytest.mark.slow
def test_an_image_that_vanishes_is_replaced_and_counted_and_the_rest_is_exact(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = images(60, 6, seed=0)
    for at, label in enumerate(labels_of(made).tolist()):
        for part, rows in (("train", range(48)), ("test", range(48, 60))):
            if at in rows:
                (source / "photos" / part / str(label)).mkdir(parents=True, exist_ok=True)
                Image.fromarray(made.images[at, 0].numpy()).save(source / "photos" / part / str(label) / f"{at}.png")
    gone = source / "photos" / "train" / "0" / "6.png"
    real = Fit.__init__

    def of_photos(out: str) -> int:
        return main(["finetune", "encoder.safetensors", "--data", "photos", "--out", out, *SHORT, "--workers", "0"])

    def vanishes(self: Any, *rest: Any) -> None:  # once everything has been looked at
        gone.unlink(missing_ok=True)
        real(self, *rest)

    content = gone.read_bytes()
    monkeypatch.setattr(Fit, "__init__", vanishes)
    assert of_photos("whole") == 0
    said = capsys.readouterr().out
    assert "Missing at the end: 1 of 48 images (whole/missing.jsonl). Others took their place." in said
    gone.write_bytes(content)
    with monkeypatch.context() as patch:
        stop_after(7, patch)
        assert of_photos("stopped") == 130
    assert main(["finetune", "--resume", "stopped"]) == 0
    assert "Missing as before: 1 of 48 images" in capsys.readouterr().out
    whole, stopped = (load_file(Path(run) / "fine-tuned-0" / "encoder.safetensors") for run in ("whole", "stopped"))
    assert all(torch.equal(value, stopped[name]) for name, value in whole.items())


@pytest.mark.slow
def test_a_test_image_that_vanishes_is_one_sentence_with_its_name(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in range(24):
        (source / "photos" / "ab"[at % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 10 * at).save(source / "photos" / "ab"[at % 2] / f"{at}.png")
    real = Fit.__init__

    def vanishes(self: Any, *rest: Any) -> None:
        real(self, *rest)
        Path(self.task.test.files[0]).unlink()

    monkeypatch.setattr(Fit, "__init__", vanishes)
    assert main(["finetune", "encoder.safetensors", "--data", "photos", "--out", "out", *SHORT, "--workers", "0"]) == 2
    assert "png could be read at the start and cannot be read now" in capsys.readouterr().err
