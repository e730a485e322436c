"""The viewer with one run or two inside it as one HTML file: opens by double click, without any server."""

import base64
from pathlib import Path

from twin.errors import RecordError
from twin.records import check_same_coordinates, find_run, open_run
from twin.viewer.server import STATIC

__all__ = ["single_page"]

LIMIT = 200e6  # bytes of run files; base64 grows them by a third, and a browser holds them in memory


def single_page(run: str | Path, out: str | Path, other: str | Path | None = None) -> Path:
    """Write ``out`` (.html) holding viewer, reader and the run itself, or two to compare; refused above 200 MB."""
    runs, out = [find_run(path) for path in ([run] if other is None else [run, other])], Path(out)
    trees = [open_run(path) for path in runs]
    if len(trees) == 2:
        check_same_coordinates(*trees)
    size = sum(path.stat().st_size for path in runs)
    if size > LIMIT:
        names = " ".join(str(path) for path in runs)
        raise RecordError(f"{names}: {size / 1e6:.0f} MB are too much for one page (200); use `twin view {names}`")

    def packed(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    def script(name: str) -> str:
        return (STATIC / name).read_text("utf8").replace("</script", "<\\/script")

    inline = (
        "window.__WORKER_URL=URL.createObjectURL(new Blob([Uint8Array.from(atob("
        f'"{packed(STATIC / "worker.js")}"),c=>c.charCodeAt(0))],{{type:"text/javascript"}}));'
        f"window.__RUNS_BASE64={[packed(path) for path in runs]};"
    )
    page = (STATIC / "index.html").read_text("utf8").replace("/*INLINE*/", inline)
    page = page.replace('<script src="viewer.js"></script>', f"<script>{script('viewer.js')}</script>")
    style = (STATIC / "style.css").read_text("utf8")
    page = page.replace('<link rel="stylesheet" href="style.css" />', f"<style>{style}</style>")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_text(page, "utf8")
    return part.replace(out)
