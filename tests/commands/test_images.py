"""`fullrank diagnose ENCODER --data IMAGES`: a low rank is compared with that of the untrained network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from fullrank.cli import main
from fullrank.commands._images import untrained
from fullrank.nn import SavedEncoder, encoder, encoder_bytes


@pytest.mark.slow
@pytest.mark.parametrize("kept", [512, 4])
def test_what_may_be_the_images_own_is_compared_with_the_untrained_network(
    kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    made = encoder("tiny", image_size=8, channels=1)
    last = [module for module in made.modules() if isinstance(module, nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight.copy_(last.weight[torch.arange(len(last.weight)) % kept])
    Path("encoder.safetensors").write_bytes(encoder_bytes(made, mean=(0.5,), std=(0.25,)))
    code = main(["diagnose", "encoder.safetensors", "--data", "digits", "--json", "found.json", "--no-report"])
    found = json.loads(Path("found.json").read_text())
    assert (code, found["verdict"]) == ((0, "healthy") if kept == 512 else (1, "collapsed"))
    assert ("Before training they had 512 dimensions" in found["read_as"]) == (kept == 4)


@pytest.mark.parametrize("name", ["{here}/net.py:Net", "module mine.Net", "resnet81"])
def test_a_network_is_not_made_again_by_code_that_a_file_names(name: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("raise RuntimeError('executed')\n")
    made = encoder("tiny", image_size=8, channels=1).eval()
    made.name = name.format(here=tmp_path)
    assert untrained(SavedEncoder(made, (0.5,), (0.25,)), 0) is None
