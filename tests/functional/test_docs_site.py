"""The documentation's site: built strictly, so every link, anchor and picture is there; nothing of other hosts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[2]
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
BESIDE = sorted(path.name for path in ROOT.glob("*.md"))


# without any network, where the system lets us go without
OFFLINE = ["unshare", "--map-root-user", "--net"]
if not shutil.which(OFFLINE[0]) or subprocess.run([*OFFLINE, "true"], capture_output=True, check=False).returncode:
    OFFLINE = []


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [*OFFLINE, sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    return subprocess.run([*command, str(source), str(out)], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    began = time.monotonic()
    done = build(ROOT / "docs", out)
    assert 0 == done.returncode, done.stderr
    assert time.monotonic() - began < 60, "a build takes seconds"
    return out


def test_every_page_is_in_it_and_in_its_table_of_contents(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert [] == [str(page) for page in sorted(pages) if not (site / page).exists()]
    contents = BeautifulSoup((site / "index.html").read_text(), "html.parser").select(".sidebar-tree a")
    named = {Path(str(link["href"])) for link in contents}
    assert pages - {Path("index.html")} == named - {Path("#")}


def test_its_parts_are_in_the_order_of_what_readers_need(site: Path) -> None:
    index = BeautifulSoup((site / "index.html").read_text(), "html.parser")
    parts = [one.text.strip() for one in index.select(".sidebar-tree .caption")]
    assert ["Tutorial", "How-to", "Reference", "Explanation", "Decisions"] == parts


def test_it_loads_nothing_of_other_hosts(site: Path) -> None:
    loaded = []
    for path in site.rglob("*.html"):
        page = BeautifulSoup(path.read_text(), "html.parser")
        found = [
            str(one[attribute])
            for tag, attribute in LOADS.items()
            for one in page.find_all(tag)
            if attribute in one.attrs
        ]
        loaded += [(path.name, one) for one in found if re.match(r"(\w+:)?//", one)]
    for path in site.rglob("*.css"):
        loaded += [(path.name, one) for one in re.findall(r"url\(\s*['\"]?((?:https?:)?//[^)]+)", path.read_text())]
    assert [] == loaded


@pytest.mark.parametrize("wrong", ["[gone](gone.md)", "[gone](b.md#gone)", "![gone](gone.png)"])
def test_what_is_wrong_in_a_page_fails_the_build(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "conf.py").write_text((ROOT / "docs" / "conf.py").read_text())
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "site.css").write_text("")
    (tmp_path / "index.md").write_text(f"# A\n\n{wrong}\n\n```{{toctree}}\nb\n```\n")
    (tmp_path / "b.md").write_text("# B\n")
    assert 1 == build(tmp_path, tmp_path / "out").returncode


@pytest.mark.parametrize("name", BESIDE)
def test_links_of_the_documents_beside_it_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    assert [] == [link for link in links if "://" not in link and not (ROOT / link).exists()]
