"""XML without what makes it dangerous: no document types, so no entities; bounded in bytes and in depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from fullrank.errors import UserError

_LARGEST = 32 << 20  # bytes of one image's annotations
_DEEPEST = 50


def read_xml(path: Path) -> Element:
    """The root element of a file; UserError in one sentence where it is not plain XML."""
    if path.stat().st_size > _LARGEST:
        raise UserError(f"{path} has more than {_LARGEST >> 20} MB, too much for one image: pass VOC's annotations.")
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise UserError(f"{path} nests more than {_DEEPEST} elements: it is not a file of VOC's annotations.")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: Any) -> None:
        raise UserError(f"{path} declares a document type, which can hide anything: remove its <!DOCTYPE ...>.")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise UserError(f"{path} is not valid XML ({error}): correct or download it again.") from None
    root: Element = builder.close()
    return root
