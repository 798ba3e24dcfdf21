"""Film the graph explorer in a real JupyterLab: figures/explorer.gif, the README's moving picture.

    python tools/build_film.py            needs chromium and playwright; a minute

A shipped model, a real kernel, a real browser: what is clicked and moved is in `scenes`, and what
the film shows in words is `WORDS`, its comment and the alternative text in the README.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import PIL.Image

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT

OUT = PROJECT_ROOT / "figures" / "explorer.gif"
WIDTH, COLOURS = 760, 256
CELL = """\
from cvq_tutorial import explore, load_or_train

model, world, _ = load_or_train(device="cpu")
explore.GraphExplorer(model, explore.start_image(world, (1, 4, 7, 5, 1, 3)), "wall_hue+")"""
WORDS = (
    "The graph explorer in a notebook: a picture and, beside it, the picture after an "
    "action. A node is pointed at and its causes and effects appear as arrows; another is "
    "pinned; the threshold rises and fewer edges count; another action changes another "
    "factor; a node is held at other codes by do(): nothing causes it any more, and what ends "
    "up otherwise because of it is framed."
)


@contextlib.contextmanager
def jupyterlab(folder: Path, settings: dict[str, dict]) -> Iterator[str]:
    """The address of a JupyterLab of our own on a folder, with settings and kernels of its own.

    Raises TimeoutError if it does not answer within a minute.
    """
    for name, values in settings.items():
        path = folder / "settings" / f"{name.replace(':', '/')}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(values).encode())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    private = {
        f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")
    }
    lab_dirs = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    environment = os.environ | private | {k: str(folder / v) for k, v in lab_dirs.items()}
    environment |= {"PYTHONPATH": str(PROJECT_ROOT), "IPYTHONDIR": str(folder / "ipython")}
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--IdentityProvider.token=", "--allow-root"),
        *("--ServerApp.port_retries=0", "--LabApp.expose_app_in_browser=True"),
    ]
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while not _answers(f"{address}/api/status"):
            if time.monotonic() > end:
                raise TimeoutError(f"JupyterLab does not answer, see {folder / 'lab.log'}")
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # the kernels are in its group
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


def scenes(page: Any) -> Iterator[int]:
    """Act on the explorer; after each step, for how many milliseconds it is shown."""
    cells = page.locator(".cvq .board.before .cell")

    def slider(label: str) -> Any:
        row = page.locator(".widget-slider", has=page.get_by_text(label, exact=True))
        return row.locator(".noUi-handle")

    yield 1400
    for node in (11, 12, 20):
        cells.nth(node).hover()
        yield 500
    cells.nth(7).click()
    page.mouse.move(5, 5)
    yield 1500
    for _ in range(3):
        for _ in range(13):
            slider("threshold").press("ArrowRight")
        yield 450
    for _ in range(39):
        slider("threshold").press("ArrowLeft")
    yield 500
    page.get_by_label("action", exact=True).select_option("object_hue+")
    cells.nth(35).click()
    page.mouse.move(5, 5)
    yield 1600
    page.get_by_label("action", exact=True).select_option("wall_hue+")
    cells.nth(7).click()
    page.mouse.move(5, 5)
    yield 1000
    for _ in range(4):
        for _ in range(6):
            slider("do(code)").press("ArrowRight")
        yield 600
    yield 1200


def film(address: str, notebook: str, chromium: str) -> list[tuple[PIL.Image.Image, int]]:
    """The pictures of all scenes and how long each is shown."""
    from playwright.sync_api import sync_playwright

    shots = []
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1180, "height": 1100})
        page.set_default_timeout(120_000)
        page.goto(f"{address}/lab/tree/{notebook}?reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        session = "window.jupyterapp.shell.currentWidget?.sessionContext?.session"
        page.wait_for_function(f"{session}?.kernel?.status === 'idle'")
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_selector(".cvq .board.before .cell")
        shown = page.locator(".jp-OutputArea-output", has=page.locator(".cvq")).first
        for milliseconds in scenes(page):
            page.wait_for_timeout(900)  # the kernel answers in a fifth of a second
            shown.scroll_into_view_if_needed()
            shots.append((PIL.Image.open(io.BytesIO(shown.screenshot())), milliseconds))
        browser.close()
    return shots


def moving(shots: list[tuple[PIL.Image.Image, int]]) -> bytes:
    """A GIF of the shots, all of one size and one palette."""
    width, height = shots[0][0].size
    size = (WIDTH, round(WIDTH * height / width))
    frames = [shot.convert("RGB").resize(size, PIL.Image.Resampling.LANCZOS) for shot, _ in shots]
    sheet = PIL.Image.new("RGB", (size[0], size[1] * len(frames)))
    for number, frame in enumerate(frames):
        sheet.paste(frame, (0, number * size[1]))
    palette = sheet.quantize(COLOURS, dither=PIL.Image.Dither.NONE)
    few = [f.quantize(palette=palette, dither=PIL.Image.Dither.NONE) for f in frames]
    made = io.BytesIO()
    few[0].save(
        made, "GIF", save_all=True, append_images=few[1:], loop=0, optimize=True,
        duration=[milliseconds for _, milliseconds in shots], comment=WORDS.encode(),
    )  # fmt: skip
    return made.getvalue()


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("error: no chromium on this machine (Debian: apt install chromium)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
        book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(book, folder / "film.ipynb")
        quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
        with jupyterlab(folder, quiet) as address:
            made = moving(film(address, "film.ipynb", chromium))
    write_atomic(OUT, made)
    print(f"{OUT}: {len(made) / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
