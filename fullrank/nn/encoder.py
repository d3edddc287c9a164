"""Encoders by name: two small ones, any model of timm, any classifier of torchvision, fitted to small images."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import combinations
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from fullrank.errors import UserError, first_line, suggest
from fullrank.nn.own_module import BACKBONE, own_module
from fullrank.nn.room import require_room, require_room_for_model, too_large, without_values
from fullrank.nn.tiny import TINY, WIDTH
from fullrank.runs.own_code import absolute
from fullrank.runs.trusted import is_file_of_code

Stem = Literal["imagenet", "small"]
OBJECT = "module "  # begins the name of a network that was passed as an object, and so cannot be made again
SMALL = 64  # pixels: up to here a stem that divides the image by four leaves too little of it
STEM_POOLS = (  # where a stem's max-pool sits: ResNets, GoogLeNet, Inception, SENets, ByobNets, DenseNet, DPN
    *("maxpool", "maxpool1", "maxpool_3a", "Pool1", "pool0", "layer0.pool", "layer0.pool0"),
    *("stem.pool", "features.pool0", "features.conv1_pool"),
)


class Encoder(nn.Module):
    """A backbone without its classifier: images (N, channels, H, W), float, to features (N, width).

    Args:
        model: The network, without a classifier.
        width: How many features it has.
        name: What it is called in configurations and files.
        channels: Channels of its images, 1 or 3.
        image_size: Pixels of a side that it was made for.
        stem: "small" where the stem was changed for small images, else "imagenet".

    >>> encoder("tiny", image_size=28, channels=1)(torch.zeros(4, 1, 28, 28)).shape
    torch.Size([4, 512])
    """

    def __init__(
        self, model: nn.Module, *, width: int, name: str, channels: int, image_size: int, stem: Stem = "imagenet"
    ) -> None:
        super().__init__()
        self.model = model
        self.width = width
        self.name = name
        self.channels = channels
        self.image_size = image_size
        self.stem = stem
        self.frozen: tuple[str, ...] = ()

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, channels, H, W) to features (N, width)."""
        return cast(Tensor, self.model(images))

    def train(self, mode: bool = True) -> Encoder:
        """Train or eval mode; the modules at `frozen` stay in eval mode, so that their statistics do."""
        super().train(mode)
        for path in self.frozen:
            self.model.get_submodule(path).eval()
        return self


def encoder(
    name: str | nn.Module,
    *,
    image_size: int,
    channels: int = 3,
    view_sizes: Sequence[int] = (),
    stem: Stem | None = None,
) -> Encoder:
    """An untrained encoder for square images of `image_size` px; nothing is ever downloaded.

    Views of other sizes (multi-crop) are named in `view_sizes`; transformers then interpolate their positions.

    `name` is "tiny", "tiny_residual", a timm model ("resnet18", "timm/resnet18", "resnet18.a1_in1k"), or a torchvision
    classifier where timm has none of that name or after "torchvision/". With the stem "small", which is the default up
    to 64 px, a first convolution that strides becomes 3x3 with stride 1 and the stem's max-pool goes (the CIFAR ResNet
    of SimCLR, arXiv:2002.05709), and a vision transformer gets smaller patches, about 8 x 8 of them; with "imagenet"
    the model is as it was published. A network of one's own is "./net.py:Net", whose file is run, or a module, which is
    taken as it is.

    Args:
        name: Name of a network, "FILE.py:NAME", or a module.
        image_size: Pixels of a side.
        channels: Channels of the images, 1 or 3.
        view_sizes: Sizes of other views, for multi-crop.
        stem: "small" or "imagenet"; None chooses by the image size.

    Raises:
        UserError: The name is unknown, or the model cannot take such images.

    >>> encoder("resnet18", image_size=32).width
    512
    >>> encoder("resnet81", image_size=32)
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no encoder 'resnet81': did you mean resnet18 or ...
    """
    if image_size < 1 or channels < 1:
        raise UserError(f"No image has {image_size} px and {channels} channels: pass at least 1 of each.")
    own = name if isinstance(name, nn.Module) else None
    name = encoder_name(name)
    side = image_size
    require_room(name, side, channels)
    small = image_size <= SMALL if stem is None else stem == "small"
    any_size = not set(view_sizes) <= {image_size}
    try:
        if own is not None or is_file_of_code(name):
            model = own_module(name, image_size=image_size, channels=channels) if own is None else own
            width, small = _output_shape(model, image_size, channels)[-1], False
        else:
            build = partial(_build, name, image_size, channels, small, any_size)
            require_room_for_model(name, without_values(lambda: build()[0]), image_size, channels)
            model, width, small = build()
        shape = _output_shape(model, image_size, channels)
        for side in view_sizes:
            _output_shape(model, side, channels)
    except (ArithmeticError, AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        if "allocate memory" in str(error):
            raise UserError(too_large(name, side, channels)) from error
        what = f"'{name}' cannot take images of {side} px with {channels} channels"
        raise UserError(f"{what} ({_first_line(error)}): use larger images or another model.") from error
    if shape != (2, width):
        what = f"'{name}' gives features of shape {shape[1:]} for one image, not of width {width}"
        raise UserError(f"{what}: use another model.")
    of = {"channels": channels, "image_size": image_size}
    return Encoder(model, width=width, name=name, stem="small" if small else "imagenet", **of)


def require_fit(tensors: Mapping[str, Tensor], name: str, *, image_size: int, channels: int, stem: Stem | None) -> None:
    """Raise ValueError where tensors are not those of this model, before memory is taken for it.

    >>> require_fit({}, "resnet18", image_size=32, channels=3, stem=None)
    Traceback (most recent call last):
    ValueError: its tensors are not those of resnet18
    """
    small = image_size <= SMALL if stem is None else stem == "small"
    model = without_values(lambda: _build(name, image_size, channels, small, any_size=False)[0])
    if model is not None:
        wanted = {at: value.shape for at, value in model.state_dict().items()}
        if wanted != {at: value.shape for at, value in tensors.items()}:
            raise ValueError(f"its tensors are not those of {name}")


def encoder_name(name: str | nn.Module) -> str:
    """What an encoder is called in files: without the name of timm, a file by its whole path, a module by its class.

    >>> encoder_name("timm/resnet18"), encoder_name(nn.Identity())
    ('resnet18', 'module torch.nn.modules.linear.Identity')
    """
    if isinstance(name, nn.Module):
        return f"{OBJECT}{type(name).__module__}.{type(name).__qualname__}"
    return absolute(name, BACKBONE) if is_file_of_code(name) else name.removeprefix("timm/")


def _build(name: str, image_size: int, channels: int, small: bool, any_size: bool) -> tuple[nn.Module, int, bool]:
    """The model of this name without its classifier, the width of its features, and whether its stem became small."""
    if name in TINY:
        return TINY[name](image_size=image_size, channels=channels), WIDTH, False
    if name.partition(".")[0] in _timm_names():
        return _from_timm(name, image_size, channels, small, any_size)
    bare = name.removeprefix("torchvision/")
    if bare in _torchvision_names():
        return _from_torchvision(bare, image_size, channels, small)
    raise UserError(f"There is no encoder '{name}': {_suggestion(name)}.")


def _from_timm(name: str, image_size: int, channels: int, small: bool, any_size: bool) -> tuple[nn.Module, int, bool]:
    """A model of timm for `_build`; a tag of its weights changes nothing but the name."""
    import timm  # here, since "tiny" needs neither library and they take seconds to import

    kind, _, tag = name.partition(".")
    if tag and name not in (tags := timm.list_pretrained(f"{kind}.*")):
        raise UserError(f"There is no encoder '{name}': {suggest(name, tags, otherwise=f'pass {kind}.')}")
    options: dict[str, Any] = {"pretrained": False, "num_classes": 0, "in_chans": channels}
    if timm.get_pretrained_cfg_value(name, "fixed_input_size"):  # transformers, mixers: built for one size
        wishes = (_patches(image_size) if small else {}) | ({"dynamic_img_size": True} if any_size else {})
        model = _with_wishes(partial(timm.create_model, name, img_size=image_size, **options), wishes)
    else:
        model = timm.create_model(name, **options)
        first = cast("str | list[str]", timm.get_pretrained_cfg_value(name, "first_conv"))
        small = small and _shrink_stem(model, [first] if isinstance(first, str) else first)
    # A layer between pooling and classifier (mobilenetv3, vgg) stays, and then its width is the width.
    return model, int(cast(int, getattr(model, "head_hidden_size", None) or model.num_features)), small


def _with_wishes(create: Callable[..., nn.Module], wishes: dict[str, Any]) -> nn.Module:
    """The model with as many of the wishes as its constructor knows."""
    for count in range(len(wishes), 0, -1):
        for chosen in combinations(wishes, count):
            with suppress(TypeError):
                return create(**{wish: wishes[wish] for wish in chosen})
    return create()


def _patches(image_size: int) -> dict[str, Any]:
    """The patch size that cuts a small image into about 8 x 8, if possible without a remainder."""
    least = max(2, image_size // 8)
    return {"patch_size": next((p for p in range(least, image_size // 4 + 1) if image_size % p == 0), least)}


def _from_torchvision(name: str, image_size: int, channels: int, small: bool) -> tuple[nn.Module, int, bool]:
    """A classifier of torchvision for `_build`, without its dropout."""
    from torchvision import models

    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    elif name.startswith("vit_"):
        options = {"image_size": image_size}
    model = models.get_model(name, weights=None, **options)
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):  # of the classifier
            layer.p = 0.0
    layers = [(path, layer) for path, layer in model.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    (first, convolution), (last, classifier) = layers[0], layers[-1]
    _put(model, last, nn.Identity())
    if isinstance(convolution, nn.Conv2d) and convolution.in_channels != channels:
        _redraw(convolution, channels, convolution.kernel_size)
    small = small and not name.startswith(("vit_", "swin_", "maxvit_")) and _shrink_stem(model, [first])
    return model, classifier.in_channels if isinstance(classifier, nn.Conv2d) else classifier.in_features, small


def _shrink_stem(model: nn.Module, first: list[str]) -> bool:
    """Keep the resolution of a small image: first convolutions of stride 1, and no max-pool in the stem; if it can."""
    layers = [model.get_submodule(path) for path in first]
    strided = [layer for layer in layers if isinstance(layer, nn.Conv2d) and max(layer.stride) > 1]
    if not strided:
        return False
    for layer in strided:
        side = 1 if max(layer.kernel_size) == 1 else 3  # the 1x1 branch of a RepVGG stays one
        layer.stride, layer.padding = (1, 1), (side // 2, side // 2)
        _redraw(layer, layer.in_channels, (side, side))
    for path, pool in list(model.named_modules()):
        if path in STEM_POOLS and getattr(pool, "stride", 2) != 1:
            _put(model, path, nn.Identity())
    return True


def _redraw(layer: nn.Conv2d, channels: int, kernel: tuple[int, ...]) -> None:
    """Give a convolution another input or kernel, drawn as those of ResNets are (He et al., 2015, fan out)."""
    layer.in_channels, layer.kernel_size = channels, kernel
    layer.weight = nn.Parameter(torch.empty(layer.out_channels, channels, *kernel))
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _put(model: nn.Module, path: str, layer: nn.Module) -> None:
    """Replace the layer at this path."""
    parent, _, leaf = path.rpartition(".")
    setattr(model.get_submodule(parent), leaf, layer)


def _output_shape(model: nn.Module, image_size: int, channels: int) -> tuple[int, ...]:
    """The shape of the features of two black images, in eval mode, so that no statistic moves."""
    model.eval()
    with torch.no_grad():  # not inference_mode: a table that a model caches here has to serve in training
        shape = tuple(model(torch.zeros(2, channels, image_size, image_size)).shape)
    model.train()
    return shape


def _timm_names() -> list[str]:
    import timm

    return timm.list_models()


def _torchvision_names() -> list[str]:
    from torchvision import models

    return cast(list[str], models.list_models(module=models))


def _suggestion(name: str) -> str:
    """The end of the sentence: the nearest names, or where names come from."""
    both = _torchvision_names()
    known = dict.fromkeys([*TINY, *_timm_names(), *both, *(f"torchvision/{one}" for one in both)])
    near = difflib.get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(near)}" if near else "pass 'tiny', a timm model or torchvision/MODEL"


def _first_line(error: Exception) -> str:
    return first_line(error).rstrip(".")
