"""keraslike, by its public verbs and with everything left as it is."""

from typing import Any

import torch
from jobs import AccumulationJob, Learned, Scores, TensorJob, TextJob
from poutyne import Callback
from torch import Tensor, nn

import keraslike


def train_tensors(job: TensorJob) -> Learned:
    """Train; the optimizer is given by name, with torch's own decay, so that the steps are the others'."""
    network = job.network()
    optimizer = {"optim": "adamw", "lr": job.lr}
    model = keraslike.Model(network, optimizer, "cross_entropy", metrics=["accuracy"], device="cpu")
    fitting: Any = {"epochs": job.epochs, "batch_size": job.batch_size, "shuffle": job.is_shuffled}
    history = model.fit(job.x, job.y, seed=job.seed, verbose=0, **fitting)
    return Learned(history[-1]["loss"], list(network.parameters()))


class Start(Callback):
    """Start the clock when everything is loaded."""

    def __init__(self, job: TextJob) -> None:
        super().__init__()
        self.job = job

    def on_train_begin(self, logs: Any) -> None:
        """Start it."""
        self.job.clock.start()


def train_texts(job: TextJob, **options: Any) -> Learned:
    """Fine-tune by three lines; for the comparison of losses without schedule, decay and shuffling."""
    if job.is_shuffled:
        network: Any = job.model
    else:
        network = job.network()
        options |= {"shuffle": False, "schedule": "constant", "warmup": 0, "learning_rate": job.lr}
    torch.manual_seed(job.seed)
    model = keraslike.Model(
        str(network) if job.is_shuffled else network,
        task="text-classification",
        tokenizer=None if job.is_shuffled else job.tokenizer,
        labels=None if job.is_shuffled else list(job.kinds),
    )
    options |= {"batch_size": job.batch_size, "callbacks": [Start(job)]}
    history = model.fit(job.texts, job.labels, epochs=1, seed=job.seed, verbose=0, **options)
    return Learned(history[-1]["loss"])


def predict_texts(job: TextJob, network: Any) -> list[str]:
    """Ask for classes by one line; the model stands already."""
    return list(network.predict(job.texts, verbose=0))


def for_prediction(job: TextJob, network: Any) -> keraslike.Model:
    """Put the network that is asked into a model, which is not timed."""
    labels = list(job.kinds)
    return keraslike.Model(network, task="text-classification", tokenizer=job.tokenizer, labels=labels)


class LogitsOfTokens(nn.Module):
    """Give logits, the classes where torch's cross-entropy looks for them: `(rows, classes, tokens)`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Give them."""
        logits: Tensor = self.network(**inputs).logits
        return logits.transpose(1, 2)


def evaluate_tokens(network: Any, inputs: dict[str, Tensor], labels: Tensor) -> Scores:
    """Measure the loss and the share of tokens that are right."""
    model = keraslike.Model(LogitsOfTokens(network), None, "cross_entropy", metrics=["accuracy"], device="cpu")
    found = model.evaluate(inputs, labels, batch_size=8, return_dict=True, verbose=0)
    return Scores(found["loss"], found["accuracy"])


def accumulate(job: AccumulationJob) -> Tensor:
    """Cut the batch by `micro_batch_size`."""
    network = job.network()
    optimizer = {"optim": "sgd", "lr": 1.0}
    model = keraslike.Model(network, optimizer, "cross_entropy", device="cpu")
    cut: Any = {"batch_size": job.rows, "micro_batch_size": job.micro_batch, "clip_norm": job.clip_norm}
    model.fit(job.x, job.y, epochs=1, shuffle=False, verbose=0, **cut)
    return job.moved(network)
