"""The same classifier by keraslike, with one thing or the other said."""

import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import keraslike
from recipe_sides.job import Job, Learned, digest, megabytes


def with_keraslike(job: Job, model_options: dict[str, Any] | None = None, **options: Any) -> Learned:
    """Fine-tune by `fit`, with everything that is not said left as it is.

    Args:
        job: what is to be learned.
        model_options: further arguments of `Model`.
        options: further arguments of `fit`.
    """
    began = time.process_time()
    model = keraslike.Model(job.model, task="text-classification", device="cpu", **(model_options or {}))
    model.fit(*job.train, epochs=job.epochs, seed=job.seed, verbose=0, **options)
    seconds = time.process_time() - began
    if model.labels != job.kinds:
        raise AssertionError(f"the labels are {model.labels}, and elsewhere {job.kinds}")
    logits = torch.as_tensor(model.predict_logits(job.test[0]))
    evaluated = model.evaluate(*job.test, verbose=0)
    return Learned(logits, digest(model.network), kept(model), seconds, evaluated)


def kept(model: Any) -> float:
    """Give the MB of the adapter where there is one, else of all that `save` writes."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "saved"
        model.save(directory)
        adapter = directory / "adapter"
        return megabytes(adapter if adapter.exists() else directory)
