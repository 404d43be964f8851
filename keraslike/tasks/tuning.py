"""The verb that finds the threshold from which on a label is given."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keraslike.calling import did_you_mean, parameters_of
from keraslike.engine.display import display
from keraslike.engine.prediction import predict_batches
from keraslike.errors import ArgumentError, DataError
from keraslike.tasks.best_threshold import find_threshold
from keraslike.tasks.loaders import is_loader
from keraslike.tasks.measuring import MeasuringVerbs
from keraslike.tasks.thresholds import require_two_sided, shown


class TuningVerbs(MeasuringVerbs):
    """Finds thresholds."""

    def tune_threshold(
        self,
        x: Any,
        y: Any = None,
        *,
        metric: Any = "f1",
        per_label: bool = False,
        batch_size: int | None = None,
        verbose: Any = 0,
        **misspelt: Any,
    ) -> Any:
        """Find the probability from which on a label is best given, and keep it for `predict` and the saved directory.

        Every threshold is tried that tells these rows' probabilities apart; of equally good ones it is the nearest to
        0.5. Take rows that the model has not learned from. It holds until the next tuning; `predict(x, threshold=0.5)`
        answers as before, and `model.task.threshold = None` forgets it. The metrics of `evaluate` read the logits, as
        ever; those that compare decoded rows see what `predict` gives.

        Args:
            x: as in `evaluate`, but no loader.
            y: as in `evaluate`.
            metric: what is to be highest: "f1" (of the second of two classes; of several labels their mean),
                "f1_micro", "accuracy" and others that compare classes, or a function `(y_true, y_pred)` of zeros and
                ones, such as `sklearn.metrics.matthews_corrcoef`.
            per_label: whether each of several labels gets a threshold of its own, by the metric of that label alone.
            batch_size: as in `evaluate`.
            verbose: as in `fit`; silent by default.
            misspelt: what is no argument; it is refused.

        Returns:
            The threshold; with `per_label` a dict of them by label. Of two classes it is that of the second one.

        Raises:
            ArgumentError: the model gives numbers, or one of more than two classes; or there is no such metric, or y.
            DataError: of two classes all rows have the same one.
            NotFittedError: the network is not built yet.
        """
        _refuse_misspelt(misspelt)
        task: Any = self._required_task()
        self._required_blueprint().require()
        require_two_sided(task)
        if is_loader(x):
            raise ArgumentError(
                "tune_threshold was given a loader.", "rows, as lists or a data set.", "give x and y as to predict."
            )
        try:
            batches = self._measured_batches(x, y, batch_size, {})
        except DataError as error:
            do = error.do and error.do.replace("y: fit(", "y: tune_threshold(")
            raise DataError(error.what, error.expected, do) from error
        outputs = predict_batches(self, batches, task.predict_batch, display(verbose, None))
        targets = np.stack([feature["target"] for feature in batches.features])
        task.threshold = find_threshold(task, outputs, targets, metric, per_label=per_label)
        found = shown(task.threshold, task.labels.names)
        return dict(zip(task.labels.names, task.threshold.at, strict=True)) if per_label else found


def _refuse_misspelt(given: Mapping[str, Any]) -> None:
    known = parameters_of(TuningVerbs.tune_threshold)
    for name in given:
        raise ArgumentError(
            f"tune_threshold() has no argument {name!r}.", f"one of {', '.join(known)}.", did_you_mean(name, known)
        )
