"""The verb that measures: rows or tensors in, loss and metrics out."""

from collections.abc import Mapping
from typing import Any

from keraslike.data.loading import loading_of
from keraslike.data.plain import evaluation_batches, refuse_weights
from keraslike.data.splits import split_of
from keraslike.data.weights import as_weights
from keraslike.errors import ArgumentError
from keraslike.tasks.loaders import LoaderBatches, is_loader
from keraslike.tasks.verbs import TaskVerbs, refuse_beside_batches

OF_DATA = ("text", "target", "sample_weight", "workers", "dataloader_kwargs")
"""The options of `evaluate` that say how the data are read."""

EXAMPLES = 32
"""Examples at once where there are no tokens to count."""


class MeasuringVerbs(TaskVerbs):
    """Measures loss and metrics, with a task or without."""

    def _evaluate(
        self, x: Any, y: Any, batch_size: int | None, verbose: Any, options: Mapping[str, Any], *, as_dict: bool
    ) -> Any:
        """Give loss and metrics, as a dict of floats or in Poutyne's forms."""
        batches = self._measured_batches(x, y, batch_size, options)
        wants = {name: value for name, value in options.items() if name not in OF_DATA}
        if not as_dict:
            return self.evaluate_generator(batches, verbose=verbose, **wants)
        values = self.evaluate_generator(batches, verbose=verbose, **{**wants, "return_dict_format": True})
        return {name.removeprefix("test_"): float(value) for name, value in values.items() if name != "time"}

    def _measured_batches(self, x: Any, y: Any, batch_size: int | None, options: Mapping[str, Any]) -> Any:
        """Read the data of `evaluate`."""
        weight, loading = options.get("sample_weight"), loading_of(options)
        if self.task is None:
            known: dict[str, Any] = {"network": self.network, "loading": loading}
            return evaluation_batches(x, y, weight, batch_size=batch_size or EXAMPLES, **known)
        self._required_blueprint().require()
        if loading:
            raise ArgumentError(
                "workers= and dataloader_kwargs= are given, but with a task evaluate makes its batches itself.",
                "neither with a task.",
                "leave them out.",
            )
        feed = self._required_feed().with_columns(options.get("text"), options.get("target"))
        if is_loader(x):
            refuse_beside_batches(x, y=y)
            refuse_weights(x, weight)
            return LoaderBatches(x, feed)
        rows = feed.read(split_of(x, "test") if y is None else x, y)
        weights = None if weight is None else as_weights(weight, len(rows), self.network)
        is_sorted = not (options.get("steps") or options.get("return_pred") or self.sees_order)
        budget = self._token_budget() if is_sorted else None
        wants: dict[str, Any] = {"budget": budget, "sample_weight": weights, "has_notes": False}
        return feed.batches(rows, batch_size, is_measured=True, **wants)
