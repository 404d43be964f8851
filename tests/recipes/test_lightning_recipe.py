"""`recipe="lightning"` beside pytorch-lightning: the same bits, and where it deviates on purpose."""

import logging

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from tests.engine.loops import make_data, make_mlp, weights_of
from tests.recipes.beside_tools import ROWS, SEED, fit, momentum

pl = pytest.importorskip("pytorch_lightning", reason="pytorch-lightning comes with the bench extra")

# It advises more workers at every fit, and calls what torch is about to take away.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*number of training batches"),
    pytest.mark.filterwarnings("ignore:.*have no `val_dataloader`"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec:FutureWarning"),
]

QUIET = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)


class Module(pl.LightningModule):
    """Learns from pairs by an optimizer of the user's own, and keeps the loss of every batch."""

    def __init__(self, network, optimizer):
        super().__init__()
        self.network, self.optimizer, self.losses = network, optimizer(network), []

    def training_step(self, batch, index):
        """Give the loss of a batch."""
        x, y = batch
        loss = F.cross_entropy(self.network(x), y)
        self.losses.append(loss.item())
        return loss

    def validation_step(self, batch, index):
        """Look at a batch."""
        self.network(batch[0])

    def configure_optimizers(self):
        """Give the optimizer."""
        return self.optimizer


@pytest.fixture(autouse=True)
def silence():
    """It logs what hardware there is."""
    logger = logging.getLogger("pytorch_lightning")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


def trained(*, shuffle=True, validation=False):
    """Train by its Trainer, seeded before; give the network and the loss of every batch."""
    module = Module(make_mlp(dropout=0.3), momentum)
    rows = TensorDataset(*make_data(ROWS))
    loaders = [DataLoader(rows, 16, shuffle=shuffle), *([DataLoader(rows, 16)] if validation else [])]
    pl.seed_everything(SEED, verbose=False)
    pl.Trainer(max_epochs=3, accelerator="cpu", devices=1, **QUIET).fit(module, *loaders)
    return module.network, module.losses


@pytest.mark.parametrize("shuffle", [True, False])
def test_tensors(shuffle):
    """The order of a DataLoader, and dropout behind the two numbers that it draws in every epoch."""
    network, losses = trained(shuffle=shuffle)

    ours, our_losses, _ = fit("lightning", momentum, batch_size=16, epochs=3, shuffle=shuffle)

    assert torch.equal(weights_of(ours), weights_of(network))
    assert our_losses == losses


# Where Lightning is wrong


def test_validation_shifts_lightning():
    """The loader of its validation draws a number, which changes the training; ours leaves it as it is without."""
    with_it, _ = trained(validation=True)
    without, _ = trained()

    ours, *_ = fit("lightning", momentum, batch_size=16, epochs=3, validation=True)

    assert not torch.equal(weights_of(with_it), weights_of(without))
    assert torch.equal(weights_of(ours), weights_of(without))


def test_accumulation():
    """A short last part weighs as much as the others in its accumulated gradient; in ours every example does."""
    x, y = make_data(14)

    def descent(network):
        return torch.optim.SGD(network.parameters(), lr=1.0)

    networks = [make_mlp() for _ in range(3)]
    start = weights_of(networks[0])
    F.cross_entropy(networks[0](x), y).backward()
    descent(networks[0]).step()

    trainer = pl.Trainer(max_epochs=1, accumulate_grad_batches=4, accelerator="cpu", devices=1, **QUIET)
    trainer.fit(Module(networks[1], descent), DataLoader(TensorDataset(x, y), 4))
    ours = Model(networks[2], descent(networks[2]), "cross_entropy", device="cpu")
    ours.fit(x, y, batch_size=14, micro_batch_size=4, recipe="lightning", verbose=0)

    true, theirs, kept = (weights_of(network) - start for network in networks)
    assert float((theirs - true).norm() / true.norm()) > 0.05
    assert float((kept - true).norm() / true.norm()) < 1e-6
