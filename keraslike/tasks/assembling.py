"""Sets a model up around its network: optimizer, loss, metrics, device."""

from typing import Any

from torch import nn

from keraslike.losses import as_loss
from keraslike.metrics import get_metrics
from keraslike.recipes import Recipe, apply_lora, default_recipe, lora_recipe, make_optimizer, require_matrices
from keraslike.tasks.network import choose_loss, rows_metrics, wrapped
from keraslike.tasks.saving import SavingVerbs


class AssemblingVerbs(SavingVerbs):
    """Makes a `poutyne.Model` of a network and of what the constructor was given, kept in `_given` and `_lora`."""

    _lora: Any

    @property
    def _recipe(self) -> Recipe:
        recipe = default_recipe(vars(self).get("_bare")) if self.task is None else self.task.recipe
        return lora_recipe(recipe, self._lora)

    def _assemble(self, network: nn.Module) -> None:
        """Set up the `poutyne.Model` around a network; one that stands already keeps its optimizer."""
        apply_lora(network, self._lora, getattr(self.task, "fresh", ()))
        is_known = vars(self).get("_bare") is network
        whole = self.network if is_known else wrapped(network, self.task)
        self._bare, self._assembled_for = network, getattr(self.task, "problem_type", None)
        given = self._given
        optimizer = self.optimizer if is_known else make_optimizer(given["optimizer"], whole, self._recipe)
        require_matrices(network, optimizer)
        loss = choose_loss(given["loss_function"], self.task, network, has_own_loss=self.has_own_loss)
        metrics = given["metrics"] if given["metrics"] is not None or self.task is None else self.task.metrics
        problem_type = self._assembled_for or getattr(as_loss(loss), "problem_type", None)
        listed = get_metrics(metrics, problem_type)
        self.row_metrics = rows_metrics(listed, self.task)
        self.read_outputs = None if self.task is None else self.task.read_outputs
        self.assemble(
            whole,
            optimizer,
            loss,
            batch_metrics=list(given["batch_metrics"] or []),
            epoch_metrics=[
                *(given["epoch_metrics"] or []),
                *(named for named in listed if named[1] not in self.row_metrics),
            ],
            device=given["device"],
            precision=given["precision"],
            gradient_checkpointing=given["gradient_checkpointing"],
        )
