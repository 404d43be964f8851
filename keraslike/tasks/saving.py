"""Saves a model with a task, and loads it: one directory that transformers, keraslike and `cat` read."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Never, Self

from keraslike.calling import did_you_mean, parameters_of
from keraslike.checkpoint import given_again, manifest_of, read_manifest, write_directory
from keraslike.errors import ArgumentError
from keraslike.recipes.merging import merged, save_adapter
from keraslike.tasks.naming import task_from_state
from keraslike.tasks.network import is_pretrained
from keraslike.tasks.tuning import TuningVerbs


class SavingVerbs(TuningVerbs):
    """Saves and loads a model with a task."""

    def save(self, directory: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write weights (safetensors), configuration with the user's labels, tokenizer, and `keraslike.json`.

        The directory is read by `keraslike.load(directory)`, by transformers' `from_pretrained` and `pipeline`, and by
        people. It is written beside its place and moved there when it is complete. Of a model with LoRA the weights
        hold both, merged; the matrices and the head lie in `adapter/` too, as peft reads them. The model learns on as
        it was.

        Args:
            directory: where; it must not exist, or be empty.
            overwrite: replace a directory that keraslike wrote before.

        Raises:
            ArgumentError: something stands there already, the model has no task, or its network is no transformer.
            NotFittedError: the network is not built yet.
        """
        network, task = self.network, self.task
        bare = getattr(network, "wrapped", network)
        if task is None or not is_pretrained(bare):
            kind = "the model has no task" if task is None else f"the network is a {type(bare).__name__}"
            raise ArgumentError(
                f"only a transformer with a task is saved as a directory, and {kind}.",
                "a model made with task=, whose network has save_pretrained and config, as transformers' own have.",
                "write model.save_weights(file) for the weights of any network.",
            )
        task.describe(network)
        manifest = manifest_of(task, self._required_feed().state(), self._given, self.micro_batch_limit)

        def write(draft: str) -> None:
            with merged(network):
                task.save(draft, network)
            save_adapter(network, draft)

        write_directory(directory, manifest, write, overwrite=overwrite)

    @classmethod
    def from_pretrained(cls, name: Any = None, *_: Any, **__: Any) -> Never:
        """Refuse transformers' word, with ours.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(
            f"{cls.__name__} has no from_pretrained.",
            "a model's name or directory, and a task.",
            f"write Model({name!r}, task=...), or keraslike.load(directory) for what save() wrote.",
        )

    @classmethod
    def load(
        cls,
        directory: str | os.PathLike[str],
        *,
        task: Any = None,
        loss_function: Any = None,
        metrics: Sequence[Any] | None = None,
        batch_metrics: Sequence[Any] | None = None,
        epoch_metrics: Sequence[Any] | None = None,
        prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        device: Any = "auto",
        precision: Any = None,
        lora: Any = None,
        **misspelt: Any,
    ) -> Self:
        """Read a model that `save` wrote.

        Args:
            directory: the directory.
            task: the class of a task of your own, whose code the directory does not hold.
            loss_function: the loss, where it was a function or object of your own.
            metrics: the metrics, where some were functions or objects of your own.
            batch_metrics: Poutyne's batch metrics, likewise.
            epoch_metrics: Poutyne's epoch metrics, likewise.
            prepare: the function that maps rows, where `fit` was given one.
            device: as in `Model`.
            precision: as in `Model`; None: the saved model's.
            lora: as in `Model`, for new matrices beside the saved weights, into which those of before were merged.
            misspelt: what there is not, for the error that says so.

        Returns:
            A model that predicts and evaluates as the saved one did. The state of its optimizer is not kept, and an
            optimizer object becomes "auto".

        Raises:
            LoadError: there is no such directory, or it is damaged.
            ArgumentError: something of your own has to be given again, or the task is not the one that was saved.
        """
        for name in misspelt:
            known = parameters_of(cls.load)
            do = did_you_mean(name, known, f"leave {name} out: the directory holds everything else.")
            raise ArgumentError(f"load() has no argument {name!r}.", f"one of {', '.join(known)}.", do)
        manifest = read_manifest(directory)
        own = {"loss_function": loss_function, "metrics": metrics, "prepare": prepare}
        again = given_again(manifest, {**own, "batch_metrics": batch_metrics, "epoch_metrics": epoch_metrics})
        made = task_from_state(manifest["task"]["name"], manifest["task"]["state"], task)
        make: Any = cls
        if precision is not None:
            again["precision"] = precision
        if lora is not None:
            again["lora"] = lora
        model: Self = make(os.fspath(directory), task=made, device=device, **again)
        model._restore(manifest["reading"], prepare)
        model.micro_batch_limit = manifest.get("micro_batch_limit")
        return model
