"""The verb that measures: rows or tensors in, loss and metrics out."""

from collections.abc import Mapping
from typing import Any

from keraslike.data.loading import check_beside_loader, loading_of, refuse_beside_batches
from keraslike.data.plain import evaluation_batches, refuse_weights
from keraslike.data.sets import as_sets, parts_of
from keraslike.data.splits import is_plain_dict, split_of
from keraslike.data.weights import as_weights
from keraslike.engine.display import display
from keraslike.errors import ArgumentError, KeraslikeError
from keraslike.tasks.keeping import check_references
from keraslike.tasks.loaders import LoaderBatches, is_loader
from keraslike.tasks.verbs import TaskVerbs
from keraslike.tracking.progress import Progress

OF_DATA = ("text", "target", "sample_weight", "workers", "dataloader_kwargs")
"""The options of `evaluate` that say how the data are read."""

EXAMPLES = 32
"""Examples at once where there are no tokens to count."""


class MeasuringVerbs(TaskVerbs):
    """Measures loss and metrics, with a task or without."""

    def _evaluate(
        self, x: Any, y: Any, batch_size: int | None, verbose: Any, options: Mapping[str, Any], return_dict: bool | None
    ) -> Any:
        """Give loss and metrics, as a dict of floats or in Poutyne's forms; of several sets one dict."""
        sets = self._sets(x, y, options)
        if sets:
            _refuse_beside_sets(sets, y, options, return_dict)
            return self._evaluate_sets(sets, batch_size, verbose, options)
        is_dict = self.task is not None if return_dict is None else return_dict
        if is_dict:
            _refuse_beside_dict(options, has_task=self.task is not None)
        batches = self._measured_batches(x, y, batch_size, options)
        if is_dict:
            return self._as_dict(batches, verbose, options)
        return self.evaluate_generator(batches, verbose=verbose, **_for_poutyne(options))

    def _as_dict(self, batches: Any, verbose: Any, options: Mapping[str, Any]) -> dict[str, float]:
        """Measure batches; give plain floats by their plain names."""
        wants = {**_for_poutyne(options), "return_dict_format": True}
        values = self.evaluate_generator(batches, verbose=verbose, **wants)
        return {name.removeprefix("test_"): float(value) for name, value in values.items() if name != "time"}

    def _sets(self, x: Any, y: Any, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the several sets that x holds, or nothing."""
        if self.task is None:
            return as_sets(x, has_y=y is not None)
        columns = self._required_feed().with_columns(options.get("text"), options.get("target")).column_names
        has_columns = isinstance(x, Mapping) and not columns.isdisjoint(x)
        return (None if has_columns else self.task.sets(x)) or as_sets(x, columns)

    def _evaluate_sets(
        self, sets: Mapping[str, Any], batch_size: int | None, verbose: Any, options: Mapping[str, Any]
    ) -> dict[str, float]:
        """Measure one set after the other, once all have been read; errors and lines on the screen say which."""
        read = {name: self._set_batches(name, given, batch_size, options) for name, given in sets.items()}
        found: dict[str, float] = {}
        for name, batches in read.items():
            shown = display(verbose, options.get("progress_options"))
            for line in shown:
                if isinstance(line, Progress):
                    line.evaluation = f"Evaluation of {name}"
            callbacks = [*shown, *(options.get("callbacks") or [])]
            values = self._as_dict(batches, 0, {**options, "callbacks": callbacks, "progress_options": None})
            found |= {f"{name}_{metric}": value for metric, value in values.items()}
        return found

    def _set_batches(self, name: str, given: Any, batch_size: int | None, options: Mapping[str, Any]) -> Any:
        """Read one of several sets."""
        x, y, weight = parts_of(given)
        own = options if weight is None else {**options, "sample_weight": weight}
        try:
            return self._measured_batches(x, y, batch_size, own)
        except KeraslikeError as error:
            raise type(error)(f"in the set {name!r}: {error.what}", error.expected, error.do) from error

    def _measured_batches(self, x: Any, y: Any, batch_size: int | None, options: Mapping[str, Any]) -> Any:
        """Read the data of `evaluate`."""
        check_beside_loader(x, batch_size)
        weight, loading = options.get("sample_weight"), loading_of(options)
        if self.task is None:
            known: dict[str, Any] = {"network": self.network, "loading": loading}
            return evaluation_batches(x, y, weight, batch_size=int(batch_size or EXAMPLES), **known)
        self._required_blueprint().require()
        self._required_blueprint().warn_of_chance()
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
        rows = feed.read(x if y is not None or is_plain_dict(x) else split_of(self.task.open(x), "test"), y)
        check_references(self.task, self.row_metrics, rows)
        weights = None if weight is None else as_weights(weight, len(rows), self.network)
        is_sorted = not (options.get("steps") or options.get("return_pred") or self.sees_order)
        budget = self._token_budget() if is_sorted else None
        wants: dict[str, Any] = {"budget": budget, "sample_weight": weights, "has_notes": False}
        return feed.batches(rows, batch_size, is_measured=True, **wants)


def _for_poutyne(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the options that say how the data are read."""
    return {name: value for name, value in options.items() if name not in OF_DATA}


def _refuse_beside_sets(sets: Mapping[str, Any], y: Any, options: Mapping[str, Any], return_dict: bool | None) -> None:
    """Refuse what cannot be meant for several sets at once."""
    listed = ", ".join(map(repr, sets))
    for name, value in {"y": y, "sample_weight": options.get("sample_weight")}.items():
        if value is not None:
            raise ArgumentError(
                f"x holds several data sets ({listed}), and {name} is given.",
                f"{name} within each set.",
                f"write {{{next(iter(sets))!r}: (x, y{', sample_weight' * (name != 'y')}), ...}}.",
            )
    forms = [name for name in options if name.startswith("return_")]
    if return_dict is False or forms:
        raise ArgumentError(
            f"x holds several data sets ({listed}), and {forms[0] if forms else 'return_dict=False'} is given.",
            "one dict of floats, their names with that of the set before.",
            f"leave it out, or measure one set at a time: evaluate(x[{next(iter(sets))!r}], ...).",
        )


def _refuse_beside_dict(options: Mapping[str, Any], *, has_task: bool) -> None:
    """Refuse what asks for Poutyne's forms where a dict of floats is given."""
    forms = [name for name, value in options.items() if name.startswith("return_") and value]
    if forms:
        verbs = "predict_logits(x), or predict_proba(x)" if has_task else "predict(x)"
        raise ArgumentError(
            f"{forms[0]}=True is given, but evaluate gives a dict of floats here.",
            "nothing beside a dict; return_dict=False for what Poutyne gives.",
            f"for the outputs write {verbs}.",
        )
