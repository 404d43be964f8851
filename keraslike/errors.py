"""One family of errors; each says what happened, what was expected, and what to do.

::

    KeraslikeError (Exception)
    ├── ArgumentError (ValueError, TypeError)          an argument is misspelt, missing or of the wrong kind
    ├── DataError (ValueError)                         the user's rows, columns or targets do not fit together
    │   └── LabelError                                 a label is unknown, or labels cannot be told
    ├── NotFittedError (ValueError, AttributeError)    the network does not exist yet: fit first, or give labels=
    ├── LoadError (OSError)                            a model, checkpoint or file cannot be read
    ├── OutOfMemoryError (MemoryError)                 not even one example fits, or the batch must not be cut
    ├── NonFiniteError (ArithmeticError)               losses or gradients are NaN or Inf, one step after the other
    └── MissingDependencyError (ImportError)           an optional library is not installed
"""


class KeraslikeError(Exception):
    """The base of every error that keraslike raises on purpose.

    Args:
        what: what happened, with the value, its type or its shape.
        expected: what would have been right, such as the list of choices.
        do: what to do next, best a line that can be typed.

    Example:
        >>> print(DataError("x has 5 texts but y has 4 labels.", "one label per text.", "check the rows."))
        x has 5 texts but y has 4 labels.
          Expected: one label per text.
          Do: check the rows.
    """

    def __init__(self, what: str, expected: str | None = None, do: str | None = None) -> None:
        self.what = what
        self.expected = expected
        self.do = do
        lines = [what]
        if expected is not None:
            lines.append(f"  Expected: {expected}")
        if do is not None:
            lines.append(f"  Do: {do}")
        super().__init__("\n".join(lines))


class ArgumentError(KeraslikeError, ValueError, TypeError):
    """An argument is misspelt, missing, or of a kind that is not understood."""


class DataError(KeraslikeError, ValueError):
    """The rows, columns or targets that the user gave do not fit together or cannot be read."""


class LabelError(DataError):
    """A label is not among the known ones, or the labels cannot be told from the data."""


class NotFittedError(KeraslikeError, ValueError, AttributeError):
    """The network is not built yet, because the number of labels is not known before `fit`.

    It is an `AttributeError` too, so that `hasattr(model, "network")` answers False.
    """


class LoadError(KeraslikeError, OSError):
    """A model, a checkpoint or a file cannot be found or read."""


class OutOfMemoryError(KeraslikeError, MemoryError):
    """A step needs more memory than there is, and cannot be cut into smaller micro-batches."""


class NonFiniteError(KeraslikeError, ArithmeticError):
    """Losses or gradients were NaN or Inf in one optimizer step after the other; none of them reached the weights."""


class MissingDependencyError(KeraslikeError, ImportError):
    """An optional library is needed and not installed; the message holds the line to type."""
