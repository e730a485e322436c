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
    "compare": "twin.commands.compare:compare_runs",
    "info": "twin.commands.info:info",
    "validate": "twin.commands.validate:validate_run",
    "repair": "twin.commands.validate:repair_run",
    "export": "twin.commands.export:export_run",
    "view": "twin.commands.view:view",
    "assign": "twin.commands.assign:assign_network",
    "deposit": "twin.commands.deposit:deposit",
    "powerflow": "twin.commands.powerflow:powerflow",
    "hosting": "twin.commands.limits:hosting",
    "outages": "twin.commands.limits:outages",
    "congestion": "twin.commands.congestion:congestion",
}.items():
    app.command(_place, name=_name)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the ``twin`` program."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    try:
        result = app(arguments, exit_on_error=False, print_error=True)
    except CycloptsError:
        sys.exit(2)
    except TwinError as error:
        errors.print(f"twin: {error}", markup=False)
        sys.exit(2)
    except OSError as error:  # a folder that cannot be made, a disk that is full
        errors.print(f"twin: {error.filename or 'file'}: {error.strerror or error}", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("twin: interrupted")
        sys.exit(130)
    sys.exit(_show(result))


def _show(result: object) -> int:
    """Print what a command returned: a text, a text with an exit code, or an exit code alone."""
    text, code = result if isinstance(result, tuple) else (result, 0)
    if isinstance(text, int):
        return text
    if text:
        sys.stdout.write(f"{text}\n")
    return int(code)


if __name__ == "__main__":
    main()
