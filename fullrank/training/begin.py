"""What a training begins from: the encoder of a recipe, random or with pretrained weights, and how pixels enter it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fullrank.data import Dataset
from fullrank.data.sources.load import IMAGENET_MEAN, IMAGENET_STD
from fullrank.data.views.own import absolute_views
from fullrank.errors import UserError
from fullrank.nn import Encoder, Weights, begin_from, encoder, freeze, has_statistics, open_weights
from fullrank.nn.encoder import OBJECT, SMALL, encoder_name
from fullrank.nn.own_module import code_hash
from fullrank.nn.weights import published_pixels
from fullrank.recipes import Recipe
from fullrank.recipes._start import Start
from fullrank.runs.trusted import is_file_of_code

_KEPT = "batch norm as in the weights: training with statistics of small batches cost accuracy"


@dataclass(frozen=True, eq=False)
class Beginning:
    """An encoder, the mean and standard deviation of its pixels, and what config.json says of where they are from.

    `start` are the flags without gaps, `reasons` those for what was chosen.
    """

    encoder: Encoder
    mean: tuple[float, ...]
    std: tuple[float, ...]
    about: dict[str, Any]
    start: Start
    reasons: dict[str, str]


def settled(recipe: Recipe, weights: Weights | None, backbone: nn.Module | None) -> Recipe:
    """The recipe with what the weights decide: their whole path, backbone and stem.

    Raises UserError where flags differ.
    """
    if backbone is not None:
        recipe = dataclasses.replace(recipe, backbone=encoder_name(backbone))
    elif recipe.backbone.startswith(OBJECT):
        what = recipe.backbone.removeprefix(OBJECT)
        raise UserError(f"The backbone of this run was the object {what}: train anew, by fullrank.train(backbone=...).")
    else:
        recipe = dataclasses.replace(recipe, backbone=encoder_name(recipe.backbone))
    if is_file_of_code(recipe.views):
        recipe = dataclasses.replace(recipe, views=absolute_views(recipe.views))
    if weights is None:
        return recipe
    start = dataclasses.replace(recipe.start, weights=_source(weights), stem=recipe.start.stem or weights.stem)
    if start.stem is None:
        start = dataclasses.replace(start, stem="imagenet")
    name = recipe.backbone
    if weights.backbone is not None and backbone is None:
        if name not in ("tiny", weights.backbone) and not weights.backbone.startswith(f"{name}."):
            raise UserError(
                f"--backbone {name} is another network than the weights of {weights.source} are of "
                f"({weights.backbone}): leave out --backbone."
            )
        name = weights.backbone
    return dataclasses.replace(recipe, backbone=name, start=start)


def _source(weights: Weights) -> str:
    return weights.source + (f"::{weights.prefix}" if weights.prefix else "")


def begin(
    recipe: Recipe,
    dataset: Dataset,
    *,
    image_size: int,
    view_sizes: tuple[int, ...],
    weights: Weights | None,
    kept: Mapping[str, Any] | None,
    backbone: nn.Module | None,
    say: Callable[[str], None],
) -> Beginning:
    """Make the encoder of a settled recipe, fill it, and say so.

    `kept` is what a run that goes on noted at its beginning. Random numbers are drawn from the global state. Raises
    UserError for a flag that this encoder leaves without effect.
    """
    of = {"image_size": image_size, "channels": dataset.train.channels}
    made = encoder(backbone or recipe.backbone, view_sizes=view_sizes, stem=recipe.start.stem, **of)
    if kept is None and recipe.start.stem == "small" != made.stem and (weights is None or weights.stem != "small"):
        raise UserError(f"--stem small: {made.name} has no first layers that could be smaller: leave out the flag.")
    mean, std, whose = _pixels(recipe, dataset, weights)
    about: dict[str, Any] = {"mean": list(mean), "std": list(std)}
    if is_file_of_code(made.name):
        about["code_sha256"] = code_hash(made.name)
    if kept is not None:
        mean, std = tuple(kept.get("mean", mean)), tuple(kept.get("std", std))  # version 0.1.0 noted neither
    elif weights is not None:
        begun = begin_from(weights, made)
        say(f"{begun.sentence(made.name)} Pixels are normalized with {whose}.")
        about |= {"weights_sha256": weights.sha256, "matched": begun.matched, "of": begun.of}
    elif recipe.start.stem is None and made.stem == "small":
        say(
            f"{made.name} gets first layers for small images, as up to {SMALL} px (a ResNet then works 16 times as "
            "long on the same pixels): --stem small or --stem imagenet decides."
        )
    start, reasons = _settled_norms(recipe.start, made, goes_on=kept is not None)
    freeze(made, start.freeze, norms=start.norm_statistics == "kept")
    return Beginning(made, mean, std, about, start, reasons)


def _settled_norms(start: Start, made: Encoder, *, goes_on: bool) -> tuple[Start, dict[str, str]]:
    """What happens to the statistics of batch norm, and the reason if it was chosen; a run that goes on has chosen."""
    asked = start.norm_statistics
    if asked is not None and not has_statistics(made) and not goes_on:
        raise UserError(f"--norm-statistics {asked}: {made.name} has no batch norm: leave out the flag.")
    if asked is not None or start.weights is None or goes_on or not has_statistics(made):
        return start, {}
    return dataclasses.replace(start, norm_statistics="kept"), {"norm_statistics": _KEPT}


def _pixels(
    recipe: Recipe, dataset: Dataset, weights: Weights | None
) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Mean and standard deviation of the pixels that the encoder sees, and whose they are."""
    channels = dataset.train.channels
    if recipe.start.normalize == "half":
        return (0.5,) * channels, (0.5,) * channels, "the mean and deviation 0.5"
    if recipe.start.normalize == "imagenet":
        return (
            _by_channel(IMAGENET_MEAN, channels),
            _by_channel(IMAGENET_STD, channels),
            "ImageNet's mean and deviation",
        )
    if recipe.start.normalize is None and weights is not None:
        if weights.mean is not None and weights.std is not None:
            return (
                _by_channel(weights.mean, channels),
                _by_channel(weights.std, channels),
                "the mean and deviation of the weights",
            )
        known = published_pixels(recipe.backbone)
        if known is not None:
            return (
                _by_channel(known[0], channels),
                _by_channel(known[1], channels),
                f"the published mean and deviation of {recipe.backbone}",
            )
    return dataset.mean, dataset.std, "the mean and deviation of the data"


def _by_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Values for so many channels: their mean for gray, else in turn.

    >>> _by_channel((0.4, 0.5, 0.6), 1), _by_channel((0.4, 0.5, 0.6), 4)
    ((0.5,), (0.4, 0.5, 0.6, 0.4))
    """
    if channels == len(values):
        return values
    if channels == 1:
        return (round(sum(values) / len(values), 6),)
    return tuple(values[at % len(values)] for at in range(channels))


def weights_of(recipe: Recipe) -> Weights | None:
    """The weights that a recipe begins from."""
    return None if recipe.start.weights is None else open_weights(recipe.start.weights)
