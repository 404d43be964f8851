"""The experiment with Lightning, as its documentation teaches it."""

from typing import Any

import pytorch_lightning as pl
import torch
from stories import Pad, Recipe, encoded, ordering_loss
from torch.utils.data import DataLoader
from transformers import get_linear_schedule_with_warmup


class SentenceOrdering(pl.LightningModule):
    """Gives one score per token."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = recipe.network()

    def training_step(self, batch: dict[str, Any], index: int) -> Any:
        """Give the loss of a batch."""
        labels = batch.pop("labels")
        loss = ordering_loss(self.network(**batch).logits, labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        """Give AdamW, and the schedule of the one recipe."""
        if not self.recipe.is_same:
            return torch.optim.AdamW(self.parameters(), lr=5e-5)
        recipe = self.recipe
        optimizer = torch.optim.AdamW(self.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
        schedule = get_linear_schedule_with_warmup(optimizer, recipe.warmup, recipe.updates)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(recipe: Recipe) -> Any:
    """Give the trained network."""
    pl.seed_everything(recipe.seed, verbose=False)
    model = SentenceOrdering(recipe)
    model.network.train()
    stories, pad = encoded(recipe, "train", recipe.seed), Pad(recipe.tokenizer().pad_token_id)
    trainer = pl.Trainer(
        max_steps=recipe.updates,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **({"gradient_clip_val": recipe.clip_norm} if recipe.is_same else {}),
    )
    trainer.fit(model, DataLoader(stories, recipe.batch_size, shuffle=True, collate_fn=pad))
    return model.network
