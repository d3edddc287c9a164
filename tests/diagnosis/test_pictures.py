from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import fullrank
from docs.build.pictures import DIMS, FOLDER, PICTURES, N, Picture, draw
from fullrank.diagnosis.profiles import PROFILES
from tests.diagnosis.clouds import CASES

PAGE = (FOLDER.parent / "diagnosis.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_small_and_follows_light_and_dark(picture: Picture) -> None:
    drawn = draw(picture)
    assert len(drawn) < 32_000
    ElementTree.fromstring(drawn)  # well-formed
    used = set(re.findall(r"var\((--\w+)\)", drawn))
    light, dark = (set(re.findall(r"(--\w+):", rules)) for rules in re.findall(r"svg\{(--.*?)\}", drawn))
    assert used <= light
    assert light == dark
    assert "prefers-color-scheme:dark" in drawn
    kept = (FOLDER / f"{picture.name}.svg").read_text(encoding="utf-8")  # another matplotlib may round otherwise
    assert len(kept) == pytest.approx(len(drawn), rel=0.05), "run python -m docs.build.pictures"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_shows_what_the_doctor_names(picture: Picture) -> None:
    (case,) = (case for case in CASES if case.name == picture.case)
    kind = fullrank.diagnose(case.cloud(N, DIMS, 0)).kind
    assert kind == {"dead-dimensions": "dimensional", "modality-gap": "modality gap"}.get(picture.name, picture.name)


def test_the_page_has_every_picture_and_no_other() -> None:
    shown = re.findall(r"!\[.{20,}\]\((pictures/.+?)\)", PAGE)
    assert shown == [f"pictures/{picture.name}.svg" for picture in PICTURES]
    assert {path.name for path in FOLDER.glob("*.svg")} >= {Path(path).name for path in shown}


def test_the_page_names_every_profile() -> None:
    _, _, table = PAGE.partition("| profile |")
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|", table.partition("\n\n")[0], re.MULTILINE)
    assert rows == [(profile.name, profile.about) for profile in PROFILES.values()]
