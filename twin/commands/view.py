"""``twin view RUN [RUN2]``: the viewer in the browser."""

import webbrowser
from pathlib import Path

from rich.console import Console

from twin.viewer import RunServer, single_page

__all__ = ["view"]


def view(
    run: Path, other: Path | None = None, /, *, port: int = 0, browser: bool = True, html: Path | None = None
) -> int:
    """Show a run in the browser, or two runs of one province and their difference.

    Parameters
    ----------
    run
        Run file, finished or in progress.
    other
        Second run, to compare with the first.
    port
        Port on 127.0.0.1; 0 takes a free one.
    browser
        Open the browser; without it the address is only printed.
    html
        Write one HTML file that holds viewer and runs, and serve nothing.
    """
    console = Console(soft_wrap=True, highlight=False)
    if html is not None:
        console.print(f"{single_page(run, html, other)}", markup=False)
        return 0
    server = RunServer([run] if other is None else [run, other], port)
    console.print(f"{server.url}\nserving on this machine only; end with Ctrl-C", markup=False)
    if browser:
        webbrowser.open(server.url)
    try:
        server.serve()
    except KeyboardInterrupt:
        console.print("stopped")
    return 0
