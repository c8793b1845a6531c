"""Whatever colour an operator wants, people can read what is written in it and on it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from donkies.views.pages.brand import DARK, LEAST_CONTRAST, LIGHT, brand_css, contrast

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def read(css: str) -> list[dict[str, tuple[int, int, int]]]:
    """The colours by day and by night."""
    return [
        {name: tuple(bytes.fromhex(value)) for name, value in re.findall(r"--([\w-]+): #(\w{6})", line)}
        for line in css.strip().splitlines()
    ]


@given(COLOURS)
def test_every_colour_can_be_read_by_day_and_by_night(colour: str) -> None:
    for colours, ground in zip(read(brand_css(colour)), (LIGHT, DARK), strict=True):
        assert contrast(colours["accent"], ground) >= LEAST_CONTRAST
        assert contrast(colours["accent"], colours["accent-text"]) >= LEAST_CONTRAST


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    by_day, by_night = read(brand_css("#0b3d91"))
    assert (0x0B, 0x3D, 0x91) == by_day["accent"]
    assert by_night["accent"] != by_day["accent"]


def test_contrast_is_that_of_wcag() -> None:
    assert round(contrast((0, 0, 0), (255, 255, 255)), 2) == 21
    assert round(contrast((0x76, 0x76, 0x76), (255, 255, 255)), 2) == 4.54
