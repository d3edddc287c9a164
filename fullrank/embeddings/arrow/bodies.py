"""What the batches of an Arrow file unpack to, by the lengths in it, before anything is unpacked.

Reads the fields that say where buffers are: https://arrow.apache.org/docs/format/Columnar.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from fullrank.embeddings.arrow import flatbuffers as flat
from fullrank.errors import UserError
from fullrank.runs.arrays import is_bomb
from fullrank.stats.sketch.memory import require_memory

_DICTIONARY, _RECORDS = 2, 3  # kinds of messages
_BUFFER, _BLOCK = 16, 24  # bytes of a place in a body: (offset, length), and in a file: (offset, head, body)
_TAIL = 10  # bytes at the end of a file: the length of what says where its batches are, and ARROW1


def refuse_bombs(name: str, source: Any, *, stream: bool) -> None:
    """Refuse a batch of an Arrow file or stream that unpacks as only a bomb does, or to more than memory holds.

    Raises ValueError where the file is damaged; `source` is pyarrow's file, mapped, so that only heads are read.
    """
    try:
        for message in _streamed(source) if stream else _listed(source):
            packed, whole = _sizes(message)
            if is_bomb(packed, whole):
                raise UserError(
                    f"{name} unpacks from {packed:,} to {whole:,} bytes: if it is meant, write it uncompressed."
                )
            if packed != whole:
                require_memory(whole, f"The rows of a batch of {name}", "write them in smaller batches")
    except struct.error as error:
        raise ValueError(f"it is cut off: {error}") from None


def _streamed(source: Any) -> Iterator[Any]:
    from pyarrow import ipc

    source.seek(0)
    yield from ipc.MessageReader.open_stream(source)


def _listed(source: Any) -> Iterator[Any]:
    """The messages that the end of a file lists, which is where pyarrow reads them."""
    from pyarrow import ipc

    size = source.size()
    (length,) = struct.unpack("<i", source.read_at(4, size - _TAIL))
    if not 0 < length <= size - _TAIL:
        raise ValueError("its end is damaged")
    foot = source.read_at(length, size - _TAIL - length)
    for listed in (2, 3):  # dictionaries, batches
        for at in flat.vector(foot, flat.root(foot), listed, _BLOCK):
            source.seek(*struct.unpack_from("<q", foot, at))
            yield ipc.read_message(source)


def _sizes(message: Any) -> tuple[int, int]:
    """Bytes of the body of a message, and those that it unpacks to."""
    head, body = message.metadata.to_pybytes(), message.body
    root = flat.root(head)
    kind = flat.field(head, root, 1)
    if body is None or not kind or head[kind] not in (_DICTIONARY, _RECORDS):
        return 0, 0
    batch = flat.inner(head, root, 2)
    if head[kind] == _DICTIONARY:
        batch = flat.inner(head, batch, 1)
    packed = body.size
    if not flat.field(head, batch, 3):
        return packed, packed
    view, whole = memoryview(body), 0
    for at in flat.vector(head, batch, 2, _BUFFER):
        offset, length = struct.unpack_from("<qq", head, at)
        if length:
            (said,) = struct.unpack_from("<q", view, offset)
            whole += length if said < 0 else said  # -1: as it is
    return packed, whole
