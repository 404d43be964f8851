"""The fit verbs of Poutyne's contract: batches in, a history out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader

from keraslike.data.loading import USUAL_BATCH_SIZE, check_beside_loader, loading_of
from keraslike.data.values import plain
from keraslike.engine.determinism import deterministic
from keraslike.engine.device import described
from keraslike.engine.display import Displayed, close, display, say
from keraslike.engine.early_stop import EarlyStop
from keraslike.engine.run import Run
from keraslike.errors import ArgumentError
from keraslike.recipes.adapting import begin_lora
from keraslike.recipes.arranging import arranged
from keraslike.recipes.defaults import Recipe
from keraslike.recipes.draws import follow
from keraslike.recipes.early_stop import plan_early_stop
from keraslike.recipes.micro_batches import MicroBatchSize, cutting_notes, plan_cutting
from keraslike.recipes.optimizer import check_steps
from keraslike.recipes.other_tools import chosen_recipe, optimizer_of
from keraslike.recipes.planning import plan_run, schedule_notes
from keraslike.recipes.refusing import undone_if_refused
from keraslike.recipes.schedule import refuse_rate_beside
from keraslike.recipes.smoothing import smoothed_loss
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

    def _batch_size(self, x: Any, batch_size: int | None, options: dict[str, Any]) -> int:
        """Give the examples per optimizer step: the user's word, else the recipe's; a loader has its own."""
        check_beside_loader(x, batch_size)
        recipe = chosen_recipe(options.get("recipe"), self._recipe)
        usual = USUAL_BATCH_SIZE if isinstance(x, DataLoader) else recipe.batch_size
        return int(batch_size or usual)

    def _recipe_of_run(self, options: dict[str, Any]) -> Recipe:
        """Check that there is what a run needs, and give its recipe, whose optimizer takes the place of "auto"."""
        if self.optimizer is None:
            raise ArgumentError("Impossible to fit when optimizer is None.", "an optimizer.", 'give optimizer="auto".')
        if self.loss_function is None:
            raise ArgumentError("Impossible to fit without a loss.", "a loss.", 'give loss_function="cross_entropy".')
        check_steps(self.optimizer)
        recipe = chosen_recipe(options.get("recipe"), self._recipe)
        if options.get("recipe") is not None and self._given["optimizer"] == "auto":
            self.optimizer = optimizer_of(recipe, self.optimizer, self.network)
        return recipe

    def _notes(self, seed: int) -> list[str]:
        """Give the calm lines that are said before the first epoch, each once."""
        is_chosen = self._given["device"] == "auto" and str(self.device) != "cpu"
        lines = [f"Training on {described(self.device)}, chosen by itself, with seed {seed}."] if is_chosen else []
        return [*lines, *self._precision_notes()]

    def _remarks(self, shown: list[Any]) -> list[Any]:
        """Give the callback that says on the display what there is to remark after an epoch; none by default."""
        return []

    def _planned_stop(self, early_stop: Any, valid_batches: Any) -> EarlyStop | None:
        """Give what looks at the validations, with their values by name."""
        of_rows = [metric.name for metric in getattr(self, "row_metrics", [])]
        names = [f"val_{name}" for name in ("loss", *self.metrics_names, *of_rows)]
        has_validation = valid_batches is not None
        return plan_early_stop(early_stop, names, has_validation=has_validation, has_further=self.may_name_scalars)

    def _annealing(self, schedule: Any, valid_batches: Any) -> list[Any]:
        """Give the callback that `schedule="plateau"` means; a room that knows callbacks does."""
        return []

    def _precision_notes(self) -> list[str]:
        """Give the line that says what is worth knowing of the precision."""
        return [] if self.precision.note is None else [f"{self.precision.name}: {self.precision.note}"]

    def fit_dataset(
        self,
        train_dataset: Any,
        valid_dataset: Any = None,
        *,
        batch_size: int | None = None,
        num_workers: int = 0,
        collate_fn: Callable[..., Any] | None = None,
        dataloader_kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> History:
        """Train on a torch Dataset of pairs `(x, y)`, as Poutyne does; further arguments as in `fit_generator`."""
        size = self._batch_size(train_dataset, batch_size, options)
        arguments: dict[str, Any] = {"batch_size": size, "num_workers": num_workers, "collate_fn": collate_fn}
        arguments |= loading_of({"workers": num_workers, "dataloader_kwargs": dataloader_kwargs})
        train = DataLoader(train_dataset, **{"shuffle": True, **arguments})
        valid = None if valid_dataset is None else DataLoader(valid_dataset, **arguments)
        history: History = self.fit_generator(train, valid, **options)
        return history

    @undone_if_refused
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
        learning_rate: float | dict[str, float] | None,
        class_weight: Any,
        early_stop: Any,
    ) -> History:
        """Train on batches; the random state is seeded already."""
        recipe = self._recipe_of_run(options)
        shown = display(verbose, options.get("progress_options"))
        history, micro_batch_size = History(seed=seed), plain(micro_batch_size)
        cutting = plan_cutting(self, micro_batch_size, lambda line: say(shown, [line]))
        both, listed = (batches, valid_batches), [*shown, *self._remarks(shown), *(callbacks or [])]
        listed += self._annealing(options.get("schedule"), valid_batches)
        refuse_rate_beside(options.get("schedule"), learning_rate)
        before = len(self.history)
        stop = self._planned_stop(early_stop, valid_batches)
        run = plan_run(*both, listed, history, recipe, epochs, cutting, options, epochs_before=before, early_stop=stop)
        weighted = weighted_loss(self, class_weight, batches, getattr(self, "labels", None))
        try:
            self.training_loss = smoothed_loss(self.loss_function, weighted, options.get("label_smoothing"))
            of_lora = begin_lora(self.network)
            say(shown, [*self._notes(seed), *of_lora])
            say(shown, schedule_notes(run, recipe, options, callbacks or []) or _length_notes(run))
            say(shown, [*cutting_notes(self, micro_batch_size), *_notes_of_own_loss(self, class_weight, options)])
            follow(recipe.draws, run, seed)
            exactly = deterministic(options.get("deterministic"), self.device)
            with exactly, arranged(self, run, learning_rate, options, lambda lines: say(shown, lines)):
                self.train_run(run)
        finally:
            self.training_loss, self.history = None, self.history + history
            close(shown)
        return history


def _notes_of_own_loss(model: Any, class_weight: Any, options: dict[str, Any]) -> list[str]:
    """Give the line for weights and smoothing that an own `compute_loss` may not know of."""
    given = {"class_weight": class_weight, "label_smoothing": options.get("label_smoothing")}
    names = [f"{name}=" for name, value in given.items() if value is not None]
    hows = [f"{' and '.join(names)} by super().compute_loss alone"] if names else []
    hows += ["sample_weight= as batch.weight"] if options.get("sample_weight") is not None else []
    return [f"compute_loss is the model's own, and gets {', '.join(hows)}."] if model.has_own_loss and hows else []


def _length_notes(run: Run) -> list[str]:
    """Give the line for a run of nothing, or for a generator that may have no end, and never ends an epoch."""
    if run.epochs is not None and run.epochs < run.initial_epoch:
        last, first = run.epochs, run.initial_epoch
        return [f"Nothing to train: epochs={last} is the number of the last epoch, and initial_epoch={first} is later."]
    is_told = run.steps_per_epoch is not None or run.updates is not None or run.clock is not None
    if is_told or not isinstance(run.batches, Iterator):
        return []
    return ["The data have no length: an epoch ends where they do. Of endless ones give steps_per_epoch= or updates=."]
