"""Encoders by name have the width they say, keep small images large, and leave no trace of their check."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.nn import Encoder, encoder
from fullrank.nn.encoder import _patches

WIDTHS = {
    "tiny": 512,
    "resnet18": 512,
    "mobilenetv3_small_100": 1024,  # 576 before the layer behind the pooling
    "vit_tiny_patch16_224": 192,
    "convnext_atto": 320,
    "mobileone_s0": 1024,  # a stem of two branches
    "torchvision/resnet18": 512,
    "torchvision/squeezenet1_1": 512,
    "shufflenet_v2_x0_5": 1024,  # of torchvision, timm has none
}


@pytest.mark.parametrize(("name", "width"), WIDTHS.items())
def test_width_and_shape_at_32(name: str, width: int) -> None:
    channels = 4
    built = encoder(name, image_size=32, channels=channels)
    assert (built.width, built.name, built.channels, built.image_size) == (width, name, channels, 32)
    assert built.training
    assert all(module.training for module in built.modules())
    assert built.eval()(torch.zeros(3, channels, 32, 32)).shape == (3, width)


def resolutions(built: Encoder, size: int) -> list[int]:
    """The side of every feature map."""
    sides: list[int] = []

    def note(_module: nn.Module, _images: tuple[Tensor, ...], output: Tensor) -> None:
        sides.append(output.shape[-1])

    for module in built.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    built.eval()(torch.zeros(1, built.channels, size, size))
    return sides


@pytest.mark.parametrize("name", ["resnet18", "torchvision/resnet18"])
@pytest.mark.slow
def test_resnet_keeps_the_resolution_of_small_images(name: str) -> None:
    """32 px: the CIFAR stem and 4 x 4 at the end. 224 px: the ImageNet stem and 7 x 7."""
    small = resolutions(encoder(name, image_size=32), 32)
    assert (small[0], small[1], small[-1]) == (32, 32, 4)
    large = resolutions(encoder(name, image_size=224), 224)
    assert (large[0], large[1], large[-1]) == (112, 56, 7)


@pytest.mark.slow
def test_the_stem_can_be_chosen_against_the_size() -> None:
    small = encoder("resnet18", image_size=96, stem="small")
    large = encoder("resnet18", image_size=32, stem="imagenet")
    assert (small.stem, resolutions(small, 96)[:2]) == ("small", [96, 96])
    assert (large.stem, resolutions(large, 32)[:2]) == ("imagenet", [16, 8])
    patches = encoder("vit_tiny_patch16_224", image_size=64, stem="imagenet")
    assert resolutions(patches, 64)[0] == 4
    assert [encoder("tiny", image_size=size, stem="small").stem for size in (64, 65)] == ["imagenet"] * 2  # it has one


@pytest.mark.slow
@pytest.mark.parametrize("name", ["timm/resnet18", "resnet18.a1_in1k", "timm/resnet18.a1_in1k"])
def test_a_name_of_timm_may_have_its_prefix_and_a_tag(name: str) -> None:
    built = encoder(name, image_size=32)
    assert built.name == name.removeprefix("timm/")
    plain = encoder("resnet18", image_size=32)
    assert {key: value.shape for key, value in built.state_dict().items()} == {
        key: value.shape for key, value in plain.state_dict().items()
    }


@pytest.mark.slow
def test_resnet_stem_is_the_one_of_cifar() -> None:
    stem = encoder("resnet18", image_size=64).model.get_submodule("conv1")
    assert isinstance(stem, nn.Conv2d)
    assert (stem.kernel_size, stem.stride, stem.padding) == ((3, 3), (1, 1), (1, 1))
    std = (2 / (64 * 9)) ** 0.5  # He et al., fan out; 1728 draws: the standard error of the deviation is 1.7 %
    assert stem.weight.std().item() == pytest.approx(std, rel=0.08)
    assert encoder("resnet18", image_size=65).model.get_submodule("conv1").kernel_size == (7, 7)


@pytest.mark.parametrize("size", [28, 64])
def test_transformer_gets_smaller_patches_not_another_projection(size: int) -> None:
    projection = encoder("vit_tiny_patch16_224", image_size=size).model.get_submodule("patch_embed.proj")
    assert isinstance(projection, nn.Conv2d)
    assert projection.kernel_size == projection.stride == (size // (7 if size == 28 else 8),) * 2


@pytest.mark.parametrize(
    ("size", "patch"), [(8, 2), (16, 2), (20, 2), (24, 3), (28, 4), (30, 3), (31, 3), (32, 4), (48, 6), (64, 8)]
)
def test_patches_cover_the_image_where_they_can(size: int, patch: int) -> None:
    assert _patches(size) == {"patch_size": patch}


def test_transformer_keeps_its_patches_on_large_images() -> None:
    built = encoder("vit_tiny_patch16_224", image_size=96)
    assert built(torch.zeros(1, 3, 96, 96)).shape == (1, 192)
    assert resolutions(built, 96)[0] == 6


@pytest.mark.parametrize("name", ["tiny", "resnet10t", "shufflenet_v2_x0_5"])
def test_check_leaves_no_trace(name: str) -> None:
    built = encoder(name, image_size=32)
    norms = [module for module in built.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.num_batches_tracked is not None
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked.item() == 0
        assert norm.running_mean.abs().max() == 0
        assert (norm.running_var == 1).all()
    assert all(p.requires_grad and p.grad is None and not p.is_inference() for p in built.parameters())


def test_state_dict_round_trip() -> None:
    one, other = encoder("shufflenet_v2_x0_5", image_size=32), encoder("shufflenet_v2_x0_5", image_size=32)
    images = torch.randn(2, 3, 32, 32)
    one(images)  # moves the running statistics
    assert not torch.equal(one.eval()(images), other.eval()(images))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(images), other(images))


@pytest.mark.parametrize("name", ["tiny", "resnet10t", "shufflenet_v2_x0_5"])
def test_same_seed_same_weights(name: str) -> None:
    torch.manual_seed(3)
    one = encoder(name, image_size=32).state_dict()
    torch.manual_seed(3)
    other = encoder(name, image_size=32).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_features_of_torchvision_have_no_dropout() -> None:
    """In train mode too: views differ by augmentation alone."""
    built = encoder("torchvision/squeezenet1_1", image_size=32)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(built(images), built(images))


def test_silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder("resnet10t", image_size=32, channels=1)
        encoder("shufflenet_v2_x0_5", image_size=32, channels=1)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet81", "did you mean .*resnet18"),
        ("tinny", "did you mean .*tiny"),
        ("torchvision/resnt50", "did you mean .*torchvision/resnet50"),
        ("hf-hub:timm/resnet18.a1_in1k", "There is no encoder"),  # would download
        ("resnet18.a1_in1", "There is no encoder 'resnet18.a1_in1': did you mean resnet18.a1_in1k"),
        ("zzzzqqqq", "pass 'tiny', a timm model or torchvision/MODEL"),
    ],
)
def test_unknown_name(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        encoder(name, image_size=32)


def test_a_model_that_memory_does_not_hold_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, said in ((2**25, "The weights of 'resnet18' would take 0.0 GB"), (2**26, "more memory for 288 x 288")):
        for place in ("nn.room", "stats.sketch.memory"):
            monkeypatch.setattr(f"fullrank.{place}.free_memory", lambda free=free: free)
        with pytest.raises(UserError, match=said):
            encoder("resnet18", image_size=288)


def test_image_too_small_for_the_model() -> None:
    with pytest.raises(UserError, match=r"'torchvision/squeezenet1_1' .* 4 px with 3 channels .*: use larger"):
        encoder("torchvision/squeezenet1_1", image_size=4)


@pytest.mark.parametrize(("size", "channels"), [(0, 3), (32, 0)])
def test_no_image(size: int, channels: int) -> None:
    with pytest.raises(UserError, match="pass at least 1 of each"):
        encoder("tiny", image_size=size, channels=channels)


@pytest.mark.parametrize("name", ["tiny", "resnet10t", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
@pytest.mark.slow
def test_views_of_other_sizes_go_through_one_encoder(name: str) -> None:
    views = encoder(name, image_size=32, view_sizes=(32, 32, 24, 16)).eval()
    with torch.no_grad():
        widths = {views(torch.randn(2, 3, size, size)).shape for size in (32, 24, 16)}
    assert widths == {(2, views.width)}
    saved = encoder(name, image_size=32)  # as it is read back, for one size
    saved.load_state_dict(views.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(saved.eval()(images), views(images))


@pytest.mark.slow
def test_a_model_for_one_size_takes_no_other() -> None:
    with pytest.raises(UserError, match="'mixer_s16_224' cannot take images of 160 px"):
        encoder("mixer_s16_224", image_size=224, view_sizes=(224, 224, 160))
