"""The fit verbs of Poutyne's contract: batches in, a history out."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from torch.utils.data import DataLoader

from keraslike.data.loading import loading_of
from keraslike.data.values import plain
from keraslike.engine.device import described
from keraslike.engine.display import Displayed, close, display, say
from keraslike.errors import ArgumentError
from keraslike.recipes.defaults import Recipe
from keraslike.recipes.micro_batches import MicroBatchSize, cutting_notes, plan_cutting
from keraslike.recipes.optimizer import check_steps, rate_put_back, set_rate_and_decay
from keraslike.recipes.planning import plan_run, schedule_notes
from keraslike.recipes.weighting import weighted_loss
from keraslike.tracking.history import History


class TrainingVerbs(Displayed):
    """Trains on batches, by a recipe.

    Attributes:
        history: the rows of all calls.
    """

    history: History
    _given: dict[str, Any]

    @property
    def _recipe(self) -> Recipe:
        raise NotImplementedError("Model says which recipe holds")

    def _notes(self, seed: int) -> list[str]:
        """Give the calm lines that are said before the first epoch, each once."""
        is_chosen = self._given["device"] == "auto" and str(self.device) != "cpu"
        lines = [f"Training on {described(self.device)}, chosen by itself, with seed {seed}."] if is_chosen else []
        return [*lines, *self._precision_notes()]

    def _remarks(self, shown: list[Any]) -> list[Any]:
        """Give the callback that says on the display what there is to remark after an epoch; none by default."""
        return []

    def _precision_notes(self) -> list[str]:
        """Give the line that says what is worth knowing of the precision."""
        return [] if self.precision.note is None else [f"{self.precision.name}: {self.precision.note}"]

    def fit_dataset(
        self,
        train_dataset: Any,
        valid_dataset: Any = None,
        *,
        batch_size: int = 32,
        num_workers: int = 0,
        collate_fn: Callable[..., Any] | None = None,
        dataloader_kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> History:
        """Train on a torch Dataset of pairs `(x, y)`, as Poutyne does; further arguments as in `fit_generator`."""
        arguments: dict[str, Any] = {"batch_size": batch_size, "num_workers": num_workers, "collate_fn": collate_fn}
        arguments |= loading_of({"workers": num_workers, "dataloader_kwargs": dataloader_kwargs})
        train = DataLoader(train_dataset, **{"shuffle": True, **arguments})
        valid = None if valid_dataset is None else DataLoader(valid_dataset, **arguments)
        history: History = self.fit_generator(train, valid, **options)
        return history

    def _train(
        self,
        batches: Any,
        valid_batches: Any,
        callbacks: Sequence[Any] | None,
        seed: int,
        verbose: Any,
        options: dict[str, Any],
        *,
        epochs: int | None,
        micro_batch_size: MicroBatchSize,
        learning_rate: float | None,
        class_weight: Any,
    ) -> History:
        """Train on batches; the random state is seeded already."""
        if self.optimizer is None:
            raise ArgumentError("Impossible to fit when optimizer is None.", "an optimizer.", 'give optimizer="auto".')
        if self.loss_function is None:
            raise ArgumentError("Impossible to fit without a loss.", "a loss.", 'give loss_function="cross_entropy".')
        check_steps(self.optimizer)
        shown = display(verbose, options.get("progress_options"))
        history, micro_batch_size = History(seed=seed), plain(micro_batch_size)
        cutting = plan_cutting(self, micro_batch_size, lambda line: say(shown, [line]))
        both, listed = (batches, valid_batches), [*shown, *self._remarks(shown), *(callbacks or [])]
        before = len(self.history)
        run = plan_run(*both, listed, history, self._recipe, epochs, cutting, options, epochs_before=before)
        self.training_loss = weighted_loss(self, class_weight, batches, getattr(self, "labels", None))
        say(shown, [*self._notes(seed), *schedule_notes(run, self._recipe, options, callbacks or [])])
        say(shown, cutting_notes(self, micro_batch_size))
        set_rate_and_decay(self.optimizer, learning_rate, options.get("weight_decay"))
        try:
            with rate_put_back(self.optimizer) if run.schedule is not None else nullcontext():
                self.train_run(run)
        finally:
            self.training_loss, self.history = None, self.history + history
            close(shown)
        return history
