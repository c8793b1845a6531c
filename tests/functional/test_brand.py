"""The hosted pages in an operator's colours, under an operator's logo."""

import pytest

LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><circle cx="4" cy="4" r="4"/></svg>'


@pytest.fixture
def settings(settings, tmp_path):
    (tmp_path / "logo.svg").write_bytes(LOGO)
    return settings | {
        "donkies.name": "Moneta",
        "donkies.brand.colour": "#7a1fa2",
        "donkies.brand.logo": str(tmp_path / "logo.svg"),
    }


def test_pages_bear_name_logo_and_colour(testapp):
    page = testapp.get("/login")
    assert "Moneta" in page.html.title.text
    assert "/brand/logo" == page.html.select_one("header img")["src"]
    assert "/brand.css" in [link["href"] for link in page.html.select("link[rel=stylesheet]")]
    css = testapp.get("/brand.css")
    assert ("text/css", True) == (css.content_type, "--accent: #7a1fa2" in css.text)
    testapp.get("/brand.css", headers={"If-None-Match": css.headers["ETag"]}, status=304)


def test_a_logo_opened_by_itself_can_do_nothing(testapp):
    logo = testapp.get("/brand/logo")
    assert ("image/svg+xml", LOGO) == (logo.content_type, logo.body)
    assert "default-src 'none'" in logo.headers["Content-Security-Policy"]
    testapp.post("/brand/logo", status=405)
