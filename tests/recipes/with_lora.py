"""`Model` with `lora=`, as `keraslike.Model` has it."""

from inspect import signature
from typing import Any

import keraslike
from keraslike.recipes.adapting import apply_lora
from keraslike.recipes.lora import as_lora, lora_recipe


class _WithLora(keraslike.Model):
    def __init__(self, *arguments: Any, lora: Any = None, **options: Any) -> None:
        self._lora = as_lora(lora)
        super().__init__(*arguments, **options)

    @property
    def _recipe(self) -> Any:
        return lora_recipe(super()._recipe, self._lora)

    def _assemble(self, network: Any) -> None:
        apply_lora(network, self._lora, getattr(self.task, "fresh", ()))
        super()._assemble(network)


Model: Any = keraslike.Model if "lora" in signature(keraslike.Model).parameters else _WithLora
