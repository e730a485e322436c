"""The front door: ``twin COMMAND``. Parse, call, print; exit codes that scripts can trust.

0 done, 1 done with failures that were named (ensemble, validate), 2 wrong input or usage, 130 interrupted.
"""

import sys

from cyclopts import App, CycloptsError
from rich.console import Console

from twin import __version__
from twin.errors import TwinError

__all__ = ["app", "main"]

app = App(
    name="twin",
    help="Simulate a province: traffic, nitrogen deposition and electricity load, stepped together.",
    version=__version__,
    result_action="return_value",
)
for _name, _place in {
    "run": "twin.commands.run:run",
    "provinces": "twin.commands.provinces:provinces",
    "ensemble": "twin.commands.ensemble:ensemble",
}.items():
    app.command(_place, name=_name)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``twin`` program."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        code = app(arguments, exit_on_error=False, print_error=True)
    except CycloptsError:
        sys.exit(2)
    except TwinError as error:
        errors.print(f"twin: {error}", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("twin: interrupted")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
