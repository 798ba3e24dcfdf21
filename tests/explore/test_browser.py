"""The explorers in a real JupyterLab in a real browser, without a network: seen, clicked, moved,
reloaded.

Pictures of each stage are left in runs/browser/, for people to look at.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import networkx as nx
import project_tools
import pytest

from cvq_tutorial.graphs import files as graph_files

ROOT = Path(__file__).resolve().parent.parent.parent
SHOTS = ROOT / "runs" / "browser"
SETTINGS = {  # those of `make lab`, and
    **project_tools.load("open_lab").SETTINGS,
    # cells out of sight leave the page: the harshest way for a widget's view
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "full"},
}
MODEL = """\
import json
from pathlib import Path

import torch

from cvq_tutorial import explore, make_world
from cvq_tutorial.training import checkpoints, recipes

torch.manual_seed(0)
world = make_world("shapes3d")
model, other = (checkpoints.build(world, recipes.get("nano")).eval() for _ in range(2))
with torch.no_grad():  # untrained: half of the nodes set, edges of all strengths
    for one in (model, other):
        one.transition.mask_out.bias.zero_()
        one.transition.edge_cause.weight.mul_(8)
"""
GRAPH = """\
image = explore.start_image(world, (1, 4, 7, 5, 1, 3))
graph = explore.GraphExplorer(model, image, "scale+", other=other)
graph"""
FIRST, GRAPHS = "00_start_here.ipynb", "04b_read_the_graph_of_an_image.ipynb"
ALL = f"import sys\nsys.path[:0] = {[str(ROOT / 'tests'), str(ROOT / 'tests' / 'explore')]}"
ONE = "import test_explorers\ntest_explorers.MAKERS[{!r}]()"
MAKERS = re.findall(
    r'^    "([\w ]+)": lambda', (ROOT / "tests/explore/test_explorers.py").read_text(), re.M
)
PAD = """\
pad = explore.ActionPad(model, world)
pad"""
STATE = """\
def tell(_=None):
    made, node = graph.frame, graph.node
    used = (made.graph * (made.mask >= 0.5)) >= graph.threshold
    causes = effects = 0
    if node is not None:
        causes = int(used[:, node].sum() - used[node, node])
        effects = int(used[node].sum() - used[node, node])
    names = ("node", "action", "threshold", "top_k", "beside", "cut")
    state = {name: getattr(graph, name) for name in names}
    state |= {"held": {n: list(k) for n, k in graph.held.items()}, "actions": pad.actions}
    state |= {"causes": causes, "effects": effects}
    there = graph._third.other
    if there is not None and node is not None:
        used_there = (there.graph[:, node] >= graph.threshold) & (there.mask[node] >= 0.5)
        state["causes_there"] = int(used_there.sum() - used_there[node])
    state["heard"] = int(used.sum(0).argmax())  # the node with the most causes
    state["errors"] = [graph.last_error, pad.last_error]
    Path("state.tmp").write_text(json.dumps(state))
    Path("state.tmp").replace("state.json")

graph.observe(tell), pad.observe(tell)
tell()
print("ready")"""

PLAY = """\
import ipywidgets

from cvq_tutorial.method.plan import Plan

editor = explore.CodeEditor(model, explore.start_image(world, (1, 4, 7, 5, 1, 3)))
pad, game = explore.ActionPad(model, world), explore.RetrievalGame(model, world)
planner = explore.PlanExplorer(model, world)
two = ("floor_hue+", "orientation-")
found = Plan((0, 11), two, torch.zeros(3, 64, 2, dtype=torch.int64), -1.0, 0.5, True, 7)
model.plan = lambda x, y, max_steps: found
every = (editor, pad, game, planner)

def tell(_=None):
    state = {"codes": editor.codes[0, :, 0].tolist(), "brush": editor.brush}
    state |= {"values": pad.values, "shown": pad.shown, "guess": game.guess, "played": game.played}
    state |= {"yours": planner.yours, "step": planner.step}
    state["errors"] = [one.last_error for one in every]
    Path("state.tmp").write_text(json.dumps(state))
    Path("state.tmp").replace("state.json")

for one in every:
    one.observe(tell)
tell()
ipywidgets.VBox(every)"""  # in one cell: several would leave the page and come back in between


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and folder of a JupyterLab of our own, with settings of its own."""
    folder = tmp_path_factory.mktemp("lab")
    book = nbformat.v4.new_notebook()
    cells = [nbformat.v4.new_code_cell(source) for source in (MODEL, GRAPH, PAD, STATE)]
    fill = [nbformat.v4.new_markdown_cell("\n\n".join(["far below"] * 30)) for _ in range(4)]
    book.cells = [*cells, *fill]
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / "explorers.ipynb")
    cells = [nbformat.v4.new_code_cell(source) for source in (MODEL, PLAY)]
    play = nbformat.v4.new_notebook(cells=cells, metadata=book.metadata)
    nbformat.write(play, folder / "play.ipynb")
    every = [nbformat.v4.new_code_cell(text) for text in (ALL, *map(ONE.format, MAKERS))]
    book = nbformat.v4.new_notebook(cells=every, metadata=book.metadata)
    nbformat.write(book, folder / "every.ipynb")
    for lesson in (FIRST, GRAPHS):
        shutil.copy(ROOT / "notebooks" / lesson, folder / lesson)
    with project_tools.load("build_film").jupyterlab(folder, SETTINGS) as address:
        yield address, folder


def wait_for(
    ready: Callable[[], Any], seconds: float, what: str, rest: Callable[[float], None] = time.sleep
) -> Any:
    end = time.monotonic() + seconds
    while not (found := ready()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s for {what}")
        rest(0.1)
    return found


class Desk:
    """One page on the notebook, and what went wrong on it."""

    def __init__(
        self, browser: Any, address: str, folder: Path, notebook: str = "explorers.ipynb"
    ) -> None:
        self.folder, self.errors, self.outside, self.notebook = folder, [], [], notebook
        self.address = address
        self.context = browser.new_context(
            viewport={"width": 1280, "height": 1000}, accept_downloads=True
        )
        self.context.route("**/*", self._only_here)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{address}/lab/tree/{notebook}?reset")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell")

    def _only_here(self, route: Any) -> None:
        if route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def command(self, name: str) -> None:
        self.page.evaluate(f"void window.jupyterapp.commands.execute('{name}')")

    def run_all(self) -> None:
        """Run every cell; an error in one is an error here."""
        self.wait(self.kernel_idle, "a kernel")
        run = "window.jupyterapp.commands.execute('notebook:run-all-cells')"
        self.page.evaluate(f"void {run}.then((done) => {{ window.cellsDone = done; }})")
        done = "window.cellsDone !== undefined"
        self.wait(lambda: self.page.evaluate(done), "the cells to run", 180)
        if not self.page.evaluate("window.cellsDone"):
            self.command("docmanager:save")
            self.page.wait_for_timeout(2000)
            told = [cell["outputs"] for cell in self.cells() if cell.get("outputs")]
            pytest.fail(f"a cell failed: {told}"[-3000:])

    def wait(self, ready: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """Wait while the page lives on: its requests pass through our process."""
        return wait_for(ready, seconds, what, lambda s: self.page.wait_for_timeout(1000 * s))

    def kernel_idle(self) -> bool:
        session = "window.jupyterapp.shell.currentWidget?.sessionContext?.session"
        return self.page.evaluate(f"{session}?.kernel?.status === 'idle'")

    def cells(self) -> list[dict]:
        """The cells of the saved notebook."""
        return self.saved()["cells"]

    def saved(self) -> dict:
        """The notebook's file; an empty one while JupyterLab is writing it."""
        try:
            return json.loads((self.folder / self.notebook).read_text())
        except ValueError:
            return {"cells": [], "metadata": {}}

    def height(self) -> float:
        """Of the first explorer, all its controls included."""
        return self.page.locator(".jp-OutputArea", has=self.page.locator(".cvq")).first.evaluate(
            "(e) => e.offsetHeight"
        )

    def download(self, button: str) -> Path:
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=button).click()
        return Path(download.value.path())

    def state(self) -> dict:
        return json.loads((self.folder / "state.json").read_text())

    def until(self, **expected: Any) -> dict:
        """The state of the explorers in the kernel, as soon as it is as expected."""

        def same() -> bool:
            found = self.state()
            return all(found[k] == v for k, v in expected.items())

        self.wait(same, f"{expected}, found {self.state()}")
        return self.state()

    def arrows(self, kind: str) -> int:
        return self.page.locator(f".cvq .board.before .arrow.{kind}").count()

    def arrows_as_told(self) -> None:
        """The arrows in the page are those that the kernel counts."""

        def same() -> bool:
            told = self.state()
            wanted = [min(told["top_k"], told[kind]) for kind in ("causes", "effects")]
            return [self.arrows("cause"), self.arrows("effect")] == wanted

        self.wait(
            same, f"arrows of {self.state()}, not {self.arrows('cause')}, {self.arrows('effect')}"
        )

    def href(self, side: str) -> str:
        return self.page.locator(f".cvq .board.{side} image").first.get_attribute("href")

    def show(self, css: str) -> None:
        """Scroll from the top until it is there: cells out of sight are not part of the page."""
        found = self.page.locator(css).first
        outer = "document.querySelector('.jp-WindowedPanel-outer')"

        def there() -> bool:
            if found.is_visible():
                return True
            self.page.evaluate(f"{outer}.scrollTop += {outer}.clientHeight / 2")
            return False

        self.page.evaluate(f"{outer}.scrollTop = 0")
        self.wait(there, css)
        found.scroll_into_view_if_needed()

    def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")

    def slider(self, label: str) -> Any:
        row = self.page.locator(".widget-slider", has=self.page.get_by_text(label, exact=True))
        return row.locator(".noUi-handle")


# --- what a reader does, in this order ------------------------------------------------------------


def pin_and_point(desk: Desk) -> None:
    """A node is pinned from the start; a click pins another, pointing shows one without pinning."""
    page, first = desk.page, desk.until(action="scale+")
    assert first["causes"] and first["effects"]
    desk.arrows_as_told()
    cells = page.locator(".cvq .board.before .cell")
    assert cells.count() == 64
    desk.shot("1-start")
    other = (first["node"] + 9) % 64
    cells.nth(other).click()
    desk.until(node=other)
    page.mouse.move(5, 5)  # or the pointer, not the pin, decides what is shown
    desk.arrows_as_told()
    page.get_by_text(f"node {other} (row {other // 8}, column {other % 8})").wait_for()
    cells.nth(first["node"]).hover()
    page.get_by_text(f"node {first['node']} (row").wait_for()
    page.mouse.move(5, 5)
    page.get_by_text(f"node {other} (row").wait_for()
    assert desk.state()["node"] == other


def go_by_keyboard(desk: Desk) -> None:
    """Arrow keys move the focus, Enter pins, Escape lets go, and the notebook takes no key."""
    page, node = desk.page, desk.state()["node"]
    page.locator(".cvq .board.before .cell").nth(node).focus()
    page.keyboard.press("ArrowLeft" if node % 8 else "ArrowRight")
    beside = node - 1 if node % 8 else node + 1
    page.get_by_text(f"node {beside} (row").wait_for()
    page.keyboard.press("Enter")
    desk.until(node=beside)
    desk.shot("2-keyboard")
    page.keyboard.press("Escape")
    desk.until(node=None)
    page.keyboard.press("Enter")
    desk.until(node=beside)
    assert page.locator(".jp-mod-editMode").count() == 0


KEYS_WITHIN_A_FRAME = """async (keys) => {
  const cell = document.activeElement;
  for (const key of keys) cell.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return cell.getAttribute("aria-pressed");
}"""


def type_fast(desk: Desk) -> None:
    """Keys that come before the page is painted again count all the same."""
    pinned = desk.state()["node"]
    assert desk.page.evaluate(KEYS_WITHIN_A_FRAME, ["Escape", "Enter"]) == "true"
    assert desk.page.evaluate(KEYS_WITHIN_A_FRAME, ["Enter"]) == "false"
    assert desk.page.evaluate(KEYS_WITHIN_A_FRAME, ["Enter", "Enter", "Enter"]) == "true"
    desk.until(node=pinned)


def move_sliders(desk: Desk) -> None:
    tall = desk.height()
    desk.slider("at most").press("ArrowLeft")
    desk.until(top_k=7)
    desk.arrows_as_told()
    for _ in range(9):
        desk.slider("threshold").press("ArrowRight")
        assert desk.height() == tall  # what stands below does not jump
    desk.slider("threshold").press("End")
    desk.until(threshold=1.0)
    desk.wait(lambda: desk.arrows("cause") == desk.arrows("effect") == 0, "no arrows")
    assert desk.height() == tall
    desk.slider("threshold").press("Home")
    desk.until(threshold=0.01)
    desk.arrows_as_told()


def act_and_hold(desk: Desk) -> None:
    """An action changes the picture; a held node has no causes; undo brings both back."""
    page, before = desk.page, desk.href("after")
    page.get_by_label("action", exact=True).select_option("wall_hue+")
    desk.until(action="wall_hue+")
    desk.wait(lambda: desk.href("after") != before, "a new picture")
    desk.arrows_as_told()
    free = desk.href("before")
    desk.slider("do(code)").press("ArrowRight")
    desk.wait(lambda: desk.state()["held"], "do()")
    desk.wait(lambda: desk.href("before") != free, "the picture of do()")
    assert desk.state()["causes"] == 0 and page.locator(".cvq .board.before .held").count() == 1
    desk.wait(lambda: desk.arrows("cause") == 0, "no causes of a held node")
    desk.shot("3-held")
    page.get_by_role("button", name="undo").first.click()
    desk.until(held={})
    desk.wait(lambda: desk.href("before") == free, "the picture before do()")


def cut_an_edge(desk: Desk) -> None:
    """The likeliest cause of the pinned node is cut by keyboard; its arrow is dotted."""
    page, node = desk.page, desk.state()["heard"]
    page.locator(".cvq .board.before .cell").nth(node).click()
    page.mouse.move(5, 5)
    causes = desk.until(node=node, cut=[])["causes"]
    assert causes and desk.arrows("cut") == 0
    page.get_by_role("button", name="cut edge").first.focus()
    page.keyboard.press("Enter")
    told = desk.until(causes=causes - 1)
    [[_, effect]] = told["cut"]
    assert effect == told["node"]
    desk.wait(lambda: desk.arrows("cut") == 1, "the arrow of a cut edge")
    page.get_by_text("cut by you: the edge from").wait_for()
    desk.shot("3-cut")
    page.get_by_role("button", name="let go").first.click()
    desk.until(cut=[], causes=causes)


def compare_and_choose(desk: Desk) -> None:
    """Another action beside; a node held as it is there, and at a code chosen by its look."""
    page, third = desk.page, desk.page.locator(".cvq svg.board.third").first
    assert not third.is_visible()
    page.get_by_label("beside", exact=True).select_option("do(shape+)")
    desk.until(beside="shape+")
    third.wait_for()
    assert third.get_attribute("aria-label") == "after do(shape+)"
    page.get_by_role("button", name="as beside").click()
    desk.wait(lambda: desk.state()["held"], "do() as beside")
    page.get_by_label("choose a code by its look").check()
    page.locator(".cvq .board.codes .cell").nth(5).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    held = desk.until(beside="shape+")["node"]
    desk.wait(lambda: desk.state()["held"][str(held)][0] == 6, "do() from the palette")
    desk.shot("3-compared")
    page.get_by_label("choose a code by its look").uncheck()
    page.get_by_label("beside", exact=True).select_option("another model")
    both = desk.page.locator(".cvq .board.third .arrow.cause")
    told = desk.until(beside="another model")
    wanted = min(told["top_k"], told["causes_there"])
    assert wanted > 0
    desk.wait(lambda: both.count() == wanted, f"{wanted} causes in the other model")
    assert page.get_by_text("causes there: ").is_visible()
    desk.shot("3-another-model")
    page.get_by_label("beside", exact=True).select_option("nothing")
    page.get_by_role("button", name="let go").click()
    desk.until(held={}, beside="nothing")
    desk.wait(lambda: not third.is_visible(), "two boards again")


def save_files(desk: Desk) -> None:
    """The graph that the page saves is the kernel's; the pictures are pictures."""
    told = desk.state()
    saved = shutil.copy(desk.download("graph (JSON)"), SHOTS / "saved.json")
    graph = nx.node_link_graph(json.loads(saved.read_text()), edges="edges")
    assert graph.is_directed() and graph.number_of_nodes() == 64
    read = graph_files.load(saved)  # the package reads it, too
    assert read.grid == (8, 8) and read.names[9] == "r1c1" and read.set_by is not None
    assert read.action == told["action"] and read.present.sum() == graph.number_of_edges()
    own = graph.has_edge(told["node"], told["node"])
    assert graph.in_degree(told["node"]) - own == told["causes"]
    assert graph.out_degree(told["node"]) - own == told["effects"] > 0
    for kind, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        path = desk.download(f"picture ({kind})")
        assert path.read_bytes().startswith(start)
        shutil.copy(path, SHOTS / f"saved.{kind.lower()}")


def press_the_pad(desk: Desk) -> None:
    page = desk.page
    desk.show("button[title='do(shape+)']")
    image = page.locator("img.widget-image").last
    source = image.get_attribute("src")
    page.get_by_role("button", name="shape+", exact=True).click()
    desk.until(actions=["shape+"])
    desk.wait(lambda: image.get_attribute("src") != source, "the image after the action")
    desk.shot("4-pad")


def leave_and_come_back(desk: Desk) -> None:
    """A view that left the page is made again from the traits."""
    desk.page.get_by_text("far below").last.scroll_into_view_if_needed()
    desk.wait(lambda: not desk.page.locator(".cvq").first.is_visible(), "the explorer to leave")
    desk.show(".cvq")
    desk.page.mouse.move(5, 5)
    desk.arrows_as_told()


def look_twice_as_large(desk: Desk) -> None:
    """At 200 % zoom half the width is left for everything, and nothing sticks out."""
    desk.page.set_viewport_size({"width": 640, "height": 800})
    desk.show(".cvq")
    widths = "(e) => [e.scrollWidth, e.clientWidth]"
    needed, there = desk.page.locator(".cvq").first.evaluate(widths)
    assert needed <= there
    desk.shot("5-zoomed")
    desk.page.set_viewport_size({"width": 1280, "height": 1000})


def save_and_reload(desk: Desk) -> None:
    """The file holds pictures; with its kernel, the explorer is back."""
    desk.command("docmanager:save")

    def stored() -> list[dict]:
        outputs = [output for cell in desk.cells()[1:3] for output in cell["outputs"]]
        return [output["data"] for output in outputs if "data" in output]

    desk.wait(lambda: len(stored()) == 2, "the saved notebook")
    assert all("image/png" in data and data["text/plain"] for data in stored())
    node = desk.state()["node"]
    desk.page.reload()
    desk.page.wait_for_selector(".cvq .board.before .cell")
    desk.page.mouse.move(5, 5)
    desk.arrows_as_told()
    assert desk.state()["node"] == node
    desk.shot("6-reloaded")


def open_again_without_its_kernel(desk: Desk) -> None:
    """A lesson that was run and saved shows its explorers the next day, too."""
    desk.command("docmanager:save")
    desk.wait(lambda: "widgets" in desk.saved()["metadata"], "the state of the widgets in the file")
    desk.page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    desk.page.goto(f"{desk.address}/lab/tree/{desk.notebook}?reset")
    desk.page.wait_for_selector(".cvq .board.before .cell")
    assert desk.page.locator(".cvq .board.before .cell").count() == 64
    desk.shot("7-the-next-day")
    assert desk.page.get_by_text("Error displaying widget").count() == 0


def test_explorers_in_jupyterlab(browser: Any, lab: tuple[str, Path]):
    desk = Desk(browser, *lab)
    desk.run_all()
    desk.wait((desk.folder / "state.json").exists, "the state of the explorers")
    desk.show(".cvq .board.before .cell")
    pin_and_point(desk)
    go_by_keyboard(desk)
    type_fast(desk)
    move_sliders(desk)
    act_and_hold(desk)
    cut_an_edge(desk)
    compare_and_choose(desk)
    save_files(desk)
    press_the_pad(desk)
    leave_and_come_back(desk)
    look_twice_as_large(desk)
    save_and_reload(desk)
    desk.until(errors=[None, None])
    open_again_without_its_kernel(desk)
    ends_well(desk)


def ends_well(desk: Desk) -> None:
    """Nothing went wrong on the page, and nothing was asked of the world outside."""
    assert desk.page.get_by_text("Error displaying widget").count() == 0
    assert desk.errors == []
    assert desk.outside == []
    desk.context.close()


def test_paint_start_elsewhere_play_anew_and_step_through(browser: Any, lab: tuple[str, Path]):
    desk = Desk(browser, *lab, "play.ipynb")
    desk.run_all()
    desk.show(".cvq .board.before .cell")
    every = desk.page.locator(".cvq-explorer")
    editor, pad, game, plan = (every.nth(n) for n in range(4))
    desk.slider("code").press("ArrowRight")
    editor.get_by_label("paint:").check()
    desk.wait(lambda: desk.state()["brush"], "a brush")
    for node in (10, 12):
        editor.locator(".board.before .cell").nth(node).click()
    brush = desk.state()["brush"]
    desk.wait(lambda: [desk.state()["codes"][n] for n in (10, 12)] == [brush] * 2, "paint")
    before = desk.state()["values"]
    pad.get_by_role("button", name="another start").press("Enter")
    desk.wait(lambda: desk.state()["values"] != before, "another start")
    pad.get_by_label("show", exact=True).select_option("difference to the start")
    desk.until(shown="difference")
    game.get_by_role("button", name="cannot tell").click()
    desk.until(guess="cannot tell", played=1)
    game.get_by_role("rowheader").wait_for()  # the score of one factor
    game.get_by_role("button", name="new game").click()
    desk.until(guess=None, played=0)
    plan.get_by_label("try it yourself").check()
    plan.get_by_role("button", name="scale+", exact=True).click()
    desk.until(yours=["scale+"])
    plan.get_by_role("button", name="find a plan").click()
    desk.until(step=2)
    handle = desk.slider("step of plan")
    desk.wait(lambda: handle.get_attribute("aria-valuetext") == "2", "a slider that can be moved")
    handle.press("ArrowLeft")
    desk.until(step=1, errors=[None] * 4)
    desk.shot("10-plan")
    ends_well(desk)


def test_a_first_action_by_a_click_in_lesson_00(browser: Any, lab: tuple[str, Path]):
    desk = Desk(browser, *lab, FIRST)
    desk.run_all()
    desk.show("button[title='do(shape+)']")
    image = desk.page.locator("img.widget-image").last
    source = image.get_attribute("src")
    desk.page.locator("button[title='do(object_hue+)']").last.click()
    desk.wait(lambda: image.get_attribute("src") != source, "the image after the action")
    desk.shot("8-lesson-00")
    ends_well(desk)


def test_a_node_of_the_graph_in_lesson_04b(browser: Any, lab: tuple[str, Path]):
    desk = Desk(browser, *lab, GRAPHS)
    desk.run_all()
    desk.show(".cvq .board.before .cell")
    cells = desk.page.locator(".cvq .board.before .cell")
    assert cells.count() == 64
    desk.page.mouse.move(5, 5)
    desk.wait(lambda: desk.arrows("cause") > 1, "arrows of the pinned node")
    desk.slider("at most").press("Home")
    desk.wait(lambda: desk.arrows("cause") == 1, "one cause drawn")
    cells.nth(9).click()
    desk.page.mouse.move(5, 5)
    desk.page.get_by_text("node 9 (row 1, column 1)").first.wait_for()
    before = desk.href("after")
    desk.page.get_by_label("action", exact=True).first.select_option("floor_hue+")
    desk.wait(lambda: desk.href("after") != before, "another picture")
    desk.shot("9-lesson-04b")
    ends_well(desk)


def test_no_serious_obstacle_in_any_explorer(browser: Any, lab: tuple[str, Path]):
    """Sliders, pictures and buttons have names, what scrolls can be reached, text has contrast.

    On a wide page and on one where the pictures move below the controls, in the same colours.
    """
    from axe_playwright_python.sync_playwright import Axe

    desk = Desk(browser, *lab, "every.ipynb")
    desk.run_all()
    outer, seen, serious = "document.querySelector('.jp-WindowedPanel-outer')", set(), []
    named = "(all) => all.map((e) => e.getAttribute('aria-label') || e.alt)"
    for width in (1280, 900):
        desk.page.set_viewport_size({"width": width, "height": 1000})
        asked = {"preload": False, "rules": {"color-contrast": {"enabled": width > 1000}}}
        desk.page.evaluate(f"{outer}.scrollTop = 0")
        before = -1.0
        for _ in range(40):
            if (here := desk.page.evaluate(f"{outer}.scrollTop")) == before:
                break  # the end
            before = here
            desk.page.wait_for_timeout(400)
            seen |= set(desk.page.locator(".cvq-explorer .noUi-handle").evaluate_all(named))
            seen |= set(desk.page.locator(".cvq-explorer img").evaluate_all(named))
            seen |= set(desk.page.locator(".cvq .cell[aria-label^='v']").evaluate_all(named))
            seen |= set(desk.page.locator(".cvq .board.after .name").all_text_contents())
            if desk.page.locator(".cvq-explorer").count():
                found = Axe().run(desk.page, ".cvq-explorer", asked).response
                serious += [
                    (width, v["id"], n["html"][:300], n["failureSummary"])
                    for v in found["violations"] if v["impact"] in ("serious", "critical")
                    for n in v["nodes"]
                ]  # fmt: skip
            desk.page.evaluate(f"{outer}.scrollTop += {outer}.clientHeight * 0.8")
    desk.page.set_viewport_size({"width": 1280, "height": 1000})
    assert serious == []
    assert len(MAKERS) > 10 and {"threshold", "at most", "wall_hue", "samples"} <= seen
    assert any(str(name).startswith("Pair 1:") for name in seen), seen  # a picture, in words
    assert any(re.fullmatch(r"v11, \d", str(name)) for name in seen)  # of a world of codes
    assert {"v0", "v11"} <= seen
    ends_well(desk)
