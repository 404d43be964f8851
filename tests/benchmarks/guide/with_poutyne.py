"""The experiment with Poutyne, as its documentation and the guide teach it."""

from typing import Any

import torch
from poutyne import Callback, ClipNorm, Model, set_seeds
from stories import Pad, Recipe, encoded, ordering_loss
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import get_linear_schedule_with_warmup


class ModelWrapper(nn.Module):
    """Takes a dict of inputs, and gives the scores."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Give one score per token."""
        scores: Tensor = self.network(**inputs).logits
        return scores


class Collate(Pad):
    """Makes a pair of inputs and targets."""

    def __call__(self, stories: list[dict[str, Any]]) -> Any:
        """Give the pair."""
        batch = super().__call__(stories)
        return batch, batch.pop("labels")


class PerBatch(Callback):
    """Moves the rate after every batch; Poutyne's own callbacks move it by epochs."""

    def __init__(self, recipe: Recipe, optimizer: Any) -> None:
        super().__init__()
        self.schedule = get_linear_schedule_with_warmup(optimizer, recipe.warmup, recipe.updates)

    def on_train_batch_end(self, batch_number: int, logs: dict[str, float]) -> None:
        """Move it."""
        self.schedule.step()


def train(recipe: Recipe) -> Any:
    """Give the trained network."""
    set_seeds(recipe.seed)
    network = recipe.network()
    optimizer, callbacks = torch.optim.AdamW(network.parameters(), lr=5e-5), []
    if recipe.is_same:
        optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
        callbacks = [ClipNorm(network.parameters(), max_norm=recipe.clip_norm), PerBatch(recipe, optimizer)]
    stories = encoded(recipe, "train", recipe.seed)
    collate = Collate(recipe.tokenizer().pad_token_id)
    loader = DataLoader(stories, recipe.batch_size, shuffle=True, collate_fn=collate)
    model = Model(ModelWrapper(network), optimizer, ordering_loss)
    model.fit_generator(loader, epochs=1, steps_per_epoch=recipe.updates, callbacks=callbacks, verbose=False)
    return network
