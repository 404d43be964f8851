"""Names that a metric cannot have, because the history keeps something else under them."""

from collections.abc import Collection, Iterable

from keraslike.errors import ArgumentError

RESERVED = frozenset({"batch", "epoch", "loss", "lr", "size", "time"})
"""What stands in the history, in the logs of callbacks, and in the files of loggers, beside the metrics."""


def is_taken(name: str, names: Collection[str]) -> bool:
    """Tell whether a name is among some, or is that of one of them in validation.

    Example:
        >>> is_taken("val_loss", RESERVED), is_taken("val_f1", {"f1"}), is_taken("val_f1", RESERVED)
        (True, True, False)
    """
    return name in names or (name.startswith("val_") and name.removeprefix("val_") in names)


def check_names(names: Iterable[str | Iterable[str]]) -> None:
    """Refuse names of metrics that would hide another value of the history.

    Args:
        names: the name of each metric, or its names where it gives several values.

    Raises:
        ArgumentError: a name is reserved, or that of another metric in validation.

    Example:
        >>> check_names(["accuracy", ["precision", "recall"]])
    """
    listed = [name for one in names for name in ([one] if isinstance(one, str) else one)]
    for name in listed:
        if name in RESERVED or is_taken(name, RESERVED | {*listed} - {name}):
            raise ArgumentError(
                f"a metric is named {name!r}, and under that name the history keeps something else.",
                f"a name other than {', '.join(sorted(RESERVED))}, and than these and the metrics' with val_ before.",
                f"give it a name of your own in a tuple: metrics=[('my_{name}', {name})].",
            )
