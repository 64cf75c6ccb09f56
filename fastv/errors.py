"""The errors a caller may want to tell apart. Each message says what to do next."""

from __future__ import annotations


class FastVError(Exception):
    """Base of every error this project raises on purpose."""


class UnsupportedModelError(FastVError, TypeError):
    """The model's class, or the way it is run, is one FastV does not know how to prune."""


class NestingError(FastVError, RuntimeError):
    """FastV is already active on this model."""


class InvalidBudgetError(FastVError, ValueError):
    """A (K, R) outside its range, or a target cost that no (K, R) reaches."""


class ModelLoadError(FastVError, RuntimeError):
    """A model could not be loaded; the one in use stays as it was."""


class InvalidInputError(FastVError, ValueError):
    """A picture, a video, a question or a setting that cannot be used, or a prompt or cache that FastV cannot serve."""
