"""Errors that say what, where, and what next.

Every error inherits `TruingError` and the builtin that it refines, takes one finished message, and
therefore pickles across worker processes. `exit_code` is what the command line returns: 2 where the
user can mend it (input, configuration, environment), 1 where the fault is ours.
"""

from typing import ClassVar

USER_FAULT = 2
OUR_FAULT = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells count


class TruingError(Exception):
    """Base of all errors that truing raises on purpose."""

    exit_code: ClassVar[int] = OUR_FAULT


class ConfigError(TruingError, ValueError):
    """A configuration that cannot be run; the message lists every fault found."""

    exit_code = USER_FAULT


class DataError(TruingError, ValueError):
    """Data that cannot be read or does not hold what was asked of it."""

    exit_code = USER_FAULT


class ModelError(TruingError, ValueError):
    """A model that is missing, unreadable or unfit for the request."""

    exit_code = USER_FAULT


class MissingExtra(TruingError, ImportError):
    """A feature whose optional dependency is not installed; the message holds the pip command."""

    exit_code = USER_FAULT


class UnknownName(TruingError, LookupError):
    """A name that no registry entry has; the message suggests near ones."""

    exit_code = USER_FAULT


class DuplicateName(TruingError, ValueError):
    """Two things registered under one name."""

    exit_code = USER_FAULT


class PluginError(TruingError, ImportError):
    """An installed plugin cannot be imported; the message names it and its own error."""

    exit_code = USER_FAULT


class VerifierFault(TruingError, RuntimeError):
    """A verifier crashed, hung or answered nonsense: never a reward, always counted."""

    exit_code = USER_FAULT


class SandboxFault(TruingError, RuntimeError):
    """The sandbox itself failed, as opposed to the program run in it."""


class StorageError(TruingError, OSError):
    """A file could not be written or read back; what stood there before still stands."""

    exit_code = USER_FAULT


class CheckpointError(TruingError, ValueError):
    """A checkpoint that is missing, incomplete or of another run."""

    exit_code = USER_FAULT


class ShapeError(TruingError, ValueError):
    """A tensor of the wrong rank or size reached a pure function."""
