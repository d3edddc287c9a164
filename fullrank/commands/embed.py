"""`fullrank embed RUN IMAGES --out FILE`: images to embeddings with names and labels, by the encoder of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fullrank.commands._common import parse, terminal
from fullrank.data.options import DataOptions
from fullrank.errors import UserError
from fullrank.terminal import say

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class Embed:
    """Embed images by a trained encoder, in bounded memory; a call that was killed goes on when it is called again."""

    encoder: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]
    """A run, the file of an encoder, an export, timm:NAME or torchvision:NAME, or with --backbone any weights."""
    images: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="IMAGES")]
    """Images, folders or lists of them, an .npz file, or a named data set."""
    out: Path
    """File for the embeddings: .parquet holds names and labels too; beside .npy, .safetensors and .zarr they are in
    NAME.rows.csv."""
    backbone: str | None = None
    """Network that the weights of another framework belong to."""
    shards: int | None = None
    """Number of files; by default one for each process of a launcher, else 1."""
    shard: int | None = None
    """Write this one only, from 0; by default all, or those of the launcher's process."""
    batch_size: int = 256
    """Images that are encoded together."""
    workers: int = 2
    """Processes that decode images."""
    data_root: Path | None = None
    """Folder of the named data set; by default /usr/share/datasets."""
    reading: Annotated[DataOptions, tyro.conf.arg(name="data", prefix_name=False)] = field(default_factory=DataOptions)
    trust: bool = False
    """Run the Python file of the run's backbone although it has changed since the training."""


def embed(options: Embed, console: Console) -> int:
    """Run the command; returns the exit code."""
    from fullrank.data.sources.acting import refuse_idle_reading
    from fullrank.data.sources.objects import is_place
    from fullrank.embeddings.writers import check_out, rows_file
    from fullrank.engine.progress import first_speaks
    from fullrank.evaluation.embed import Shards, embed_to, images_of, read_as_trained
    from fullrank.evaluation.model import open_model
    from fullrank.runs import read_as_run

    if not options.images:
        raise UserError("Which images? Pass images, a folder, or a data set's name behind the run.")
    check_out(options.out)
    some = options.images if is_place(options.images) else options.images[0]  # images alone are read alike
    refuse_idle_reading(some, options.reading, root=options.data_root)
    shards = Shards.of(options.shards, options.shard)
    tell = partial(say, first_speaks(console))
    model = open_model(options.encoder, trust=options.trust, network=options.backbone, say=tell)
    with read_as_run(Path(options.encoder)):
        reading = read_as_trained(model, options.reading, options.images)
    images = images_of(
        options.images, channels=model.encoder.channels, root=options.data_root, options=reading, say=tell
    )
    files = embed_to(
        options.out,
        model,
        images,
        shards=shards,
        batch_size=options.batch_size,
        workers=options.workers,
        console=console,
    )
    for file in files:
        rows = rows_file(file)
        say(console, f"Wrote {file}" + (f", and the names of its rows in {rows}" if rows else ""))
    return 0


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    return embed(parse(Embed, arguments, "embed"), terminal())
