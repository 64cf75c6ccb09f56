"""The exceptions that this project raises on purpose. Each message says what to do next.

::

    FastVError
    ├── UnsupportedModelError (TypeError)
    ├── NestingError          (RuntimeError)
    ├── InvalidBudgetError    (ValueError)
    ├── InvalidInputError     (ValueError)
    └── ModelLoadError        (RuntimeError)
"""

from __future__ import annotations


class FastVError(Exception):
    """Base of all of them."""


class UnsupportedModelError(FastVError, TypeError):
    """The model's class, or the way in which it is run, is not supported."""


class NestingError(FastVError, RuntimeError):
    """A pruning method is already active on this model."""


class InvalidBudgetError(FastVError, ValueError):
    """A pruning setting outside its range, or a target cost that no setting reaches."""


class ModelLoadError(FastVError, RuntimeError):
    """A model could not be loaded; the one in use stays as it was."""


class InvalidInputError(FastVError, ValueError):
    """A picture, video, question or option that cannot be used, or a prompt or cache that pruning cannot serve."""
