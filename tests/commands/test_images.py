"""`fullrank diagnose ENCODER --data IMAGES`: a low rank is compared with that of the untrained network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from fullrank.cli import main
from fullrank.nn import encoder, encoder_bytes


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
