"""Small labeled images and encoders for tests of transfer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from fullrank.data import Dataset, ImageTensor
from fullrank.evaluation.model import Model
from fullrank.nn import encoder, encoder_bytes
from fullrank.transfer.task import Task, labels_of, with_images

SIDE = 8


def images(count: int, classes: int, *, seed: int) -> ImageTensor:
    """Noise whose brightness tells the class; labels in turn."""
    labels = torch.arange(count) % classes
    noise = np.random.default_rng(seed).integers(0, 100, (count, 1, SIDE, SIDE), dtype=np.uint8)
    bright = torch.from_numpy(noise) + (labels * (155 // classes)).to(torch.uint8)[:, None, None, None]
    return ImageTensor(bright, labels, tuple("abcdefghij"[:classes]))


def model(*, seed: int = 0) -> Model:
    """An untrained tiny encoder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = encoder("tiny", image_size=SIDE, channels=1)
    return Model(made.eval(), (0.5,), (0.25,))


def task(*, train: int = 24, test: int = 6, classes: int = 3) -> Task:
    """Images to learn from and to be asked about, and an untrained encoder."""
    dataset = Dataset("made", images(train, classes, seed=0), images(test, classes, seed=1), (0.5,), (0.25,))
    return with_images(model(), dataset, seed=0)


def write_source(*, seed: int) -> None:
    """Write the file of an untrained encoder, and labeled images in made.npz, to the working directory."""
    made = images(60, 6, seed=0)
    np.savez("made.npz", images=made.images[:, 0].numpy(), labels=labels_of(made).numpy())
    torch.manual_seed(seed)
    content = encoder_bytes(encoder("tiny", image_size=SIDE, channels=1), mean=(0.5,), std=(0.25,))
    Path("encoder.safetensors").write_bytes(content)
