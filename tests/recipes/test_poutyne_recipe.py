"""`recipe="poutyne"` beside Poutyne itself: the same bits, and where it deviates on purpose."""

import poutyne
import pytest
import torch
import torch.nn.functional as F
from poutyne import set_seeds
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from tests.engine.loops import make_data, make_mlp, weights_of
from tests.recipes.beside_tools import ROWS, SEED, Losses, fit, momentum


def trained(verb: str = "fit", validation: bool = False, epochs: int = 3, **options):
    """Train by Poutyne, seeded before; give the network, the loss of every batch, and the history."""
    network, losses = make_mlp(dropout=0.3), Losses()
    x, y = make_data(ROWS)
    rows = TensorDataset(x, y)
    model = poutyne.Model(network, momentum(network), "cross_entropy")
    set_seeds(SEED)
    data = {"fit": (x, y), "fit_dataset": (rows,), "fit_generator": (DataLoader(rows, 16, shuffle=True),)}[verb]
    if verb != "fit_generator":
        options = {"batch_size": 16, **options}
    if validation:
        options["validation_data"] = (x, y)
    history = getattr(model, verb)(*data, epochs=epochs, verbose=False, callbacks=[losses], **options)
    return network, losses.kept, history


@pytest.mark.parametrize("shuffle", [True, False])
def test_tensors(shuffle):
    """The order of its DataLoader, and dropout behind the two numbers that the loader draws in every epoch."""
    network, losses, history = trained(dataloader_kwargs={"shuffle": shuffle})

    ours, our_losses, our_history = fit("poutyne", momentum, batch_size=16, epochs=3, shuffle=shuffle)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert our_losses == losses
    assert [row["loss"] for row in our_history] == pytest.approx([row["loss"] for row in history], rel=1e-12)


def test_batch_size():
    """Without a word of the user's a batch has 32 examples, as Poutyne's."""
    network, losses, _ = trained(batch_size=32)

    ours, our_losses, _ = fit("poutyne", momentum, epochs=3)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert our_losses == losses


def sources():
    """Give the forms in which data may come, but for tensors."""
    rows = TensorDataset(*make_data(ROWS))
    return {
        "dataset": (rows, {"batch_size": 16}),
        "loader": (DataLoader(rows, 16, shuffle=True), {"batch_size": None}),
    }


@pytest.mark.parametrize("kind", ["dataset", "loader"])
def test_other_data(kind):
    """A torch Dataset, or a DataLoader of the user's own, draws as in Poutyne."""
    network, losses, _ = trained("fit_generator")
    data, words = sources()[kind]
    ours, kept = make_mlp(dropout=0.3), Losses()
    model = Model(ours, momentum(ours), "cross_entropy", device="cpu")

    quiet = {"micro_batch_size": None, "seed": SEED, "verbose": 0, "callbacks": [kept]}
    model.fit(data, epochs=3, recipe="poutyne", **words, **quiet)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert kept.kept == losses


def test_dataset_in_its_own_order():
    """With shuffle=False the loader that is made of a Dataset draws one number in every epoch."""
    network, losses, _ = trained("fit_dataset", dataloader_kwargs={"shuffle": False})
    ours, kept = make_mlp(dropout=0.3), Losses()
    model = Model(ours, momentum(ours), "cross_entropy", device="cpu")

    quiet = {"micro_batch_size": None, "seed": SEED, "verbose": 0, "callbacks": [kept]}
    model.fit(TensorDataset(*make_data(ROWS)), epochs=3, batch_size=16, shuffle=False, recipe="poutyne", **quiet)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert kept.kept == losses


def test_more_batches_than_there_are():
    """With steps_per_epoch beyond the data each further pass draws, and is shuffled, anew."""
    network, losses, _ = trained("fit_generator", steps_per_epoch=6)

    ours, our_losses, _ = fit("poutyne", momentum, batch_size=16, epochs=3, steps_per_epoch=6)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert our_losses == losses


def test_verbs_of_poutyne():
    """The verbs that take batches know the recipe too."""
    network, losses, _ = trained("fit_generator")
    ours, kept = make_mlp(dropout=0.3), Losses()
    model = Model(ours, momentum(ours), "cross_entropy", device="cpu")
    loader = DataLoader(TensorDataset(*make_data(ROWS)), 16, shuffle=True)

    quiet = {"micro_batch_size": None, "seed": SEED, "verbose": 0, "callbacks": [kept]}
    model.fit_generator(loader, epochs=3, recipe="poutyne", **quiet)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert kept.kept == losses


def test_sampler_of_the_user():
    """A sampler that draws from the random state draws behind the loader's number."""
    sampler = torch.utils.data.WeightedRandomSampler(torch.linspace(0.1, 1, ROWS), ROWS)
    network, losses, _ = trained(dataloader_kwargs={"shuffle": False, "sampler": sampler})

    ours, our_losses, _ = fit("poutyne", momentum, batch_size=16, epochs=3, sampler=sampler)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert our_losses == losses


# Where Poutyne is wrong


def test_validation_shifts_poutyne():
    """The loader of its validation draws a number, which changes the training; ours leaves it as it is without."""
    with_it, *_ = trained(validation=True)
    without, *_ = trained()

    ours, *_ = fit("poutyne", momentum, batch_size=16, epochs=3, validation=True)

    assert not torch.equal(weights_of(with_it), weights_of(without))
    assert torch.equal(weights_of(ours), weights_of(without))


def test_accumulation():
    """Labels of -100 count nothing: parts that hold them unevenly are averaged wrongly by Poutyne, not by ours."""
    x, y = make_data(12)
    y[:3] = -100
    parts = [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]
    networks = [make_mlp() for _ in range(3)]
    optimizers = [torch.optim.SGD(network.parameters(), lr=1.0) for network in networks]
    start = weights_of(networks[0])
    F.cross_entropy(networks[0](x), y).backward()
    optimizers[0].step()
    quiet = {"epochs": 1, "batches_per_step": 3}

    poutyne.Model(networks[1], optimizers[1], "cross_entropy").fit_generator(parts, verbose=False, **quiet)
    ours = Model(networks[2], optimizers[2], "cross_entropy", device="cpu")
    ours.fit_generator(parts, recipe="poutyne", verbose=0, **quiet)

    true, theirs, kept = (weights_of(network) - start for network in networks)
    assert float((theirs - true).norm() / true.norm()) > 0.1
    assert float((kept - true).norm() / true.norm()) < 1e-6
