"""From the tensors of a file to the weights of an encoder: which of them, under which names, and how many fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.nn.encoder import Encoder
from fullrank.nn.weights import Weights

_LEAST = 0.9  # of an encoder's tensors
_OUTER = re.compile(r"^(?:(?:state_dict|model|model_state|model_state_dict|network)\.)+")
_PREFERRED = (  # where frameworks keep the trained backbone; of two that fit alike, the first
    ("FullRank", "method.encoder.model."),
    ("plain", ""),
    ("MoCo", "module.encoder_q."),
    ("MoCo v3", "module.base_encoder."),
    ("DINO's teacher", "teacher.backbone."),
    ("DINO's teacher", "teacher.module.backbone."),
    ("DINO's student", "student.module.backbone."),
    ("DINO's student", "student.backbone."),
    ("VICReg or Barlow Twins", "module.backbone."),
    ("solo-learn, lightly, mmpretrain or SimCLR", "backbone."),
    ("SimCLR or SimSiam", "module.encoder."),
    ("SimCLR", "encoder."),
    ("SwAV", "module."),
    ("MoCo", "encoder_q."),
    ("torch.hub", "visual."),
)
_MMPRETRAIN = (  # of vision transformers; ResNets have the names of torchvision
    (r"^blocks\.(\d+)\.norm1\.", r"layers.\1.ln1."),
    (r"^blocks\.(\d+)\.norm2\.", r"layers.\1.ln2."),
    (r"^blocks\.(\d+)\.mlp\.fc1\.", r"layers.\1.ffn.layers.0.0."),
    (r"^blocks\.(\d+)\.mlp\.fc2\.", r"layers.\1.ffn.layers.1."),
    (r"^blocks\.", "layers."),
    (r"^norm\.", "ln1."),
    (r"^patch_embed\.proj\.", "patch_embed.projection."),
)


@dataclass(frozen=True)
class Begun:
    """What of the weights an encoder took: counts of tensors, where they were, and what was done to some.

    Attributes:
        source: What was opened.
        where: The prefix of the names in it that were taken.
        matched: How many tensors of the encoder were found.
        of: How many tensors the encoder has.
        changed: Names of tensors that were adapted, such as a first convolution of other channels.
        left: Names of tensors of the encoder that keep their random values.
        others: Names of tensors of the source that have no place in the encoder.
    """

    source: str
    where: str
    matched: int
    of: int
    changed: tuple[str, ...]
    left: tuple[str, ...]
    others: tuple[str, ...]

    def sentence(self, name: str) -> str:
        """What is printed before a training."""
        where = f", under {self.where}" if self.where else ""
        parts = [f"Weights of {self.source}{where}: {self.matched} of {self.of} tensors of {name}"]
        if self.changed:
            parts.append(f"fitted to its shape: {', '.join(self.changed)}")
        if self.left:
            parts.append(f"random as before: {_some(self.left)}")
        if self.others:
            parts.append(f"not taken: {', '.join(self.others)} (::PREFIX behind the path decides)")
        return "; ".join(parts) + "."


def begin_from(weights: Weights, encoder: Encoder) -> Begun:
    """Put weights into an encoder; if they have under 90 % of its tensors, put nothing.

    Args:
        weights: Tensors by name, of `open_weights`.
        encoder: The encoder, which is changed in place.

    Returns:
        What was taken, changed and left.

    Raises:
        UserError: The weights have under 90 % of the encoder's tensors.
    """
    ours = encoder.model.state_dict()
    where, kind, names, others = _place(weights, encoder.model, ours)
    taken: dict[str, Tensor] = {}
    changed = []
    for name, theirs in names.items():
        value, how = _fitted(name, ours[name], weights.tensors[theirs], encoder.model)
        if value is not None:
            taken[name] = value
            changed += [how] if how else []
    counted = [name for name in ours if name in names or not name.endswith("num_batches_tracked")]
    left = tuple(name for name in counted if name not in taken)
    if len(taken) < _LEAST * len(counted):
        inside = sorted({name.split(".")[0] + "." for name in weights.tensors})
        raise UserError(
            f"{weights.source} fits {len(taken)} of the {len(counted)} tensors of {encoder.name} (not {_some(left)}), "
            f"under 90 %: pass the --backbone, --stem and --image-size that it is of, or PATH::PREFIX; its names begin "
            f"with {', '.join(inside[:6])}."
        )
    encoder.model.load_state_dict({**ours, **taken})
    shown = " ".join(part for part in (kind, where) if part) if where or kind != "plain" else ""
    return Begun(weights.source, shown, len(taken), len(counted), tuple(dict.fromkeys(changed)), left, others)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _place(
    weights: Weights, model: nn.Module, ours: Mapping[str, Tensor]
) -> tuple[str, str, dict[str, str], tuple[str, ...]]:
    """The prefix, the framework, our names with theirs, and other prefixes that hold as much."""
    best: tuple[int, list[tuple[str, dict[str, str]]]] = (0, [])
    for scheme in _schemes(weights, model, ours):
        found = _by_prefix(weights, scheme)
        most = max((len(names) for names in found.values()), default=0)
        if most > best[0]:
            best = (most, [(prefix, names) for prefix, names in found.items() if len(names) == most])
    if not best[1]:
        return "", "plain", {}, ()
    rank = {prefix: at for at, (_, prefix) in reversed([*enumerate(_PREFERRED)])}
    places = sorted(best[1], key=lambda place: rank.get(_OUTER.sub("", place[0]), len(rank)))
    (prefix, names), others = places[0], tuple(place for place, _ in places[1:])
    if others and _OUTER.sub("", prefix) not in rank:
        listed = " and ".join(place for place, _ in places)
        raise UserError(
            f"{weights.source} holds the network more than once, under {listed}: say which by PATH::PREFIX."
        )
    kind = next((kind for kind, known in _PREFERRED if known == _OUTER.sub("", prefix)), "")
    return prefix, kind, names, others


def _by_prefix(weights: Weights, scheme: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Prefix -> our name -> the name in the file, for every prefix behind which some of the scheme's names stand."""
    found: dict[str, dict[str, str]] = {}
    for name in weights.tensors:
        parts = name.split(".")
        for cut in range(len(parts)):
            rest, prefix = ".".join(parts[cut:]), "".join(f"{part}." for part in parts[:cut])
            if rest in scheme and _is(prefix, weights.prefix):
                found.setdefault(prefix, {})[scheme[rest]] = name
    return found


def _schemes(weights: Weights, model: nn.Module, ours: Mapping[str, Tensor]) -> Iterator[dict[str, str]]:
    """Ways of naming the tensors of a model, each as name -> our name."""
    yield {name: name for name in ours}
    number = {child: str(at) for at, (child, _) in enumerate(model.named_children())}
    children = {name: name.partition(".") for name in ours}  # lightly numbers the children of a ResNet
    yield {f"{number[child]}.{rest}": name for name, (child, _, rest) in children.items() if child in number}
    yield {_by_mmpretrain(name): name for name in ours}
    if "_conv_stem.weight" in weights.tensors:  # lukemelas' EfficientNet has timm's order under names of its own
        theirs = [name for name in weights.tensors if not name.startswith("_fc.")]
        shapes = [weights.tensors[name].shape for name in theirs]
        if shapes == [tensor.shape for tensor in ours.values()]:
            yield dict(zip(theirs, ours, strict=True))


def _by_mmpretrain(name: str) -> str:
    for pattern, by in _MMPRETRAIN:
        name = re.sub(pattern, by, name)
    return name


def _is(prefix: str, asked: str | None) -> bool:
    """Whether a prefix is the one that PATH::PREFIX asks for, with or without what is around every name."""
    return asked is None or asked.rstrip(".") in (prefix.rstrip("."), _OUTER.sub("", prefix).rstrip("."))


def _fitted(name: str, ours: Tensor, theirs: Tensor, model: nn.Module) -> tuple[Tensor | None, str]:
    """Their tensor in our shape, with a word on what was done; None where it does not fit."""
    if theirs.shape == ours.shape:
        return theirs.to(ours.dtype), ""
    if (
        theirs.ndim == 4
        and theirs.shape[1] == 3
        and theirs.shape[::2] == ours.shape[::2]
        and theirs.shape[3] == ours.shape[3]
    ):
        from timm.models import adapt_input_conv

        return adapt_input_conv(ours.shape[1], theirs.clone()).to(
            ours.dtype
        ), f"{name} (from 3 to {ours.shape[1]} channels)"
    if name.endswith("pos_embed") and ours.ndim == 3 and theirs.ndim == 3 and theirs.shape[2] == ours.shape[2]:
        from timm.layers.pos_embed import resample_abs_pos_embed

        extra = 0 if getattr(model, "no_embed_class", False) else int(getattr(model, "num_prefix_tokens", 1))
        grid = round((ours.shape[1] - extra) ** 0.5)
        if grid * grid + extra == ours.shape[1]:
            resized: Tensor = resample_abs_pos_embed(theirs.float(), [grid, grid], num_prefix_tokens=extra)
            return resized.to(ours.dtype), f"{name} (from {theirs.shape[1]} to {ours.shape[1]} positions)"
    return None, ""
