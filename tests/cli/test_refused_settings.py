"""A setting that the loss of a recipe refuses is one sentence with its flag, before there is a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from fullrank.cli import main
from tests.cli.test_errors import sentence

TRAIN = ["--data", "digits", "--image-size", "16", "--batch-size", "8", "--backbone", "tiny", "--out", "run"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("simclr --temperature 0", "--temperature 0.0 cannot work in nt_xent: pass a number above 0."),
        ("vicreg --invariance -1", "--invariance -1.0 cannot work in vicreg: pass a number that is not negative."),
        ("mec --order 0", "--order 0 cannot work in mec: pass a whole number of at least 1."),
        ("dino --teacher-temperature 0", "--teacher-temperature 0.0 cannot work in dino: pass a number above 0."),
        ("moco --queue 0", "--queue 0 cannot work in MoCo: pass a whole number of at least 1."),
        ("nnclr --queue 0", "--queue 0 cannot work in NNCLR: pass a whole number of at least 1."),
        ("nnclr --queue -3", "--queue -3 cannot work in NNCLR: pass a whole number of at least 1."),
        ("corinfomax --memory 2", "--memory 2.0 cannot work in CorInfoMax: pass a number from 0 to 1."),
        ("corinfomax --eps -1", "--eps -1.0 cannot work in CorInfoMax: pass a number that is not negative."),
        ("align_uniform --spread -1", "--spread -1.0 cannot work in align_uniform: pass a number that is not negative"),
        ("align_uniform --align -1", "--align -1.0 cannot work in align_uniform: pass a number that is not negative"),
        ("w_mse --size 1", "w_mse got sub-batches of size 1, which have no covariance: pass at least 2"),
        ("simclr --w2 -1", "--w2 -1.0 is too small: pass 0 or more."),
        ("simclr --w2 1 --w2-end -1", "--w2-end -1.0 is too small: pass 0 or more."),
        ("simclr --uniformity -1", "--uniformity -1.0 is too small: pass 0 or more."),
        ("simclr --energy -1", "--energy -1.0 is too small: pass 0 or more."),
        ("simclr --coding-rate -0.1", "--coding-rate -0.1 is too small: pass 0 or more."),
    ],
)
def test_what_a_loss_refuses_leaves_no_folder(flags: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *more = flags.split()
    for dry in ([], ["--dry-run"]):
        assert said in sentence(["train", name, *TRAIN, *more, *dry], capsys)
    assert list(Path().iterdir()) == []


def test_the_coding_rate_beside_the_teacher_of_intl(capsys: pytest.CaptureFixture[str]) -> None:
    """Its student sees one of two views."""
    flags = ["--teacher", "0.99", "--coding-rate", "0.1", "--steps", "1", "--probe", "20"]
    assert main(["train", "intl", *TRAIN, *flags]) == 0, capsys.readouterr().err
