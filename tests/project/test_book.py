"""`make book`: every notebook and table is a page, without a network or a kernel."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import project_tools
import pytest

from cvq_tutorial.run.outputs import CAPTION, EXPLORER

ROOT = Path(__file__).resolve().parent.parent.parent
SHOTS = ROOT / "runs" / "browser"
tool = project_tools.load("build_book")
LOOKED_AT = ("index", "api/cvq_tutorial.explore", "figures/tables", "search", "genindex")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book, made of what the repository holds."""
    for name in ("sphinx", "myst_nb", "furo", "latex2mathml"):
        pytest.importorskip(name, reason="the extra `book` is not installed (make book)")
    out = tmp_path_factory.mktemp("made") / "book"
    assert tool.main(["--out", str(out)]) == 0  # a warning is an error there
    return out


class Page(HTMLParser):
    """What a page refers to, what can be referred to in it, and its pictures."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.pictures: list[str | None] = []
        self.text = path.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.ids |= {said[k] or "" for k in ("id", "name") if k in said}
        if tag == "a" and "href" in said:
            self.links.append(said["href"] or "")
        elif tag == "img":
            self.pictures.append(said.get("alt"))
        for name in ("src", *["href"] * (tag == "link")):
            if said.get(name):
                self.loads.append(said[name] or "")


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_notebook_and_table_is_a_page_that_the_list_of_pages_names(pages, site):
    contents = pages[site / "index.html"]
    for path in [*tool.notebooks(), *tool.texts()]:
        page = path.with_suffix(".html").as_posix()
        assert (site / page).is_file(), page
        assert any(link.endswith(page) for link in contents.links), page
    public = pages[site / "api" / "cvq_tutorial.html"].ids
    assert {"cvq_tutorial.make_world", "cvq_tutorial.CausalVQ.intervene"} <= public


def test_every_link_inside_leads_somewhere_and_nothing_is_loaded_from_outside(pages):
    wrong = []
    for path, page in pages.items():
        for address in [*page.links, *page.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loads and parts.scheme != "data":
                    wrong.append((path.name, address, "is loaded from outside"))
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                wrong.append((path.name, address, "leads nowhere"))
            elif target in pages and unquote(parts.fragment) not in pages[target].ids | {"", "top"}:
                wrong.append((path.name, address, "has no such place"))
    assert wrong == []


def test_every_picture_is_said_in_words_and_every_explorer_is_a_picture(pages, site):
    assert [p for p, page in pages.items() if not all(page.pictures)] == []
    for path in tool.notebooks():
        cells = nbformat.read(ROOT / path, as_version=4).cells
        wanted = sum(EXPLORER in cell.metadata.get("tags", []) for cell in cells)
        page = pages[site / path.with_suffix(".html")]
        assert page.text.count(CAPTION) == wanted, path
        assert "widget-view" not in page.text


def test_what_a_question_asks_for_is_folded():
    outputs = [nbformat.v4.new_output("stream", text="3\n")]
    ask = nbformat.v4.new_markdown_cell("**Predict.** How many?")
    code = [nbformat.v4.new_code_cell("3", outputs=outputs) for _ in range(2)]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A"), ask, *code])
    book.cells[3].metadata = nbformat.from_dict({"jupyter": {"source_hidden": True}})
    made = tool.page_of(book, "notebooks/03_a.ipynb", None)
    tags = [cell.metadata.get("tags") for cell in made.cells if cell.cell_type == "code"]
    assert tags == [["hide-output"], ["hide-input"]]


@pytest.mark.parametrize("urls", ["", '[project.urls]\nRepository = "https://example.org/a/b"\n'])
def test_ways_in_name_a_place_only_where_there_is_one(tmp_path, urls):
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "x"\n{urls}')
    (tmp_path / "CITATION.cff").write_text("title: x\n")
    assert tool.repository(tmp_path) is None
    told = tool.ways_in("notebooks/03_a.ipynb", None)
    assert "my_lessons/03_a.ipynb" in told and "http" not in told
    (tmp_path / "CITATION.cff").write_text("repository-code: https://github.com/some/thing.git\n")
    assert tool.repository(tmp_path) == "some/thing"
    told = tool.ways_in("notebooks/03_a.ipynb", "some/thing")
    assert "research.google.com/github/some/thing/blob/main/notebooks/03_a.ipynb" in told
    assert "mybinder.org/v2/gh/some/thing/main?labpath=notebooks/03_a.ipynb" in told


# --- in the browser -------------------------------------------------------------------------------


def opened(browser: Any, path: Path, wrong: list, **options: Any) -> Any:
    """A page of the site, and what it says or asks for that it should not."""
    page = browser.new_page(**options)
    page.on("pageerror", lambda error: wrong.append((path.name, str(error))))
    page.on("console", lambda m: m.type == "error" and wrong.append((path.name, m.text)))
    page.on(
        "request",
        lambda r: r.url.startswith(("file:", "data:")) or wrong.append((path.name, r.url)),
    )
    page.goto(path.as_uri())
    return page


def test_each_page_is_quiet_asks_nobody_and_fits_a_narrow_screen(site, browser):
    wrong: list = []
    size = {"width": 400, "height": 800}
    for path in sorted(site.rglob("*.html")):
        page = opened(browser, path, wrong, viewport=size, color_scheme="light")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 400:
                wrong.append((path.name, f"is {width} pixels wide, {scheme}"))
        page.close()
    assert wrong == []


def test_search_finds_a_lesson_without_a_server(site, browser):
    page = opened(browser, site / "search.html", wrong := [])
    page.goto(f"{(site / 'search.html').as_uri()}?q=codebooks")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").evaluate_all("(all) => all.map((a) => a.href)")
    assert any("notebooks/" in address for address in found)
    assert not any("solutions/" in address for address in found)
    assert wrong == []
    page.close()


def test_no_serious_obstacle_to_any_reader(site, browser):
    from axe_playwright_python.sync_playwright import Axe

    SHOTS.mkdir(parents=True, exist_ok=True)
    lessons = [p.with_suffix("").as_posix() for p in tool.notebooks()]
    for name in (*LOOKED_AT, lessons[0], lessons[4], lessons[-1]):
        page = opened(browser, site / f"{name}.html", wrong := [], color_scheme="light")
        assert wrong == []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            asked: dict = {"preload": False}
            if scheme == "dark":  # the same page in other colours
                asked["runOnly"] = ["color-contrast"]
            found = Axe().run(page, options=asked).response["violations"]
            serious = [
                (v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"])
                for v in found
                if v["impact"] in ("serious", "critical")
            ]
            assert serious == [], (name, scheme)
            page.screenshot(path=SHOTS / f"book-{Path(name).name}-{scheme}.png")
        page.close()
