"""Every error that a user can meet, with the exit code that a job ends with.

Each message is one line that says what was found, where, and what to do.
"""


class RecaugError(Exception):
    """Base of the errors that end a job with one line on stderr instead of a stack trace."""

    exit_code = 1


class ConfigError(RecaugError):
    """Wrong usage or configuration."""

    exit_code = 2


class ContractError(RecaugError):
    """The input breaks the contract: path not readable, no rows left, columns missing."""

    exit_code = 3


class NoRowsError(ContractError):
    """The log has no row of the night's day."""


class TrainingError(RecaugError):
    """A training failed: a rank died or raised, too few task slots, a loss that is not finite."""

    exit_code = 4


class StorageError(RecaugError):
    """The lake or the artifacts could not be written: no space, no permission, a lost race."""

    exit_code = 5
