"""What kinds of targets there are, and the answer to a metric that has no meaning for them."""

from collections.abc import Collection

from keraslike.errors import ArgumentError
from keraslike.metrics.reading import MULTI_LABEL, REGRESSION, SINGLE_LABEL, Reading

TWO = "two classes"
MORE = "more than two classes"
LABELS = "several labels for each row"
VALUE = "values (floats)"
VALUES = "several values for each row"

CLASSES = frozenset({TWO, MORE})
OF_CLASSES = frozenset({TWO, MORE, LABELS})
OF_VALUES = frozenset({VALUE, VALUES})
OF_COLUMNS = frozenset({LABELS, VALUES})
EVERY_KIND = OF_CLASSES | OF_VALUES

_POSSIBLE = {SINGLE_LABEL: CLASSES, MULTI_LABEL: frozenset({TWO, LABELS}), REGRESSION: OF_VALUES}
_WANTED = {
    frozenset({TWO}): "compares two classes",
    frozenset({MORE}): "compares more than two classes",
    CLASSES: "compares classes, one for each row",
    frozenset({LABELS}): "compares several labels for each row",
    frozenset({TWO, LABELS}): "compares labels that are there or not",
    OF_CLASSES: "compares classes",
    frozenset({VALUE}): "compares one value for each row",
    frozenset({VALUES}): "compares several values for each row",
    OF_VALUES: "compares values",
    OF_COLUMNS: "compares the order of several numbers for each row",
}
_FOUND = {CLASSES: "classes", frozenset({TWO, LABELS}): "labels", OF_VALUES: VALUE}
_INSTEAD = {
    TWO: "'accuracy', 'f1' or 'roc_auc'",
    MORE: "'accuracy', 'f1_macro' or 'roc_auc'",
    LABELS: "'accuracy', 'f1_macro' or 'hamming_loss'",
    VALUE: "'r2', 'pearson' or 'mae'",
    VALUES: "'r2', 'pearson' or 'mae'",
}


def possible_kinds(problem_type: str | None) -> frozenset[str]:
    """Give the kinds of targets that a problem may turn out to have; every one where it is not known.

    Example:
        >>> sorted(possible_kinds("regression"))
        ['several values for each row', 'values (floats)']
    """
    return EVERY_KIND if problem_type is None else _POSSIBLE.get(problem_type, EVERY_KIND)


def kind_of(reading: Reading) -> str:
    """Give the kind of a batch's targets; one label that is there or not makes two classes.

    Example:
        >>> import torch
        >>> kind_of(Reading(torch.zeros(4, 3), torch.zeros(4), "single_label_classification"))
        'more than two classes'
    """
    logits, targets, problem_type = reading
    if problem_type == SINGLE_LABEL:
        return MORE if logits.shape[1] > 2 else TWO
    if problem_type == MULTI_LABEL:
        return TWO if targets.dim() == 1 else LABELS
    return VALUE if targets.dim() == 1 else VALUES


def refuse_kinds(name: str, suits: frozenset[str], found: Collection[str], do: str | None = None) -> None:
    """Answer a metric that has no meaning for the targets.

    Args:
        name: the metric's.
        suits: the kinds that it has a meaning for.
        found: the kinds that the targets may be.
        do: what to do about it, where more is known than the names of other metrics.

    Raises:
        ArgumentError: no kind is in both.
    """
    if not suits.isdisjoint(found):
        return
    shown = _FOUND.get(frozenset(found), next(iter(found)))
    instead = next(names for kind, names in _INSTEAD.items() if kind in found)
    family = "values" if OF_VALUES.issuperset(found) else "classes"
    raise ArgumentError(
        f"The metric {name!r} {_WANTED.get(frozenset(suits), 'compares something else')}, but the targets are {shown}.",
        f"a metric of {family}, such as {instead}; or other targets.",
        do or "a function of your own of (y_true, y_pred), if these numbers can be compared that way after all.",
    )
