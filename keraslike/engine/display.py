"""Poutyne's verbs with a display that is calm: ours, or Poutyne's where `progress_options` are given."""

from typing import Any

from poutyne import ProgressionCallback

from keraslike.engine.bridge import Engine
from keraslike.engine.prediction import predict_as_poutyne
from keraslike.engine.random_state import kept
from keraslike.tracking.progress import Progress
from keraslike.tracking.screen import Screen


def display(verbose: Any, progress_options: dict[str, Any] | None) -> list[Any]:
    """Give the display as a list of no or one callback."""
    if verbose is False or verbose == 0:
        return []
    return [Progress(verbose)] if progress_options is None else [ProgressionCallback(**progress_options)]


def say(shown: list[Any], lines: list[str]) -> None:
    """Print calm lines, unless nothing is shown; beside Poutyne's display as plain lines."""
    for callback in shown:
        speaker = callback if isinstance(callback, Progress) else Screen()
        for line in lines:
            speaker.say(line)


def close(shown: list[Any]) -> None:
    """End a display, also in the middle of a run that an exception ended."""
    for callback in shown:
        if isinstance(callback, Progress):
            callback.close()


class Displayed(Engine):
    """Evaluates and predicts from generators as Poutyne does, in our display, leaving the random state."""

    def evaluate_generator(
        self,
        generator: Any,
        *,
        verbose: Any = "auto",
        progress_options: dict[str, Any] | None = None,
        callbacks: list[Any] | None = None,
        **options: Any,
    ) -> Any:
        """Measure loss and metrics on a generator of pairs `(x, y)`.

        Args:
            generator: yields batches.
            verbose: as in `fit`.
            progress_options: as in `fit`.
            callbacks: Poutyne's callbacks.
            options: Poutyne's further arguments (steps, return_pred, return_ground_truth, return_dict_format, ...).

        Returns:
            What Poutyne gives: `(loss, metrics)`, or a dict with `return_dict_format=True`.
        """
        shown = display(verbose, progress_options)
        with kept(), self.books_aside(), self.sums_forgotten_on_error():
            answer: Any = super().evaluate_generator(
                generator, verbose=False, callbacks=[*shown, *(callbacks or [])], **options
            )
            scalars = self.take_scalars()
        if options.get("return_dict_format"):
            logs: Any = answer[0] if isinstance(answer, tuple) else answer
            logs.update({f"test_{name}": value for name, value in scalars.items()})
        return answer

    def predict_generator(
        self,
        generator: Any,
        *,
        verbose: Any = "auto",
        progress_options: dict[str, Any] | None = None,
        callbacks: list[Any] | None = None,
        **options: Any,
    ) -> Any:
        """Give the network's outputs for a generator of inputs.

        Args:
            generator: yields batches of inputs, or pairs with `has_ground_truth=True`.
            verbose: as in `fit`.
            progress_options: as in `fit`.
            callbacks: Poutyne's callbacks.
            options: Poutyne's further arguments (steps, has_ground_truth, concatenate_returns, ...).

        Returns:
            What Poutyne gives: the outputs in their own structure, as numpy arrays.
        """
        shown = display(verbose, progress_options)
        with kept():
            return predict_as_poutyne(self, generator, [*shown, *(callbacks or [])], **options)
