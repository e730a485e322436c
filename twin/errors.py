"""The family of errors. A message says what is wrong, where (file, field, id, time) and the cure.

Everything that a user can cause derives from :class:`TwinError`; the command line prints its message without a
traceback and ends with exit code 2.
"""

__all__ = [
    "BudgetError",
    "ConfigError",
    "ConvergenceError",
    "DataError",
    "NoEmissionError",
    "RecordError",
    "ResumeError",
    "ScenarioError",
    "TwinError",
    "UnitError",
    "WiringError",
]


class TwinError(Exception):
    """Base of all errors that a user can cause and cure."""


class ConfigError(TwinError):
    """A configuration or option that cannot be used: names file, key and the nearest valid key."""


class ScenarioError(TwinError):
    """A scenario verb that cannot be applied to this world."""


class DataError(TwinError):
    """An input file that is missing, altered, malformed or physically impossible."""


class NoEmissionError(DataError):
    """A file of sources none of which emits the substance that is asked for."""


class UnitError(TwinError):
    """A quantity in a unit, or of a kind, that does not fit its use."""


class WiringError(TwinError):
    """Components whose declarations do not fit together."""


class BudgetError(TwinError):
    """A quantity that does not balance between components or over a step."""


class ConvergenceError(TwinError):
    """A solver that did not reach its tolerance where the policy is to fail."""


class RecordError(TwinError):
    """A run file that breaks the layout, is truncated, foreign or locked."""


class ResumeError(RecordError):
    """A checkpoint that does not belong to this configuration, code or data."""
