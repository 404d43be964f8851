"""The experiment with keraslike."""

from typing import Any

from stories import Recipe

from keraslike import Model
from keraslike.tasks import SentenceOrdering

CHANGES: dict[str, dict[str, Any]] = {
    "constant rate": {"schedule": "constant", "warmup": 0},
    "no clipping": {"clip_norm": None},
    "in the order of the file": {"shuffle": False},
    "batches of 8, twice the updates": {"batch_size": 8, "steps_per_epoch": 500},
    "batches of 32, half the updates": {"batch_size": 32, "steps_per_epoch": 125},
}


def train(recipe: Recipe) -> Any:
    """Give the trained network."""
    options: dict[str, Any] = {"batch_size": recipe.batch_size, "steps_per_epoch": recipe.updates}
    if recipe.is_same:
        options |= {"learning_rate": recipe.lr, "warmup": recipe.warmup, "weight_decay": recipe.weight_decay}
        options |= {"schedule": "linear", "clip_norm": recipe.clip_norm}
    options |= CHANGES.get(recipe.changed, {})
    network = recipe.network() if recipe.layers else str(recipe.model)
    task = SentenceOrdering(marker="sep", start="zero") if recipe.is_same else SentenceOrdering(marker="sep")
    model = Model(network, task=task, device="cpu")
    model.fit(str(recipe.data / "train.csv"), epochs=1, seed=recipe.seed, verbose=0, **options)
    return model.network.wrapped
