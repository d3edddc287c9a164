"""Nothing that a folder of somebody else's names is run, whatever hash it brings along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fullrank
from fullrank.cli import main
from fullrank.errors import UserError
from fullrank.runs import read_json
from fullrank.runs.trusted import require_trust, trust_file, trusted_files
from tests.cli.test_errors import sentence

EVIL = "from pathlib import Path\nPath('ran').touch()\n"
MINE = """
from fullrank.recipes.vicreg import VICReg
class Mine(VICReg):
    pass
"""
FLAGS = ["--data", "digits", "--image-size", "8", "--batch-size", "32", "--projector", "16", "8", "--steps", "2"]


@pytest.fixture(autouse=True)
def _own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def test_a_file_is_trusted_at_its_place_and_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text("1")
    with pytest.raises(UserError, match="code that you have not run as it is now"):
        require_trust(file, "run", trust=False)
    trust_file(file)
    require_trust(file, "run", trust=False)
    elsewhere = tmp_path / "copy.py"
    elsewhere.write_text("1")
    for changed in (elsewhere, file):
        file.write_text("2")
        with pytest.raises(UserError, match="pass --trust"):
            require_trust(changed, "run", trust=False)
    require_trust(file, "run", trust=True)
    require_trust(file, "run", trust=False)
    assert trusted_files().is_relative_to(tmp_path / "state")


def test_a_list_that_cannot_be_kept_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "blocked"))
    (tmp_path / "net.py").write_text("1")
    trust_file(tmp_path / "net.py")
    with pytest.raises(UserError, match="pass --trust"):
        require_trust(tmp_path / "net.py", "run", trust=False)


@pytest.mark.slow
def test_ones_own_recipe_is_resumed_and_a_changed_one_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.py").write_text(MINE)
    assert main(["train", "mine.py", *FLAGS, "--out", "run"]) == 0
    (tmp_path / "run" / "result.json").unlink()
    assert main(["train", "--resume", "run"]) == 0
    (tmp_path / "run" / "result.json").unlink()
    Path("mine.py").write_text(MINE + EVIL)
    assert "pass --trust" in sentence(["train", "--resume", "run"], capsys)
    assert not Path("ran").exists()
    assert "code of recipe" in sentence(["train", "--resume", "run", "--trust"], capsys)  # it may run, but is another
    assert Path("ran").exists()
    assert main(["train", "--resume", "run", "--trust", "--any-settings"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("which", ["recipe", "backbone"])
def test_no_command_runs_code_that_a_run_of_somebody_elses_names(
    which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "vicreg", *FLAGS, "--out", "run"]) == 0
    run = tmp_path / "run"
    evil = run / "evil.py"
    evil.write_text(EVIL)
    config: dict[str, Any] = read_json(run / "config.json")
    if which == "recipe":
        config["recipe"] = str(evil)
    else:
        import hashlib

        config["settings"]["backbone"] = f"{evil}:Net"
        config["start"]["code_sha256"] = hashlib.sha256(evil.read_bytes()).hexdigest()  # it vouches for itself
    (run / "config.json").write_text(json.dumps(config))
    for arguments in (["diagnose", "run", "--no-report"], ["report", "run"], ["evaluate", "run"]):
        main(arguments)
    if which == "backbone":
        assert "name it as --backbone" in sentence(["train", "vicreg", "--like", "run"], capsys)
    (run / "result.json").unlink()
    assert "pass --trust" in sentence(["train", "--resume", "run"], capsys)
    with pytest.raises(UserError, match="pass --trust"):
        fullrank.resume(run)
    assert not Path("ran").exists()


NET = """
from torch import nn
class Net(nn.Module):
    def __init__(self, in_chans=1):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(in_chans, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    def forward(self, x):
        return self.layers(x)
"""


@pytest.mark.slow
def test_every_command_that_asks_for_trust_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.py").write_text(NET)
    assert main(["train", "vicreg", *FLAGS, "--backbone", "./net.py:Net", "--out", "run"]) == 0
    Path("query.png").write_bytes(_image())
    assert main(["embed", "run", "digits", "--out", "z.parquet"]) == 0
    Path("net.py").write_text(NET + EVIL)
    for arguments in (
        ["neighbors", "z.parquet", "query.png", "--encoder", "run"],
        ["diagnose", "run", "--data", "digits", "--no-report"],
        ["embed", "run", "digits", "--out", "again.parquet"],
        ["evaluate", "run"],
        ["export", "run", "--to", "timm", "--out", "exported"],
    ):
        Path("ran").unlink(missing_ok=True)
        trusted_files().unlink(missing_ok=True)
        assert "--trust" in sentence(arguments, capsys)
        assert not Path("ran").exists()
        main([*arguments, "--trust"])
        assert "--trust" not in capsys.readouterr().err
        assert Path("ran").exists()


def _image() -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("L", (8, 8), 100).save(file, "PNG")
    return file.getvalue()
