"""`Model`: fit, evaluate, predict. The facade, which knows rooms, not libraries."""

import os
from collections.abc import Sequence
from typing import Any, Unpack

from keraslike.calling import parameters_of
from keraslike.checks import check_bound, check_callbacks, check_early, check_numbers, check_options, missing_attribute
from keraslike.data.plain import plain_batches, prediction_batches
from keraslike.engine.random_state import draw_seed, seeded
from keraslike.recipes import PREDICT_OPTIONS, EvaluateOptions, FitOptions, MicroBatchSize, as_lora
from keraslike.tasks import as_task
from keraslike.tasks.assembling import AssemblingVerbs
from keraslike.tasks.blueprint import UNBUILT, Blueprint
from keraslike.tasks.feed import Feed
from keraslike.tasks.network import as_network
from keraslike.tracking.history import History


class Model(AssemblingVerbs):
    """A network that is trained, measured and asked in one line each; it is a `poutyne.Model`.

    Args:
        network: a model's name or local directory (with a task), a `PreTrainedModel`, or any `nn.Module`.
        optimizer: "auto" (AdamW: 5e-5 for transformers, 1e-3 for other networks; biases and norms do not decay), a name
            such as "sgd", a dict such as `{"optim": "sgd", "lr": 0.1}`, a torch optimizer, or None.
        loss_function: "auto" (the task's; the head's own for a transformer without a task), a name such as
            "cross_entropy", a loss object, a function `(y_pred, y_true)`, or None.
        task: what the network is for: "text-classification", a task object with options of its own, or None for
            Poutyne's contract of tensors in, tensors out.
        labels: the labels, where they are not to be learned from the data; the network is then built at once.
        tokenizer: a tokenizer, or the name or directory of one; default: the network's own.
        max_length: tokens that a text is cut at; default: the model's limit.
        metrics: names ("accuracy", "f1_macro", "pearson", ...), scikit-learn functions, torchmetrics objects or
            functions, computed over the whole epoch, as fractions from 0 to 1; default: those that suit the task.
        batch_metrics: Poutyne's batch metrics (their accuracy is in percent).
        epoch_metrics: Poutyne's epoch metrics.
        device: "auto" (an accelerator where there is one), a string, an int, a `torch.device`, Poutyne's list of GPUs,
            or None to leave the network where it is.
        precision: "auto" (bf16 for a transformer on an accelerator that has it, else float32), "float32", "bf16" or
            "fp16".
        gradient_checkpointing: whether activations are computed twice instead of kept; the weights are the same.
        lora: the rank of LoRA's matrices, which learn in the body's place, a dict of the arguments of peft's
            `LoraConfig`, or one; needs the extra `peft`.

    Raises:
        ArgumentError: an argument is misspelt or does not fit.
        LoadError: the model cannot be found or read.

    Example:
        >>> import torch
        >>> model = Model(torch.nn.Linear(1, 1), "sgd", "mse", device="cpu")
        >>> history = model.fit([[1.0], [2.0]], [[2.0], [4.0]], epochs=2, verbose=0)
        >>> [row["epoch"] for row in history]
        [1, 2]
    """

    def __init__(
        self,
        network: Any,
        optimizer: Any = "auto",
        loss_function: Any = "auto",
        *,
        task: Any = None,
        labels: Sequence[Any] | None = None,
        tokenizer: Any = None,
        max_length: int | None = None,
        metrics: Sequence[Any] | None = None,
        batch_metrics: Sequence[Any] | None = None,
        epoch_metrics: Sequence[Any] | None = None,
        device: Any = "auto",
        precision: Any = "auto",
        gradient_checkpointing: bool = False,
        lora: Any = None,
        **misspelt: Any,
    ) -> None:
        check_options(misspelt, (), "Model", parameters_of(Model.__init__))
        self.history = History()
        self.task = as_task(task, labels)
        self._lora = as_lora(lora)
        self._given = {"optimizer": optimizer, "loss_function": loss_function, "metrics": metrics}
        self._given |= {"batch_metrics": batch_metrics, "epoch_metrics": epoch_metrics, "device": device}
        self._given |= {"precision": precision, "gradient_checkpointing": gradient_checkpointing}
        self._feed = None
        self._blueprint = None
        if self.task is None:
            self._assemble(as_network(network, optimizer))
            return
        self._feed = Feed(self.task)
        self._blueprint = Blueprint(self.task, network, tokenizer, max_length)
        early = self._blueprint.build_early()
        if early is not None:
            self._assemble(early)
        else:
            check_early(network, optimizer, device)

    def __getattr__(self, name: str) -> Any:
        if name in UNBUILT and vars(self).get("_blueprint") is not None:
            vars(self)["_blueprint"].require(name)
        raise missing_attribute(type(self), name)

    def __repr__(self) -> str:
        network = type(vars(self).get("_bare")).__name__ if "_bare" in vars(self) else "not built yet"
        return f"<{type(self).__name__}: {network}, task {self.task.name if self.task else None}>"

    # fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        validation_data: Any = None,
        *,
        validation_split: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        micro_batch_size: MicroBatchSize = "auto",
        learning_rate: float | dict[str, float] | None = None,
        early_stop: int | dict[str, Any] | None = None,
        class_weight: Any = None,
        callbacks: Sequence[Any] | None = None,
        seed: int | None = None,
        verbose: Any = "auto",
        **options: Unpack[FitOptions],
    ) -> History:
        """Train the network.

        Args:
            x: with a task: a list of texts, of pairs or of dicts, a dict of columns, a numpy array, a pandas, polars or
                Arrow table, a `datasets` Dataset or DatasetDict, a torch Dataset, a generator of rows, a DataLoader, or
                the path of a .csv, .tsv, .json, .jsonl or .parquet file. Without: arrays or tensors, or a tuple, list
                or dict of them, a torch Dataset, or a DataLoader or generator of pairs `(x, y)`.
            y: the targets, where x does not hold them.
            validation_data: `(x, y)`, or what x may be; measured after each epoch.
            validation_split: the share of the rows that validates instead, drawn by the seed, stratified by class.
            epochs: the number of the last epoch. Default: 3 with a task, 1 without.
            batch_size: examples per optimizer step. Default: 16 with a task, 32 without, or the recipe's.
            micro_batch_size: examples that go through the network at once; fewer than `batch_size` save memory and
                change nothing else: the gradient is that of the whole batch. "auto" cuts a batch of texts by length
                where that saves padding, None never. Where memory runs out, batches are cut smaller by themselves.
            learning_rate: the highest rate, or `{"body": 2e-5, "head": 1e-3}`. Default: 5e-5 for transformers.
            early_stop: so many validations in a row may be no better than the best one; then training ends, and in any
                case the best weights are put back. Or a dict with `monitor`, `mode`, `patience`, `min_delta`.
            class_weight: how much each label counts in the training loss: "balanced" (rare ones more), a dict by label,
                or a list in the order of `labels`.
            callbacks: Poutyne's callbacks, or your own derived from `poutyne.Callback`.
            seed: governs head, order and dropout; the same seed gives the same weights. Default: drawn from torch's
                generator and kept in the history. The caller's random state is put back at the end.
            verbose: "auto" (a live line in a terminal or notebook, else one line per epoch), 0 (silent), 1 or 2.
            options: the rarer arguments, see `FitOptions`.

        Returns:
            This call's rows, one dict per epoch; `model.history` has those of all calls.

        Raises:
            ArgumentError: an argument is misspelt or does not fit.
            DataError: the data cannot be read, or x and y do not fit together.
        """
        check_options(options, FitOptions.__annotations__, "fit", parameters_of(Model.fit))
        chosen: dict[str, Any] = {"epochs": epochs, "micro_batch_size": micro_batch_size}
        chosen |= {"learning_rate": learning_rate, "early_stop": early_stop, "class_weight": class_weight}
        check_numbers({**chosen, "batch_size": batch_size, "seed": seed, **options})
        seed = draw_seed() if seed is None else int(seed)
        with seeded(seed):
            data = (x, y, validation_data, validation_split, self._batch_size(x, batch_size, dict(options)), seed)
            if self.task is None:
                batches, valid_batches = plain_batches(*data, network=self.network, options=dict(options))
            else:
                check_bound(None, None if "network" in vars(self) else callbacks)
                batches, valid_batches = self._task_batches(*data, options={**options, "class_weight": class_weight})
            known: dict[str, Any] = {
                "has_further": self.may_name_scalars,
                "of_rows": [m.name for m in self.row_metrics],
            }
            callbacks = check_callbacks(callbacks, self.metrics_names, valid_batches is not None, **known)
            return self._train(batches, valid_batches, callbacks, seed, verbose, dict(options), **chosen)

    def fit_generator(
        self,
        train_generator: Any,
        valid_generator: Any = None,
        *,
        epochs: int | None = None,
        micro_batch_size: MicroBatchSize = "auto",
        learning_rate: float | dict[str, float] | None = None,
        early_stop: int | dict[str, Any] | None = None,
        class_weight: Any = None,
        callbacks: Sequence[Any] | None = None,
        seed: int | None = None,
        verbose: Any = "auto",
        **options: Unpack[FitOptions],
    ) -> History:
        """Train on a generator or DataLoader of pairs `(x, y)`, as Poutyne does; arguments as in `fit`.

        Raises:
            ValueError: the model has no optimizer.
        """
        check_options(options, FitOptions.__annotations__, "fit_generator", parameters_of(Model.fit_generator))
        chosen: dict[str, Any] = {"epochs": epochs, "micro_batch_size": micro_batch_size}
        chosen |= {"learning_rate": learning_rate, "early_stop": early_stop, "class_weight": class_weight}
        check_numbers({**chosen, "seed": seed, **options})
        seed = draw_seed() if seed is None else int(seed)
        callbacks = check_callbacks(
            callbacks, self.metrics_names, valid_generator is not None, has_further=self.may_name_scalars
        )
        with seeded(seed):
            return self._train(train_generator, valid_generator, callbacks, seed, verbose, dict(options), **chosen)

    # evaluate and predict

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int | None = None,
        return_dict: bool | None = None,
        verbose: Any = "auto",
        **options: Unpack[EvaluateOptions],
    ) -> Any:
        """Measure loss and metrics.

        Args:
            x: as in `fit`; or several sets by name, `{"matched": a, "mismatched": (x, y)}`, see `data.sets.as_sets`.
            y: as in `fit`.
            batch_size: examples that go through the network at once, at most; it changes no result. Default: with a
                task as many as a budget of tokens allows, else 32.
            return_dict: whether a dict is given. Default: with a task.
            verbose: as in `fit`.
            options: the rarer arguments, see `EvaluateOptions`.

        Returns:
            With a task, or `return_dict=True`, a dict of floats by name ("loss", "accuracy", ...); of several sets one
            dict ("matched_loss", "matched_accuracy", ...). Else what Poutyne gives: `(loss, metrics)`.

        Raises:
            NotFittedError: the network is not built yet.
            DataError: the data cannot be read, or x and y do not fit together.
        """
        check_options(options, EvaluateOptions.__annotations__, "evaluate", parameters_of(Model.evaluate))
        check_numbers({"batch_size": batch_size, "steps": options.get("steps")})
        return self._evaluate(x, y, batch_size, verbose, options, return_dict)

    def predict(self, x: Any, *, batch_size: int | None = None, verbose: Any = 0, **options: Any) -> Any:
        """Give an answer for every row.

        Args:
            x: what `fit` takes, without targets; with a task also one text (`str`), or a `Path` to a file.
            batch_size: as in `evaluate`.
            verbose: as in `fit`; silent by default.
            options: `threshold`, the probability from which on a label is given (one, a dict by label, or a list), of
                two classes or several labels; without a task Poutyne's (callbacks, convert_to_numpy, progress_options).

        Returns:
            With a task a list of the user's own labels (a list of lists where a text has several; one label for one
            text), or a numpy array of numbers for a regression. Without a task the outputs as numpy arrays.

        Raises:
            NotFittedError: the network is not built yet.
        """
        check_numbers({"batch_size": batch_size})
        if self.task is not None or "threshold" in options:
            check_options(options, ("threshold",), "predict", parameters_of(Model.predict))
            return self._predict_rows(x, batch_size, verbose, options.get("threshold"))
        check_options(options, PREDICT_OPTIONS, "predict", parameters_of(Model.predict))
        batches = prediction_batches(x, batch_size=batch_size, network=self.network)
        return self.predict_generator(batches, verbose=verbose, **options)


def load(directory: str | os.PathLike[str], **arguments: Any) -> Model:
    """Read a model that `Model.save` wrote; arguments as in `Model.load`."""
    return Model.load(directory, **arguments)
