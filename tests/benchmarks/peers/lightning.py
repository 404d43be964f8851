"""Lightning (pytorch-lightning), silent and without writing files."""

import logging
import warnings
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from jobs import AccumulationJob, Learned, TensorJob, TextJob
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
# It advises more workers at every fit, and torchmetrics tells of its memory; neither changes what is measured.
warnings.filterwarnings("ignore", module="pytorch_lightning")
warnings.filterwarnings("ignore", module="torchmetrics")

SILENT = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)


def trainer(**options: Any) -> pl.Trainer:
    """Make a trainer of one epoch that says and writes nothing."""
    return pl.Trainer(**{"max_epochs": 1, "accelerator": "cpu", "devices": 1, **SILENT, **options})


class Classifier(pl.LightningModule):
    """Learn from pairs; loss and accuracy are kept per epoch."""

    def __init__(self, job: TensorJob) -> None:
        super().__init__()
        self.job, self.network = job, job.network()
        self.accuracy = MulticlassAccuracy(10, average="micro")
        self.losses: list[float] = []

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        """Give the loss of a batch."""
        x, y = batch
        outputs = self.network(x)
        loss = F.cross_entropy(outputs, y)
        self.accuracy(outputs, y)
        self.log("loss", loss, on_step=False, on_epoch=True)
        self.log("accuracy", self.accuracy, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Give AdamW."""
        return torch.optim.AdamW(self.network.parameters(), lr=self.job.lr, fused=True)


def train_tensors(job: TensorJob) -> Learned:
    """Train by `Trainer.fit`."""
    module = Classifier(job)
    loader = DataLoader(TensorDataset(job.x, job.y), job.batch_size, shuffle=job.is_shuffled)
    done = trainer(max_epochs=job.epochs)
    done.fit(module, loader)
    return Learned(float(done.callback_metrics["loss"]), list(module.network.parameters()))


class TextClassifier(pl.LightningModule):
    """Learn from dicts, or give the classes of dicts."""

    def __init__(self, job: TextJob, network: Any) -> None:
        super().__init__()
        self.job, self.network = job, network

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Give the loss of a batch."""
        loss: Tensor = self.network(**batch).loss
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["labels"]))
        return loss

    def predict_step(self, batch: Any, index: int) -> Tensor:
        """Give the classes of a batch."""
        classes: Tensor = self.network(**batch).logits.argmax(-1)
        return classes

    def on_train_start(self) -> None:
        """Start the clock."""
        self.job.clock.start()

    def configure_optimizers(self) -> Any:
        """Give AdamW."""
        return torch.optim.AdamW(self.network.parameters(), lr=self.job.lr, fused=True)


def train_texts(job: TextJob) -> Learned:
    """Fine-tune by `Trainer.fit`."""
    module = TextClassifier(job, job.network().train())
    order: Any = {"shuffle": job.is_shuffled, "generator": job.generator()}
    loader = DataLoader(job.features, job.batch_size, collate_fn=job.collator(), **order)
    done = trainer(gradient_clip_val=job.clip_norm)
    done.fit(module, loader)
    return Learned(float(done.callback_metrics["loss"]))


def predict_texts(job: TextJob, network: Any) -> list[str]:
    """Ask by `Trainer.predict`, in the order given."""
    features = [{"input_ids": ids} for ids in job.tokenizer(job.texts, truncation=True)["input_ids"]]
    loader = DataLoader(features, job.batch_size, collate_fn=job.collator())
    found = trainer().predict(TextClassifier(job, network), loader)
    return [job.kinds[index] for classes in found for index in classes.tolist()]


class Accumulating(pl.LightningModule):
    """Learn by SGD with a rate of 1."""

    def __init__(self, job: AccumulationJob) -> None:
        super().__init__()
        self.job, self.network = job, job.network()

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        """Give the loss of a micro-batch."""
        return self.job.loss(self.network(batch["x"]), batch["y"])

    def configure_optimizers(self) -> Any:
        """Give SGD."""
        return torch.optim.SGD(self.network.parameters(), lr=1.0)


def accumulate(job: AccumulationJob) -> Tensor:
    """Use `accumulate_grad_batches` and `gradient_clip_val`."""
    module = Accumulating(job)
    options: Any = {"accumulate_grad_batches": len(job.parts()), "gradient_clip_val": job.clip_norm}
    trainer(**options).fit(module, DataLoader(job.dataset(), job.micro_batch))
    return job.moved(module.network)
