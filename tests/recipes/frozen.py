"""Fits with a frozen body, and how often it runs in them."""

from collections import Counter
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import torch
import transformers

from keraslike import Model
from keraslike.tasks import TASKS
from tests.engine.loops import weights_of
from tests.tasks.cases import case_of


def make_model(name, folder, dtype=torch.float32):
    """Give a model with a task whose head is drawn always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        auto_class = getattr(transformers, TASKS[name].auto_class)
        labels = {} if name in ("question-answering", "multiple-choice") else {"num_labels": len(labels_of(name))}
        network = auto_class.from_pretrained(folder, **labels).to(dtype)
    is_text = (Path(folder) / "tokenizer.json").exists()
    return Model(network, task=name, device="cpu", **({"tokenizer": str(folder)} if is_text else {}))


def labels_of(name):
    """The labels of a task's case."""
    y = case_of(name).y
    return sorted({label for row in y for label in (row if isinstance(row, list) else [row])})


def fit(model, name="text-classification", rows=24, **options):
    """Three epochs with a frozen body and a validation after each."""
    case = case_of(name)
    x, y = list(case.x[:rows]), list(case.y[:rows])
    chosen = {"epochs": 3, "batch_size": 8, "freeze": "body", "learning_rate": 1e-2, "seed": 1, "verbose": 0}
    return model.fit(x, y, (x[::3], y[::3]), **{**chosen, **options})


def weights_after(name, folder, dtype=torch.float32, **options):
    """The weights after such a fit, and its history."""
    model = make_model(name, folder, dtype)
    history = fit(model, name, **options)
    return weights_of(model.network), history


@contextmanager
def counted(kind):
    """Count how many texts go through the true forward of a class of bodies, inside."""
    true, calls = kind.forward, Counter()

    @wraps(true)
    def forward(self, *args, **inputs):
        given = [*args, *(inputs[name] for name in ("input_ids", "pixel_values") if name in inputs)]
        calls["rows"] += len(given[0])
        return true(self, *args, **inputs)

    kind.forward = forward
    try:
        yield calls
    finally:
        kind.forward = true
