"""skorch."""

from typing import Any

import torch
from jobs import Learned, TensorJob
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochScoring


def train_tensors(job: TensorJob) -> Learned:
    """Train by `fit`; the accuracy is that of its own training outputs."""
    network = job.network()
    accuracy = EpochScoring("accuracy", on_train=True, lower_is_better=False)
    shuffle: Any = {"iterator_train__shuffle": job.is_shuffled}
    classifier = NeuralNetClassifier(
        network,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__fused=True,
        lr=job.lr,
        batch_size=job.batch_size,
        max_epochs=job.epochs,
        train_split=None,
        callbacks=[accuracy],
        verbose=0,
        **shuffle,
    )
    classifier.fit(job.x, job.y)
    return Learned(classifier.history[-1, "train_loss"], list(classifier.module_.parameters()))
