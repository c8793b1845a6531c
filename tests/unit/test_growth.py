"""`make growth`: the rows it makes are the service's own, and what it found is drawn and told where it belongs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psycopg
import pytest
from psycopg import sql
from webtest import TestApp

from bench import small
from bench.charts import line_chart
from bench.filling import PEOPLE, fill, middle_of
from bench.growth_report import BEGIN, DOCUMENT, END, write_report
from bench.prepare import ROOT, Place, prepare
from bench.rows import HEAVY, person_id
from donkies.config import bind, make_app, parse_settings
from donkies.testing.databases import SERVER_URL, postgres_or_skip

FOUND = {
    "date": "2026-11-26",
    "machine": "2 cores",
    "tables": [
        {
            "rows": rows,
            "pages": {"first page": {"ms": ms, "cpu_ms": 0.4, "db_ms": 0.2}},
            "export": {"rows": rows // 10, "seconds": 1.0, "cpu_s": 0.5, "before_mib": 90.0, "peak_mib": 99.0},
        }
        for rows, ms in ((10_000, 0.5), (100_000, 0.6))
    ],
    "downloads": [{"rows": 1_000, "seconds": 1.0, "cpu_s": 0.5, "before_mib": 90.0, "peak_mib": 120.0}],
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[dict[str, Any]]:
    with postgres_or_skip("growth"):
        pass
    place = Place(SERVER_URL, f"donkies_growth_test_{os.getpid()}", tmp_path)
    small.write(tmp_path / "data", users=PEOPLE, heavy=200, others=2, ingest=2, page=2)
    yield prepare(place, tmp_path / "data", data_version="test", server=["none"], python="python")
    with psycopg.connect(SERVER_URL, autocommit=True) as admin:
        for name in (place.name, place.template):
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def test_the_rows_are_everybodys_alike_and_the_service_reads_them(service: dict[str, Any]) -> None:
    with psycopg.connect(service["env"]["DONKIES_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("TRUNCATE transactions, transaction_feeds")
        for rows in (2_000, 20_000):
            fill(connection, rows)
            counts = connection.execute("SELECT count(*) FROM transactions GROUP BY user_id").fetchall()
            assert [(rows // PEOPLE,)] * PEOPLE == counts
        cursor = middle_of(connection, person_id(HEAVY))
    settings = parse_settings({}, service["env"])
    headers = {"Authorization": f"Bearer {service['items']['list']['requests'][0][1]}"}
    with bind(settings) as registry:
        app = TestApp(make_app(settings, registry))
        assert 2 == len(app.get("/v1/transactions?q=rare", headers=headers).json["data"])
        behind = 0
        for _ in count():
            page = app.get(f"/v1/transactions?limit=500&cursor={cursor}", headers=headers).json
            behind += len(page["data"])
            if not (cursor := page["next_cursor"]):
                break
    assert 999 == behind  # of 2,000, those after the one in the middle


def test_a_chart_is_svg_with_a_point_for_each_measurement_for_light_and_dark() -> None:
    chart = line_chart("Time & more", "ms", {"first": [(10, 1), (1_000, 3.7)], "second <b>": [(10, 0), (100, 2)]})
    root = ElementTree.fromstring(chart)  # noqa: S314 - our own
    found = {element.tag.rpartition("}")[2]: element for element in root.iter()}
    assert 4 == sum(element.tag.endswith("circle") for element in root.iter())
    words = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {"Time & more", "ms", "rows", "10", "100", "1,000", "first", "second <b>", "0", "4"} <= words
    assert "prefers-color-scheme: dark" in (found["style"].text or "")


@pytest.mark.parametrize("points", [[(10, 0)], [(10, 0), (20, 0)], [(5, 1e6)]])
def test_a_chart_of_little_is_a_chart(points: list[tuple[float, float]]) -> None:
    ElementTree.fromstring(line_chart("t", "u", {"a": points}))  # noqa: S314 - our own


def test_tables_and_pictures_are_written_where_the_document_has_its_marks(tmp_path: Path) -> None:
    document = tmp_path / DOCUMENT
    document.parent.mkdir()
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_report(FOUND, tmp_path)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "| 100,000 | first page | 0.60 | 0.40 | 0.20 |" in text
    assert "as a multiple of that at 10,000: first page 1.20." in text
    pictures = sorted(path.name for path in (tmp_path / "images/performance").iterdir())
    assert ["memory.svg", "page-database.svg", "page-time.svg"] == pictures
    document.write_text("no marks")
    with pytest.raises(ValueError, match="lost the marks"):
        write_report(FOUND, tmp_path)


def test_the_document_has_the_marks_and_its_pictures_are_there() -> None:
    text = (ROOT / "docs" / DOCUMENT).read_text()
    assert text.index(BEGIN) < text.index(END)
    named = [part.partition(")")[0] for part in text.split("](../images/")[1:]]
    assert ["performance/page-time.svg", "performance/page-database.svg", "performance/memory.svg"] == named
    assert all((ROOT / "docs/images" / name).exists() for name in named)
