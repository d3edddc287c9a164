"""How data is read where it could mean more than one thing: each field is a flag, and importing it loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.constructors import PrimitiveConstructorSpec

from fullrank.errors import as_flag
from fullrank.runs.reading import record_of

_LABELS = ("auto", "folders", "none")
Labels = Annotated[
    Literal["auto", "folders", "none"] | None,
    PrimitiveConstructorSpec[str | None](  # without the word None beside none
        nargs=1,
        metavar=f"{{{','.join(_LABELS)}}}",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: value in (None, *_LABELS),
        str_from_instance=lambda value: [value or "auto"],
        choices=_LABELS,
    ),
]


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What decides how a data set is understood; the defaults are right where only one reading makes sense.

    None is what nobody said, so that a default that was said can take the place of what a run began with.
    """

    max_corrupt: float | None = None
    """Share of unreadable images in a folder above which training is refused; by default 0.1."""
    split: str | None = None
    """Folders, or splits of a file, to train and to test on, such as train,val; none: such folders are classes; by
    default auto, which goes by their names."""
    labels: Labels = None
    """Whether folders are classes: auto says what it found, and asks where images lie beside; none reads no labels;
    by default auto."""
    classes: Path | None = None
    """File with the classes to keep, one per line; by default all."""
    channels: int | None = None
    """Channels of an image, 1 to 16; by default those of the files, with transparency on white."""
    range: str | None = None
    """LOW,HIGH: values that become the darkest and brightest of 256 levels, in images of more than 8 bits;
    by default 0 to the top of 8, 10, 12, 14, 16 or 32 bits where a quarter is used, else that of the values."""
    pages: Literal["first", "all"] | None = None
    """Of files that hold several images, use the first, or all as separate images; by default it is asked for."""
    max_pixels: int | None = None
    """Pixels up to which an image is not a decompression bomb; by default Pillow's limit."""

    columns: str | None = None
    """IMAGE[,LABEL]: columns of a Hugging Face data set; by default its only ones of their kind."""
    download: bool = False
    """Let a named data set be downloaded where it is not on this machine."""

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> DataOptions:
        """Those of a run's settings; what a former version did not write has its default.

        >>> DataOptions.from_json({"max_corrupt": 0.5, "lr": 0.1}).max_corrupt
        0.5
        """
        return record_of(cls, settings)

    def flag(self, name: str) -> str:
        """What the user writes for an option.

        >>> DataOptions().flag("max_pixels")
        '--max-pixels'
        """
        return as_flag(name)

    @property
    def most_corrupt(self) -> float:
        """The share of `max_corrupt`, or its default."""
        return 0.1 if self.max_corrupt is None else self.max_corrupt

    def changed_by(self, other: DataOptions | None) -> DataOptions:
        """These, and of the other what somebody said; its flags are the other's, and whether it may download.

        >>> DataOptions(split="none").changed_by(DataOptions(labels="auto")).split
        'none'
        """
        if other is None:
            return self
        return replace(other, **{name: value for name, value in vars(self).items() if getattr(other, name) is None})

    def of_pixels(self) -> DataOptions:
        """What of these holds for other images: how pixels are read, and not which are there and what they show.

        >>> DataOptions(split="none", channels=1).of_pixels().split is None
        True
        """
        return DataOptions(channels=self.channels, range=self.range, pages=self.pages, max_pixels=self.max_pixels)


def data_name(data: str | Sequence[str]) -> str:
    """A short name of data, for the folder of a run.

    >>> data_name("a/photos/"), data_name(("a/b", "list.txt")), data_name("hf:ORG/NAME")
    ('photos', 'b-list', 'NAME')
    """
    names = [
        Path(name.removeprefix("object:")).stem.replace(":", "-")
        for name in ([data] if isinstance(data, str) else data)
    ]
    return "-".join(names[:3])
