"""`fullrank evaluate RUN --suite`: several data sets in one table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fullrank.cli import main
from fullrank.nn import encoder, encoder_bytes
from fullrank.runs import read_json
from fullrank.transfer import suite
from fullrank.transfer.task import labels_of
from tests.transfer.made import SIDE, images


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an untrained encoder, beside two files of labeled images."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("one.npz", "two.npz")):
        made = images(40, 4, seed=seed)
        np.savez(name, images=made.images[:, 0].numpy(), labels=labels_of(made).numpy())
    torch.manual_seed(9)
    content = encoder_bytes(encoder("tiny", image_size=SIDE, channels=1), mean=(0.5,), std=(0.25,))
    Path("encoder.safetensors").write_bytes(content)
    return tmp_path


@pytest.mark.slow
def test_a_suite_is_one_table_and_what_is_there_is_not_computed_again(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "encoder.safetensors", "--out", "out", "--suite"]
    assert main([*command, "one.npz,digits", "two.npz"]) == 0
    result = read_json(source / "out" / "result.json")
    parts = [f"{name}: {part}" for name in ("one.npz", "digits", "two.npz") for part in ("20 neighbors", "linear")]
    assert list(result["rows"]) == parts
    alone = read_json(source / "out" / "digits" / "result.json")["rows"]["linear"]
    assert result["rows"]["digits: linear"]["last"] == alone["last"]
    page = (source / "out" / "report.html").read_text()
    assert all(part in page for part in parts)
    assert "3 data sets: linear" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr(suite, "judge", None)  # it would be called
        assert main([*command, "one.npz", "two.npz"]) == 0
        assert main([*command, "digits"]) == 0
    assert "1 data set: linear" in capsys.readouterr().out
    assert main([*command, "one.npz", "--protocol", "moco", "--epochs", "1"]) == 2
    assert "holds another evaluation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--suite", "one.npz", "dtd"], "torchvision:DTD needs a folder to be read from or downloaded to"),
        (["--suite", "one.npz,pets", "--data-root", "."], "pass --download, or pass another --data-root."),
        (["--suite", "one.npz", "one.npz"], "--suite has one.npz twice"),
        (["--suite", "one.npz", "nowhere"], "nowhere is neither a built-in data set nor an existing path"),
        (["--suite", "one.npz", "--data", "two.npz"], "--data and --suite both say which images"),
    ],
)
def test_a_missing_data_set_is_said_before_anything_is_scored(
    flags: list[str], sentence: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "encoder.safetensors", "--out", "out", *flags]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (source / "out").exists()


def test_every_name_of_the_suite_is_a_data_set_of_torchvision() -> None:
    import torchvision.datasets as known

    assert all(name in known.__all__ for name in suite.SETS.values())
