"""transformers' pipeline, which only predicts."""

from typing import Any

from jobs import TextJob
from transformers import pipeline


def predict_texts(job: TextJob, network: Any) -> list[str]:
    """Ask with a `batch_size`, in the order given."""
    classify = pipeline("text-classification", model=network, tokenizer=job.tokenizer, device="cpu")
    found = classify(job.texts, batch_size=job.batch_size, truncation=True)
    return [job.kinds[network.config.label2id[row["label"]]] for row in found]
