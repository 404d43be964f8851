"""The gradients of large embedding tables are kept sparse while a batch goes through in parts, and nobody sees it."""

import copy

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from keraslike import Model
from keraslike.engine.tables import LARGE, SparseTables
from tests.engine import by_hand as hand

WORDS, WIDTH, ROWS, BATCH, LENGTH = LARGE // 4, 4, 22, 8, 6
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-10}


class Body(nn.Module):
    """The mean of word vectors, and a head over it."""

    def __init__(self, dtype=torch.float64, words=WORDS, **options):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.table = nn.Embedding(words, WIDTH, padding_idx=0, **options)
            self.head = nn.Linear(WIDTH, 3)
        self.to(dtype)

    def forward(self, x):
        return self.head(torch.tanh(self.table(x).mean(1)))


class Tied(Body):
    """Its table is read a second time, by a matrix product."""

    def forward(self, x):
        vectors = self.table(x).mean(1)
        return self.head(vectors + F.linear(vectors, self.table.weight[:WIDTH]))


def make_rows():
    """Words of which many stand in several parts of a batch, and the padding in each."""
    generator = torch.Generator().manual_seed(6)
    x = torch.randint(1, 12, (ROWS, LENGTH), generator=generator)
    x[::2, 4:] = 0
    x[1::3, 0] = WORDS - 1
    return x, torch.randint(3, (ROWS,), generator=generator)


class Watch(poutyne.Callback):
    """Keeps a copy of all gradients at each backward's end."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_backward_end(self, batch_number):
        self.found.append([parameter.grad.clone() for parameter in self.model.network.parameters()])


class Flags:
    """Keeps, for every forward of a table, whether its gradient will be sparse."""

    def __init__(self, table):
        self.seen = []
        table.register_forward_pre_hook(lambda table, _: self.seen.append(table.sparse))


def fit(network, *, loss="cross_entropy", lr=0.0, watch=None, **options):
    x, y = make_rows()
    model = Model(network, torch.optim.SGD(network.parameters(), lr=lr), loss, device="cpu")
    options = {"batch_size": BATCH, "micro_batch_size": 3, "shuffle": False, "verbose": 0, **options}
    model.fit(x, y, callbacks=[watch] if watch else [], **options)
    return model


def gradients_by_hand(network):
    """Give the gradients of each whole batch, by torch alone."""
    found = []
    for x, y in zip(*(column.split(BATCH) for column in make_rows()), strict=True):
        network.zero_grad()
        F.cross_entropy(network(x), y).backward()
        found.append([parameter.grad.clone() for parameter in network.parameters()])
    return found


# The same gradient


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", [Body, Tied])
def test_gradient_of_the_whole_batch(kind, dtype):
    """Callbacks see dense gradients, those of the batch sent through at once; also of a table read in two ways."""
    network, watch = kind(dtype), Watch()
    flags = Flags(network.table)
    expected = gradients_by_hand(kind(dtype))

    fit(network, watch=watch)

    assert flags.seen == [True] * 8  # 3, 3, 2; 3, 3, 2; 3, 3
    for ours, true in zip(watch.found, expected, strict=True):
        assert all(gradient.layout is torch.strided for gradient in ours)
        for gradient, exact in zip(ours, true, strict=True):
            assert (gradient - exact).abs().max() <= TOLERANCE[dtype] * exact.abs().max()
        assert ours[0][0].any() == true[0][0].any() == (kind is Tied)  # as padding, the first word learns nothing


def test_same_bits_from_run_to_run():
    """The rows are summed in an order of their own, always the same."""
    runs = []
    for _ in range(2):
        network = Body(torch.float32)
        fit(network, lr=0.5, epochs=2)
        runs.append([parameter.detach().clone() for parameter in network.parameters()])

    assert all(torch.equal(first, second) for first, second in zip(*runs, strict=True))


@pytest.mark.parametrize("clip_norm", [None, 0.01])
@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_weights(batches_per_step, clip_norm):
    """Momentum, clipping and steps over several batches of a loader give the weights of the whole batches."""
    x, y = make_rows()
    network, reference = Body(), Body()
    batches = hand.batches_of(BATCH * batches_per_step, x, y, None)
    hand.learn(reference, hand.sgd(reference), hand.cross_entropy, batches, clip_norm=clip_norm)

    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH)
    options = {"micro_batch_size": 3, "batches_per_step": batches_per_step, "clip_norm": clip_norm, "verbose": 0}
    model.fit(loader, **options)

    assert hand.largest_difference(network, reference) <= 1e-10


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_out_of_memory_in_the_middle(where, after):
    """What parts have added sparsely is taken out again with the rest."""
    x, y = make_rows()
    network, reference = Body(), Body()
    hand.learn(reference, hand.sgd(reference), hand.cross_entropy, hand.batches_of(BATCH, x, y, None))
    limit = hand.Limit(network.head, 2, where, after=after)

    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    model.fit(x, y, batch_size=BATCH, micro_batch_size=4, shuffle=False, verbose=0)

    assert limit.hits > 0
    assert hand.largest_difference(network, reference) <= 1e-10
    assert network.table.weight.grad.layout is torch.strided


def test_out_of_memory_of_a_whole_batch():
    """A step that begins whole, and dense, goes on in parts, sparsely."""
    x, y = make_rows()
    network, reference = Body(), Body()
    hand.learn(reference, hand.sgd(reference), hand.cross_entropy, hand.batches_of(BATCH, x, y, None))
    flags, limit = Flags(network.table), hand.Limit(network.head, 4, "backward")

    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    assert limit.hits == 1
    assert flags.seen == [False] + [True] * 6
    assert hand.largest_difference(network, reference) <= 1e-10


def test_a_function_that_counts():
    """Where a function's own count is known only behind the backward, the table's gradient is rescaled too."""

    def half(outputs, targets):
        kept = targets > 0
        return F.cross_entropy(outputs[kept], targets[kept], reduction="sum"), kept.sum()

    network, watch, reference = Body(), Watch(), Body()
    x, y = make_rows()
    outputs, targets = reference(x[:BATCH]), y[:BATCH]
    F.cross_entropy(outputs[targets > 0], targets[targets > 0]).backward()

    fit(network, loss=half, watch=watch)

    torch.testing.assert_close(watch.found[0][0], reference.table.weight.grad, rtol=1e-10, atol=1e-14)


# Nobody sees it


def test_dense_where_nothing_is_cut():
    """A batch that goes through at once has dense gradients from the start."""
    network = Body()
    flags = Flags(network.table)

    fit(network, micro_batch_size=None)

    assert flags.seen == [False, False, False]


def test_flag_put_back():
    """After a fit the table is as it was."""
    network = Body()

    fit(network)

    assert network.table.sparse is False


def test_flag_put_back_after_an_exception():
    """Also where the user's code raises in the middle of a step."""
    network = Body()
    flags = Flags(network.table)

    def fail(_, inputs):
        if len(flags.seen) == 2:
            raise ValueError("no")

    network.head.register_forward_pre_hook(fail)

    with pytest.raises(ValueError, match="no"):
        fit(network)

    assert flags.seen == [True, True]
    assert network.table.sparse is False


def test_measured_densely():
    """Validation and evaluation set no flag."""
    network = Body()
    x, y = make_rows()
    flags = Flags(network.table)

    model = fit(network, validation_data=(x, y))
    model.evaluate(x, y, verbose=0)

    assert flags.seen == [True] * 8 + [False] * 4  # three batches that validate, one that is evaluated


def test_gradient_without_rows_is_left():
    """A table that was not used has no gradient, and gets none; a dense gradient stays the tensor that it is."""
    unused, used = nn.Embedding(WORDS, WIDTH), nn.Embedding(WORDS, WIDTH)
    used(torch.tensor([1])).sum().backward()
    dense = used.weight.grad

    SparseTables(nn.ModuleList([unused, used])).densify()

    assert unused.weight.grad is None
    assert used.weight.grad is dense


# Which tables


class OwnEmbedding(nn.Embedding):
    """A user's own class, which may do anything in its forward."""


def tied():
    network = nn.Sequential(nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WORDS, bias=False))
    network[1].weight = network[0].weight
    return network


def frozen():
    table = nn.Embedding(WORDS, WIDTH)
    table.weight.requires_grad_(False)
    return table


LEFT_ALONE = {
    "small": lambda: nn.Embedding(WORDS - 1, WIDTH),
    "tied": tied,
    "frozen": frozen,
    "sparse already": lambda: nn.Embedding(WORDS, WIDTH, sparse=True),
    "max_norm": lambda: nn.Embedding(WORDS, WIDTH, max_norm=1.0),
    "scale_grad_by_freq": lambda: nn.Embedding(WORDS, WIDTH, scale_grad_by_freq=True),
    "a class of the user's": lambda: OwnEmbedding(WORDS, WIDTH),
    "no table": lambda: nn.Linear(WORDS, WIDTH),
}


@pytest.mark.parametrize("kind", LEFT_ALONE)
def test_left_alone(kind):
    """What is small, tied, frozen or out of the ordinary keeps its ways, and its flag."""
    network = nn.Sequential(LEFT_ALONE[kind]())
    before = [getattr(module, "sparse", None) for module in network.modules()]
    tables = SparseTables(network)

    with tables.sparse():
        within = [getattr(module, "sparse", None) for module in network.modules()]

    assert tables.tables == []
    assert within == before
    assert [getattr(module, "sparse", None) for module in network.modules()] == before


def test_tied_head_learns_as_torch_does():
    """The gradients of a tied table, cut, are those of the whole batch."""

    class Language(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(WORDS, WIDTH, dtype=torch.float64)
            self.head = nn.Linear(WIDTH, WORDS, bias=False)
            self.head.weight = self.table.weight

        def forward(self, x):
            return self.head(self.table(x).mean(1))

    torch.manual_seed(0)
    network, watch = Language(), Watch()
    reference = copy.deepcopy(network)
    x, _ = make_rows()
    F.cross_entropy(reference(x[:4]), x[:4, 0]).backward()

    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.0), "cross_entropy", device="cpu")
    options = {"batch_size": 4, "micro_batch_size": 2, "shuffle": False, "verbose": 0}
    model.fit(x[:4], x[:4, 0], callbacks=[watch], **options)

    torch.testing.assert_close(watch.found[0][0], reference.table.weight.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("words", [WORDS, WORDS + 1])
def test_large_ones_are_found(words):
    """From a million numbers on, wherever in the network."""
    network = nn.ModuleDict({"a": nn.Sequential(nn.Embedding(words, WIDTH)), "b": nn.Embedding(9, WIDTH)})

    assert SparseTables(network).tables == [network["a"][0]]
