"""The progress display: a live line per pass over the data, and one line that stays per epoch and evaluation."""

from collections.abc import Mapping
from typing import Any, TextIO

from poutyne import Callback

from keraslike.tracking.figures import figures_of, passing_line, rate, result_line
from keraslike.tracking.pace import Pace
from keraslike.tracking.screen import Screen, Verbose


class Progress(Callback):
    """Shows epoch, steps, losses, metrics, examples per second and time left while a model works.

    In a terminal one line is drawn over and over, cut to the terminal's width; a finished epoch or evaluation leaves
    one line, a prediction none. In a notebook the whole run is one output. A stream that is no terminal gets one line
    per epoch and evaluation.

    The figures of the live line are means over the batches that it was drawn for; those of the lines that stay are the
    epoch's own. Batches in between are not read, so that a GPU is not waited for. Time left and speed are those of the
    current pass over the data.

    Args:
        verbose: as in `Screen`.
        stream: as in `Screen`; None is what `sys.stdout` is when the run begins.

    Attributes:
        evaluation: what the line of an evaluation begins with; it says which, where there are several.

    Raises:
        ArgumentError: `verbose` is not known.

    Example:
        It works with a plain `poutyne.Model` too, whose own display is switched off:

        >>> import numpy as np, torch, poutyne
        >>> model = poutyne.Model(torch.nn.Linear(2, 1), "sgd", "mse", device="cpu")
        >>> x, y = np.ones((8, 2), dtype="float32"), np.ones((8, 1), dtype="float32")
        >>> _ = model.fit(x, y, epochs=2, verbose=False, callbacks=[Progress()])  # doctest: +ELLIPSIS
        Epoch 1/2  loss ...s  ... examples/s
        Epoch 2/2  loss ...s  ... examples/s
    """

    def __init__(self, verbose: Verbose = "auto", stream: TextIO | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped_calls_exclude does not reach super()
        self.verbose = verbose
        self.stream = stream
        self.evaluation = "Evaluation"
        self.screen = Screen(verbose, stream)
        self._pace = Pace("")
        self._training = self._pace

    def say(self, message: str) -> None:
        """Print one calm line, above the live one; nothing with `verbose=0`."""
        self.screen.say(message)

    def close(self) -> None:
        """End the live line; for whoever catches an exception in the middle of a run. Calling it twice is fine."""
        self.screen.close()

    def on_train_begin(self, logs: Mapping[str, Any]) -> None:
        """Look where the run is shown."""
        self._open()

    def on_epoch_begin(self, epoch_number: int, logs: Mapping[str, Any]) -> None:
        """Start an epoch's live line."""
        epochs = self._parameter("epochs")
        label = f"Epoch {epoch_number:>{len(str(epochs))}}/{epochs}" if epochs else f"Epoch {epoch_number}"
        self._training = self._pace = Pace(label, self._parameter("steps"))

    def on_train_batch_end(self, batch_number: int, logs: Mapping[str, Any]) -> None:
        """Draw the live line if it is time to."""
        self._step(logs)

    def on_valid_begin(self, logs: Mapping[str, Any]) -> None:
        """Start a validation's live line; the training's clock stands still."""
        self._pace = Pace(f"{self._training.label} validation", self._parameter("valid_steps"))

    def on_valid_batch_end(self, batch_number: int, logs: Mapping[str, Any]) -> None:
        """Draw the live line if it is time to."""
        self._step(logs, "val_")

    def on_valid_end(self, logs: Mapping[str, Any]) -> None:
        """Go on with the epoch's training, or with its end."""
        self._training.pause(self._pace.seconds)
        self._pace = self._training

    def on_epoch_end(self, epoch_number: int, logs: Mapping[str, Any]) -> None:
        """Leave the epoch's line."""
        self._keep(self._training, logs)

    def on_train_end(self, logs: Mapping[str, Any]) -> None:
        """End the run."""
        self.close()

    def on_test_begin(self, logs: Mapping[str, Any]) -> None:
        """Start an evaluation's live line."""
        self._open()
        self._pace = Pace(self.evaluation, self._parameter("steps"))

    def on_test_batch_end(self, batch_number: int, logs: Mapping[str, Any]) -> None:
        """Draw the live line if it is time to."""
        self._step(logs, "test_")

    def on_test_end(self, logs: Mapping[str, Any]) -> None:
        """Leave the evaluation's line."""
        self._keep(self._pace, logs, "test_")
        self.close()

    def on_predict_begin(self, logs: Mapping[str, Any]) -> None:
        """Start a prediction's live line, which shows only if the prediction takes more than half a second."""
        self._open()
        self.screen.wait(0.5)
        self._pace = Pace("Prediction", self._parameter("steps"))

    def on_predict_batch_end(self, batch_number: int, logs: Mapping[str, Any]) -> None:
        """Draw the live line if it is time to."""
        self._step(logs)

    def on_predict_end(self, logs: Mapping[str, Any]) -> None:
        """Take the prediction's line away."""
        self.close()

    def _open(self) -> None:
        self.screen.close()
        self.screen = Screen(self.verbose, self.stream)

    def _parameter(self, name: str) -> int | None:
        return (self.params or {}).get(name)

    def _step(self, logs: Mapping[str, Any], prefix: str = "") -> None:
        pace, screen = self._pace, self.screen
        examples = logs.get("size") or 0
        pace.step(examples)
        if not screen.is_due:
            return
        screen.draw(
            passing_line(
                pace.label,
                pace.mean(figures_of(logs, prefix), examples),
                pace.steps,
                pace.of_steps,
                pace.seconds,
                rate(pace.examples, pace.seconds),
                screen.width,
                screen.is_unicode,
            )
        )

    def _keep(self, pace: Pace, logs: Mapping[str, Any], prefix: str = "") -> None:
        figures = figures_of(logs, prefix)
        seconds = logs.get("time", pace.seconds)
        self.screen.say(result_line(pace.label, figures, seconds, rate(pace.examples, pace.seconds), self.screen.width))
