"""What the cells of a notebook leave, for a page that has no kernel.

A widget lives in a kernel. Opened without one it is an error or nothing, though an explorer stores
a picture of itself beside its live view, and a progress bar stays at 0 % for good. One step mends
both, on every executed notebook, whoever executed it:

    jupyter nbconvert --execute --to html --HTMLExporter.preprocessors=PREPROCESSOR lesson.ipynb

with `cvq_tutorial.run.outputs.for_html` as PREPROCESSOR; from Python (nbclient,
papermill) `stills(notebook)`. What `cvq reproduce` leaves has gone through it. The lessons on the
web store pictures only; `for_html` makes their pages in the book.
"""

from __future__ import annotations

import html
import io
import re
import struct
import zlib
from typing import Any

import PIL.Image
from nbformat import NotebookNode
from nbformat.v4 import new_output

VIEW = "application/vnd.jupyter.widget-view+json"
BAR = re.compile(r"^[^\n|]*?(\d+%\||\d+it \[)")  # how tqdm prints itself
LEVELS = 64  # of each colour channel in a stored picture
STILL = "still"  # metadata of a caption
CAPTION = "A picture of an explorer: to use it, run this cell in JupyterLab (make lab)."
EXPLORER = "explorer"  # tag of a cell that ends in one


def stills(notebook: NotebookNode) -> NotebookNode:
    """Show the stored picture of each explorer instead of its live view, with a caption below it.

    Dead progress bars go; a widget that stored no picture keeps its view. What a notebook keeps of
    widgets' state goes, too, when no view is left. A second call changes nothing.

    Args:
        notebook: executed, of nbformat 4; it is changed in place.

    Returns:
        The notebook.
    """
    views = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        outputs, kept = without_bars(cell.outputs), []
        pictured = [output for output in outputs if "image/png" in output.get("data", {})]
        tagged = EXPLORER in cell.metadata.get("tags", [])
        for number, output in enumerate(outputs):
            kept.append(output)
            if output in pictured:
                alive = output.data.pop(VIEW, None) is not None
                wanted = alive or (tagged and output is pictured[-1])
                after = outputs[number + 1 : number + 2]
                if wanted and not any(STILL in o.get("metadata", {}) for o in after):
                    kept.append(caption())
            views += VIEW in output.get("data", {})
        cell.outputs = kept
    if not views:
        notebook.metadata.pop("widgets", None)
    return notebook


def for_html(notebook: NotebookNode, resources: Any = None) -> tuple[NotebookNode, Any]:
    """`stills`, and each picture whose output says it in words as HTML with that text.

    nbconvert's default template leaves the text of a picture out.

    Args:
        notebook: executed, of nbformat 4; it is changed in place.
        resources: nbconvert's, passed on: the function is a preprocessor of its exporters.

    Returns:
        The notebook and the resources.
    """
    for cell in stills(notebook).cells:
        for output in cell.get("outputs", []):
            about = output.get("metadata", {}).get("image/png", {})
            if "image/png" in output.get("data", {}) and "alt" in about:
                encoded = output.data.pop("image/png").replace("\n", "")
                width = f' width="{int(about["width"])}"' if "width" in about else ""
                output.data["text/html"] = (
                    f'<img alt="{html.escape(about["alt"])}"{width} style="max-width:100%"'
                    f' src="data:image/png;base64,{html.escape(encoded)}">'
                )
    return notebook, resources


def caption() -> NotebookNode:
    """The output below a picture which says what it is a picture of."""
    data = {"text/html": f"<p><em>{CAPTION}</em></p>", "text/plain": CAPTION}
    return new_output("display_data", data=data, metadata={STILL: True})


def without_bars(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs but for widgets of progress bars, which nothing moves any more."""
    return [output for output in outputs if not _is_bar(output.get("data", {}))]


def _is_bar(data: dict[str, Any]) -> bool:
    return VIEW in data and "image/png" not in data and bool(BAR.match(data.get("text/plain", "")))


def small_png(picture: bytes, levels: int = LEVELS) -> bytes:
    """A picture of any format as a PNG of fewer bytes whose colours look the same.

    Each channel keeps `levels` evenly spaced values: with 64 no pixel moves by more than 2 of 255.
    A picture of at most 256 colours keeps each of them. What was made small once stays as it is.

    Args:
        picture: the bytes of its file.
        levels: of red, green and blue, at least 2.
    """
    image: PIL.Image.Image = PIL.Image.open(io.BytesIO(picture))
    if image.mode == "P":
        return picture
    image = image.convert("RGB")
    if image.getcolors(256) is None:
        step = 255 / (levels - 1)
        image = image.point([round(round(value / step) * step) for value in range(256)] * 3)
    made = [picture, _unfiltered(image)]
    if (colours := image.getcolors(256)) is not None:
        image = image.quantize(len(colours), dither=PIL.Image.Dither.NONE)
    with io.BytesIO() as file:
        image.save(file, "PNG", optimize=True)
        made.append(file.getvalue())
    return min(made, key=len)


def _unfiltered(image: PIL.Image.Image) -> bytes:
    """An RGB image as a PNG without filters, which Pillow always sets: small if pixels repeat."""
    rows = image.tobytes()
    wide = 3 * image.width
    raw = b"".join(b"\0" + rows[at : at + wide] for at in range(0, len(rows), wide))
    head = struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 0)
    made = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")):
        made += struct.pack(">I", len(data)) + kind + data
        made += struct.pack(">I", zlib.crc32(kind + data))
    return made


def tidy_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring pieces of one stream as one output, without the past states of progress bars."""
    tidy: list[NotebookNode] = []
    for output in outputs:
        same = tidy and output.output_type == tidy[-1].output_type == "stream"
        if same and output.name == tidy[-1].name:
            tidy[-1].text += output.text
        else:
            tidy.append(output)
    for output in tidy:
        if output.output_type == "stream":
            output.text = fold(output.text)
    return tidy


def fold(text: str) -> str:
    r"""What a terminal would show of a text with carriage returns: the last state of a bar.

    >>> fold("10%\r20%\r30%\ndone\n")
    '30%\ndone\n'
    """
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(
        next((s for s in reversed(line.split("\r")) if s.strip()), "") for line in lines
    )
