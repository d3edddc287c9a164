from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fullrank.errors import UserError
from fullrank.nn import SavedEncoder, encoder, encoder_bytes, load_encoder


def test_a_saved_encoder_gives_the_same_representation(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = encoder("resnet18", image_size=16, channels=3).eval()
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(trained, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)))
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    normalized = (images / 255 - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 0.6, 0.7]).view(
        3, 1, 1
    )
    saved = load_encoder(path)
    assert not saved.encoder.training
    with torch.no_grad():
        torch.testing.assert_close(saved(images), trained(normalized))


def test_an_untrained_encoder_is_the_same_network_with_weights_that_the_seed_decides() -> None:
    saved = SavedEncoder(encoder("tiny", image_size=16, channels=1).eval(), (0.5,), (0.2,), loss_features=90)
    images = torch.randint(0, 256, (2, 1, 16, 16), dtype=torch.uint8)
    before = torch.random.get_rng_state()
    first, again, other = (saved.untrained(seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first(images), again(images))
    assert not torch.equal(first(images), other(images))
    assert not torch.equal(first(images), saved(images))
    assert (first.mean, first.std, first.loss_features) == (saved.mean, saved.std, saved.loss_features)
    assert not first.encoder.training


def test_what_is_no_encoder_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing: finish the training"):
        load_encoder(tmp_path / "encoder.safetensors")
    (tmp_path / "text").write_text("hello")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other")
    whole = encoder_bytes(encoder("tiny", image_size=16, channels=1), mean=(0.5,), std=(0.2,))
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "other", "cut"):
        with pytest.raises(UserError, match="is no encoder of FullRank"):
            load_encoder(tmp_path / name)


def test_how_many_features_entered_the_loss_is_kept_and_older_files_do_not_say(tmp_path: Path) -> None:
    trained, path = encoder("tiny", image_size=16, channels=1), tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(trained, mean=(0.5,), std=(0.2,), loss_features=90))
    assert load_encoder(path).loss_features == 90
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["fullrank"])
    assert about.pop("loss_features") == 90
    save_file(trained.state_dict(), path, metadata={"fullrank": json.dumps(about)})
    assert load_encoder(path).loss_features is None
