"""Hugging Face's Trainer, silent and without writing files."""

import tempfile
from typing import Any

import torch
import torch.nn.functional as F
from jobs import AccumulationJob, Learned, Scores, TensorJob, TextJob
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler

from peers.best_by_hand import some, tokens


def arguments(batch_size: int, seed: int = 0, **options: Any) -> TrainingArguments:
    """Give its arguments: its own defaults but for the screen, the disk and the schedule."""
    return TrainingArguments(
        output_dir=tempfile.gettempdir(),
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=batch_size,
        lr_scheduler_type="constant",
        seed=seed,
        use_cpu=True,
        disable_tqdm=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="epoch",
        **options,
    )


class InOrder(Trainer):
    """Take the rows in the order given."""

    def _get_train_sampler(self, *_: Any) -> Any:
        return SequentialSampler(self.train_dataset)


class Rows(Dataset[dict[str, Tensor]]):
    """Rows of tensors as the Trainer wants them."""

    def __init__(self, **columns: Tensor) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: values[index] for name, values in self.columns.items()}


class WithLoss(nn.Module):
    """Give loss and logits, and count the right ones."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.correct = network, torch.zeros((), dtype=torch.long)

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Give them."""
        logits = self.network(x)
        self.correct += (logits.argmax(1) == labels).sum()
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


class Start(TrainerCallback):
    """Start the clock when everything is set up."""

    def __init__(self, job: TextJob) -> None:
        self.job = job

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start it."""
        self.job.clock.start()


def run(trainer: Trainer) -> float:
    """Train; give the mean loss of the last epoch, which it logs."""
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return float([row["loss"] for row in trainer.state.log_history if "loss" in row][-1])


def train_tensors(job: TensorJob) -> Learned:
    """Train by `Trainer.train`."""
    options: Any = {"num_train_epochs": job.epochs, "learning_rate": job.lr, "weight_decay": 0.01}
    network = job.network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=job.lr, fused=True)
    kind = Trainer if job.is_shuffled else InOrder
    given = arguments(job.batch_size, job.seed, max_grad_norm=0.0, **options)
    trainer = kind(WithLoss(network), given, train_dataset=Rows(x=job.x, labels=job.y), optimizers=(optimizer, None))
    return Learned(run(trainer), list(network.parameters()))


def train_texts(job: TextJob, pool: int = 0) -> Learned:
    """Fine-tune by `Trainer.train`; with a pool on batches that it groups by length in so many batches' worth."""
    options: Any = {"num_train_epochs": 1, "learning_rate": job.lr, "max_grad_norm": job.clip_norm}
    is_grouped = bool(pool) and job.is_shuffled
    features = grouped(job, pool) if is_grouped else job.features
    kind = Trainer if job.is_shuffled and not is_grouped else InOrder
    trainer = kind(
        job.network(),
        arguments(job.batch_size, job.seed, **options),
        data_collator=job.collator(),
        train_dataset=features,
        callbacks=[Start(job)],
    )
    return Learned(run(trainer), real_tokens=sum(map(tokens, features)))


def grouped(job: TextJob, pool: int) -> list[dict[str, Any]]:
    """Give batches of its `group_by_length`, one after the other: of 160 texts it would group 32 at a time, not 800."""
    assert job.pool is not None
    rows = job.encode(*job.pool(pool * job.batch_size))
    order = list(LengthGroupedSampler(job.batch_size, lengths=list(map(tokens, rows)), generator=job.generator()))
    cuts = [order[start : start + job.batch_size] for start in range(0, len(order), job.batch_size)]
    return [row for batch in some([[rows[index] for index in cut] for cut in cuts], job) for row in batch]


def predict_texts(job: TextJob, network: Any) -> list[str]:
    """Ask by `Trainer.predict`, in the order given."""
    features = [{"input_ids": ids} for ids in job.tokenizer(job.texts, truncation=True)["input_ids"]]
    trainer = Trainer(network, arguments(job.batch_size), data_collator=job.collator())
    trainer.remove_callback(PrinterCallback)
    return [job.kinds[index] for index in trainer.predict(features).predictions.argmax(-1)]


def accuracy(found: Any) -> dict[str, float]:
    """Give the share of tokens that are right."""
    return {"accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())}


def evaluate_tokens(network: Any, inputs: dict[str, Tensor], labels: Tensor) -> Scores:
    """Measure by `Trainer.evaluate` with `compute_metrics`."""
    trainer = Trainer(network, arguments(8), compute_metrics=accuracy)
    trainer.remove_callback(PrinterCallback)
    found = trainer.evaluate(Rows(**inputs, labels=labels))
    return Scores(found["eval_loss"], found["eval_accuracy"])


class MeanLoss(nn.Module):
    """Give the mean loss of a micro-batch."""

    def __init__(self, job: AccumulationJob) -> None:
        super().__init__()
        self.job, self.network = job, job.network()

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Give it."""
        return {"loss": self.job.loss(self.network(x), labels)}


class MeanLossOfAHead(MeanLoss):
    """Give the mean as BERT's heads do: whose `forward` has `**kwargs`, is trusted to divide by the count there."""

    def forward(self, x: Tensor, labels: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Give it."""
        return super().forward(x, labels)


def accumulate(job: AccumulationJob, is_head: bool = False) -> Tensor:
    """Use `gradient_accumulation_steps`."""
    module = (MeanLossOfAHead if is_head else MeanLoss)(job)
    options: Any = {"num_train_epochs": 1, "gradient_accumulation_steps": len(job.parts())}
    given = arguments(job.micro_batch, max_grad_norm=job.clip_norm or 0.0, **options)
    optimizer = torch.optim.SGD(module.network.parameters(), lr=1.0)
    run(InOrder(module, given, train_dataset=Rows(x=job.x, labels=job.y), optimizers=(optimizer, None)))
    return job.moved(module.network)
