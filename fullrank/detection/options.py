"""What a detector is, how it is trained, and where; the fields are flags, and importing it loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fullrank.engine import TrainerOptions


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """The settings that decide what is learned."""

    head: Literal["fpn", "c4"] = "fpn"
    """A feature pyramid on any backbone, or a ResNet's last stage as the head on the map before it (R50-C4)."""
    masks: bool = False
    """Also learn and score masks, as Mask R-CNN."""
    epochs: float = 12.0
    """Passes over the training images."""
    steps: int | None = None
    """Optimizer steps, instead of epochs; by default as many as --epochs have."""
    batch_size: int = 16
    """Images per step, over all processes."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum 0.9, or AdamW."""
    lr: float = 0.02
    """Highest learning rate; 0.02 is for SGD and a batch of 16."""
    warmup: int = 100
    """Steps in which the learning rate rises from a thousandth of --lr."""
    decay_at: tuple[int, ...] | None = None
    """Steps after which the learning rate is a tenth; by default two thirds and eight ninths of all."""
    weight_decay: float = 1e-4
    """Decay of the weights; biases and norms are not decayed."""
    short_side: tuple[int, ...] = (640, 672, 704, 736, 768, 800)
    """Pixels of an image's shorter side in training, one of these at random."""
    long_side: int = 1333
    """Most pixels of the longer side."""
    test_side: int | None = None
    """Pixels of the shorter side when detecting; by default the largest of --short-side."""
    flip: bool = True
    """Mirror half of the training images."""
    empty: bool = True
    """Train on images without a box too."""
    norm: Literal["train", "frozen"] = "train"
    """Train the encoder's batch norm, or keep it as it is."""
    precise_bn: int = 0
    """Batches at the end whose mean statistics batch norm takes, in place of its running ones."""
    width: int = 256
    """Channels of the pyramid; the head's layers have four times as many."""
    anchor: float | None = None
    """Pixels of the smallest anchor; the others double. By default 32, of a pyramid 8 times its finest stride."""
    rois: int = 512
    """Proposals per image that the head is trained on."""
    seed: int = 0
    """Seed of everything random."""


@dataclass(frozen=True, kw_only=True)
class DetectionOptions(TrainerOptions):
    """The settings that decide where a detection runs and how it is watched, not what is learned."""

    workers: int = 2
    """Processes that decode images, per device."""
    evaluate_every: int | None = None
    """Steps between two scores; by default only at the end."""


@dataclass(frozen=True, kw_only=True)
class DetectionData:
    """Where annotations and images are."""

    train: tuple[Path, ...] = ()
    """COCO JSON to train on; or VOC's XML files, a folder of them, or lists like ImageSets/Main/trainval.txt."""
    val: tuple[Path, ...] = ()
    """Annotations to score on, as for --train."""
    train_images: Path | None = None
    """Folder that the file names of --train begin in; by default it is looked for beside the annotations."""
    val_images: Path | None = None
    """Folder that the file names of --val begin in; by default it is looked for beside the annotations."""
    voc_first: Literal[0, 1] | None = None
    """Number of the first pixel in VOC's files: 1 where boxes end with their last pixel, as in VOC's own; 0 where they
    end at its edge, as many tools write them. By default 0 where a box begins at 0, else 1."""
