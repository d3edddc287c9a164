"""Damage by seed: what becomes of a file that is edited, cut, mixed up or made by somebody who means harm."""

from __future__ import annotations

import random

_WORDS = (
    b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", b'"x"', b"true", b"99999999999999999999", b"\x00", b"\xff\xfe",
    b"[" * 3000, b'"\x1b[2J"', b'"./evil.py"', b'"/dev/zero"', b"0.5",
)  # fmt: skip


def mutated(content: bytes, seed: int) -> bytes:
    """A damaged copy; the same for the same seed."""
    chosen = random.Random(seed)
    data = bytearray(content)
    for _ in range(chosen.choice((1, 1, 1, 2, 5))):
        start = chosen.randrange(len(data) + 1)
        end = min(len(data), start + chosen.choice((1, 2, 8, 64)))
        kind = chosen.randrange(6)
        if kind == 0 and start < len(data):
            data[start] ^= 1 << chosen.randrange(8)
        elif kind == 1:
            del data[start:end]
        elif kind == 2:
            data[start:end] = bytes(end - start)
        elif kind == 3:
            data[start:start] = data[start:end] * 2
        elif kind == 4:
            data[start:end] = chosen.choice(_WORDS)
        elif chosen.random() < 0.3:
            del data[start:]
        else:
            data[start:end] = chosen.randbytes(end - start)
    return bytes(data)


def values_changed(text: str, seed: int) -> str:
    """JSON text in which one value (after a colon) is another, so that it is still JSON more often than not."""
    chosen = random.Random(seed)
    places = [at for at, letter in enumerate(text) if letter == ":"]
    at = chosen.choice(places) + 1
    end = next((at + n for n, letter in enumerate(text[at:]) if letter in ",\n}"), len(text))
    word = chosen.choice([word.decode("latin-1") for word in _WORDS])
    return f"{text[:at]} {word}{text[end:]}"
