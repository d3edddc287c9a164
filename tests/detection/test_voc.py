"""VOC XML: splits, first pixels, difficult objects, and XML that would do harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from fullrank.detection.annotations import read_annotations
from fullrank.errors import UserError
from tests.detection.sets import coco, shapes, voc


def test_a_split_is_read_and_boxes_begin_at_the_corner_of_their_first_pixel(tmp_path: Path) -> None:
    found = read_annotations([voc(tmp_path, 2)])
    assert found.classes == ("ball", "square")
    assert found.line().endswith("(VOC): 2 images, 4 boxes of 2 classes; pixels counted from 1.")
    left, top, width, height = shapes(0)[1][0]["bbox"]
    assert found.images[0].things[0].box == (left, top, left + width, top + height)
    assert found.images[0].path == tmp_path / "JPEGImages" / "0000.png"


def test_pixels_count_from_zero_where_a_box_says_so_or_the_flag(tmp_path: Path) -> None:
    voc(tmp_path, 2, first=0)
    whole = tmp_path / "Annotations" / "0000.xml"
    whole.write_text(
        whole.read_text().replace("<xmin>", "<xmin>0</xmin><none>", 1).replace("</xmin><ymin>", "</none><ymin>", 1)
    )
    found = read_annotations([tmp_path / "Annotations"])
    assert "pixels counted from 0" in found.line()
    assert found.images[1].things[0].box[0] == shapes(1)[1][0]["bbox"][0]
    assert "pixels counted from 1" in read_annotations([tmp_path / "Annotations"], first=1).line()
    other = voc(tmp_path / "other", 1)
    with pytest.raises(UserError, match="pass --voc-first"):
        read_annotations([tmp_path / "Annotations", other])
    assert len(read_annotations([tmp_path / "Annotations", other], first=1).images) == 3


@pytest.mark.parametrize("first", [0, 1])
def test_boxes_end_with_the_last_pixel_from_1_and_at_the_edge_from_0(first: int, tmp_path: Path) -> None:
    """Pixels 10 to 19 of a row are 11 to 20 in VOC's own files, and 10 to 20 as labelImg and CVAT write them."""
    voc(tmp_path, 1)
    file = tmp_path / "Annotations" / "0000.xml"
    sides = {"xmin": 10 + first, "ymin": 0 + first, "xmax": 20, "ymax": 64}
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides.items())
    file.write_text(f"<annotation><object><name>a</name><bndbox>{box}</bndbox></object></annotation>")
    for asked in (None, first):
        found = read_annotations([file], first=asked)
        assert found.images[0].things[0].box == (10, 0, 20, 64)
        assert found.counted.get("boxes clipped to their image", 0) == 0


def test_difficult_objects_are_counted(tmp_path: Path) -> None:
    found = read_annotations([voc(tmp_path, 3, difficult=2)])
    assert [thing.difficult for one in found.images for thing in one.things] == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]
    assert "2 difficult objects, which do not count in the scores" in found.line()


def test_a_folder_with_several_splits_is_ambiguous(tmp_path: Path) -> None:
    voc(tmp_path, 1)
    with pytest.raises(UserError, match=r"has several sets: pass one as --train .*ImageSets/Main/train.txt"):
        read_annotations([tmp_path])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>', "declares a document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><annotation/>', "declares a document type"),
        ("<annotation><object>", "is not valid XML"),
        ("", "is not valid XML"),
        ("<a>" * 60, "nests more than 50 elements"),
        ("<html/>", "its root is <html>"),
        ("<annotation><object><name>cat</name></object></annotation>", "without a name or a bndbox"),
        (
            "<annotation><object><name>c</name><bndbox><xmin>x</xmin></bndbox></object></annotation>",
            "xmin is 'x', not a number",
        ),
        (
            "<annotation><object><name>c</name><bndbox><xmin>inf</xmin></bndbox></object></annotation>",
            "xmin is 'inf', not a number",
        ),
    ],
)
def test_a_wrong_file_is_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "0.xml").write_text(text)
    with pytest.raises(UserError) as caught:
        read_annotations([tmp_path / "0.xml"])
    assert said in str(caught.value)


def test_lists_and_folders_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    names = voc(tmp_path, 2)
    with pytest.raises(UserError, match="mixes COCO JSON and VOC XML"):
        read_annotations([names, coco(tmp_path / "coco", "train", 1)])
    with pytest.raises(UserError, match="VOC's XML holds no masks"):
        read_annotations([names], masks=True)
    with pytest.raises(UserError, match="There is no folder"):
        read_annotations([names], images=tmp_path / "nowhere")
    with pytest.raises(UserError, match="None of the images"):
        read_annotations([names], images=tmp_path / "Annotations")
    names.write_text("0000 1\n0001 -1\n")
    with pytest.raises(UserError, match="more than one name per line"):
        read_annotations([names])
    names.write_text("0000\n0007\n")
    with pytest.raises(UserError, match=r"0007\.xml, which .* names, is missing"):
        read_annotations([names])
    with pytest.raises(UserError, match="holds no XML file"):
        read_annotations([tmp_path / "JPEGImages"])


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_list_that_is_not_utf_8_is_one_sentence(encoding: str, tmp_path: Path) -> None:
    names = voc(tmp_path, 1)
    names.write_bytes("0000\ncaf\u00e9\n".encode(encoding))
    with pytest.raises(UserError, match=r"train\.txt cannot be read as a list of names .*: save it as text in"):
        read_annotations([names])


def test_a_list_may_begin_with_the_mark_of_utf_8(tmp_path: Path) -> None:
    names = voc(tmp_path, 2)
    names.write_bytes(b"\xef\xbb\xbf0000\n")
    assert [image.id for image in read_annotations([names]).images] == ["0000"]


def test_the_endings_of_files_may_have_capital_letters(tmp_path: Path) -> None:
    names = voc(tmp_path, 2)
    file = (tmp_path / "Annotations" / "0001.xml").rename(tmp_path / "Annotations" / "0001.XML")
    names = names.rename(names.with_suffix(".TXT"))
    for path, count in ((file, 1), (tmp_path / "Annotations", 2), (names, 2)):
        assert len(read_annotations([path]).images) == count
    names.write_text("0000.xml\n0001.XML\n")
    assert len(read_annotations([names]).images) == 2
    with pytest.raises(UserError, match=r"train\.lst ends in none of \.json, \.xml and \.txt: pass"):
        read_annotations([names.rename(tmp_path / "train.lst")])
