"""`name_in_logs`: what a metric is called where its values are shown."""

from functools import partial
from typing import Any

from poutyne import get_names_of_metric


def name_in_logs(metric: Any) -> str | list[str]:
    """Give a metric's name, its function's also behind a `partial`, its class's in snake case; names where it has many.

    Example:
        >>> name_in_logs(partial(sorted, reverse=True))
        'sorted'
    """
    while isinstance(metric, partial) and not hasattr(metric, "__name__"):
        metric = metric.func
    names: str | list[str] = get_names_of_metric(metric)[0]
    return names
