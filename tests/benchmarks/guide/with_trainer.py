"""The experiment with Hugging Face's Trainer, as its documentation teaches it."""

import tempfile
from typing import Any

from stories import Pad, Recipe, encoded, ordering_loss
from transformers import Trainer, TrainingArguments


def compute_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Give the loss of a batch."""
    return ordering_loss(outputs.logits, labels)


def train(recipe: Recipe) -> Any:
    """Give the trained network."""
    same: dict[str, Any] = {"learning_rate": recipe.lr, "warmup_steps": recipe.warmup}
    same |= {"weight_decay": recipe.weight_decay, "max_grad_norm": recipe.clip_norm}
    arguments = TrainingArguments(
        output_dir=tempfile.gettempdir(),
        max_steps=recipe.updates,
        per_device_train_batch_size=recipe.batch_size,
        seed=recipe.seed,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        **(same if recipe.is_same else {}),
    )
    trainer = Trainer(
        recipe.network(),
        arguments,
        data_collator=Pad(recipe.tokenizer().pad_token_id),
        train_dataset=encoded(recipe, "train", recipe.seed),
        compute_loss_func=compute_loss,
    )
    trainer.train()
    return trainer.model
