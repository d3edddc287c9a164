"""The page in a real browser: visible, silent, offline, wide and narrow, light and dark, on paper."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.report.browser import Browser, browser

SMALLEST = """Math.min(...[...document.querySelectorAll("figure, figure svg, figure img, figcaption")]
    .flatMap(item => [item.getBoundingClientRect().width, item.getBoundingClientRect().height]))"""
BROKEN = "[...document.images].filter(image => !image.naturalWidth).length"
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
FOCUSABLE = """(() => { const item = document.querySelector("summary"); item.focus();
    return document.activeElement === item && item.parentElement.open === false })()"""


@pytest.mark.slow
@pytest.mark.debian("chromium")
def test_the_page_in_chromium(pair: Path, tmp_path: Path) -> None:
    with browser(tmp_path / "profile") as tab:
        tab.open(pair)
        assert tab.ask('document.querySelectorAll("figure").length') == 12
        for width in (1200, 390):
            tab.resize(width)
            assert tab.ask(SMALLEST) > 15
            assert tab.ask(OVERFLOW) <= 0
        assert tab.ask(BROKEN) == 0
        assert tab.ask(FOCUSABLE)
        assert _brightness(tab, "light") > 200
        assert _brightness(tab, "dark") < 60
        assert tab.paper().startswith(b"%PDF")
        asked = [address for address in tab.requests() if not address.startswith("data:")]
        assert asked == [pair.as_uri()]
        assert tab.complaints() == []


def _brightness(tab: Browser, scheme: str) -> float:
    """The mean gray, 0 to 255, of the first screen in a color scheme."""
    tab.scheme(scheme)
    picture = Image.open(BytesIO(tab.picture(whole=False))).convert("L")
    return float(np.asarray(picture).mean())
