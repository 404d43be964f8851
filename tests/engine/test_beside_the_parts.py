"""What a batch in parts, and one that ran out of memory, leaves as it was: buffers, random states, rows and hooks."""

import math

import poutyne
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from keraslike import Model
from keraslike.engine.tables import LARGE
from tests.engine import by_hand as hand
from tests.engine.loops import make_data, make_mlp, weights_of

ROWS = 8
ORDERED = {"batch_size": ROWS, "shuffle": False, "seed": 1, "verbose": 0}


def fit(network, loss="cross_entropy", **options):
    """Learn from one batch; give the weights."""
    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.1), loss, device="cpu")
    model.fit(*make_data(ROWS, dtype=torch.float64), **{**ORDERED, **options})
    return weights_of(network)


# After an out-of-memory


def test_limit_of_single_batches():
    """A second call of train_on_batch tries no larger parts than those that fitted."""
    network = make_mlp(dtype=torch.float64)
    limit = hand.Limit(network, 2)
    model = Model(network, torch.optim.SGD(network.parameters(), lr=0.1), "cross_entropy", device="cpu")
    x, y = make_data(ROWS, dtype=torch.float64)

    model.train_on_batch(x, y)
    tried = list(limit.sizes)
    model.train_on_batch(x, y)

    assert tried == [8, 4, 2, 2, 2, 2]
    assert limit.sizes[len(tried) :] == [2, 2, 2, 2]


class Later(nn.Module):
    """Draws from its second forward on."""

    def __init__(self):
        super().__init__()
        self.mlp = make_mlp(dtype=torch.float64)
        self.seen = 0

    def forward(self, x):
        self.seen += 1
        return self.mlp(F.dropout(x) if self.seen > 1 else x)


def test_draws_that_begin_later():
    """A network that draws nothing in the first step of an epoch is put back all the same."""
    x, y = make_data(12, dtype=torch.float64)
    weights = []
    for micro_batch_size, examples in ((None, 4), (4, 12)):
        network = Later()
        limit = hand.Limit(network.mlp, examples)
        model = Model(network, torch.optim.SGD(network.parameters(), lr=0.1), "cross_entropy", device="cpu")
        batches = [(x[:4], y[:4]), (x[4:], y[4:])]
        model.fit_generator(batches, epochs=1, micro_batch_size=micro_batch_size, seed=1, verbose=0)
        weights.append((weights_of(network), limit.hits))

    (ran_out, hits), (cut, no_hits) = weights
    assert (hits, no_hits) == (1, 0)
    assert torch.equal(ran_out, cut)


class Cooled(nn.Module):
    """Divides by a temperature that a callback sets."""

    def __init__(self):
        super().__init__()
        self.mlp = make_mlp(dtype=torch.float64)
        self.register_buffer("temperature", torch.ones((), dtype=torch.float64))

    def forward(self, x):
        return self.mlp(x) / self.temperature


@pytest.mark.parametrize("batches_per_step", [1, 2])
@pytest.mark.parametrize("examples", [ROWS, 2])
def test_buffer_set_by_a_callback(examples, batches_per_step):
    """What on_train_batch_begin has set for a batch is there when the batch is tried again."""

    class Cool(poutyne.Callback):
        def on_train_batch_begin(self, batch_number, logs):
            self.model.network.temperature.fill_(1 / (1 + batch_number))

    x, y = make_data(ROWS, dtype=torch.float64)
    reference = make_mlp(dtype=torch.float64)
    by_hand = torch.optim.SGD(reference.parameters(), lr=0.1)
    for number, (rows, targets) in enumerate(zip(x.split(4), y.split(4), strict=True), 1):
        (F.cross_entropy(reference(rows) * (1 + number), targets) / batches_per_step).backward()
        if number % batches_per_step == 0:
            by_hand.step()
            by_hand.zero_grad()
    network = Cooled()
    limit = hand.Limit(network.mlp, examples)

    fit(network, batch_size=4, callbacks=[Cool()], batches_per_step=batches_per_step)

    assert (limit.hits > 0) == (examples == 2)
    assert network.temperature == 1 / 3
    assert hand.largest_difference(network.mlp, reference) <= 1e-10


class Counting(nn.Module):
    """A loss that grows with the examples that it has seen."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros((), dtype=torch.float64))

    def forward(self, y_pred, y_true):
        self.seen += len(y_pred)
        return F.cross_entropy(y_pred, y_true) * (1 + self.seen)


def test_buffer_of_the_loss():
    """A failed try leaves nothing in the buffers of a loss."""
    network, loss = make_mlp(dtype=torch.float64), Counting()
    limit = hand.Limit(network[2], 4, "backward")
    cut, cut_loss = make_mlp(dtype=torch.float64), Counting()

    fit(network, loss, micro_batch_size=ROWS)
    fit(cut, cut_loss, micro_batch_size=4)

    assert limit.hits == 1
    assert loss.seen == cut_loss.seen == ROWS
    assert torch.equal(weights_of(network), weights_of(cut))


class Keeping(nn.Module):
    """Keeps its last rows as they are, and gives NaN for the poisoned ones."""

    def __init__(self):
        super().__init__()
        self.mlp = make_mlp(dtype=torch.float64)
        self.register_buffer("last", torch.zeros(4, 4, dtype=torch.float64))

    def forward(self, x):
        self.last = x.detach()
        return self.mlp(x) * (math.nan if (x == 100.0).any() else 1.0)


@pytest.mark.parametrize("examples", [ROWS, 2])
@pytest.mark.parametrize("form", ["arrays", "batches"])
def test_rows_of_the_user(form, examples):
    """A step that is left out, or tried again, writes into no tensor that the network has put into a buffer."""
    x, y = make_data(3 * ROWS, dtype=torch.float64)
    x[[5, 17], 2] = 100.0
    before = x.clone()
    network = Keeping()
    limit = hand.Limit(network.mlp, examples)
    model = Model(network, "sgd", "cross_entropy", device="cpu")

    if form == "arrays":
        history = model.fit(x, y, **{**ORDERED, "batch_size": 4})
    else:
        batches = list(zip(x.split(4), y.split(4), strict=True))
        history = model.fit_generator(batches, epochs=1, seed=1, verbose=0)

    assert history.skipped_steps == 2
    assert (limit.hits > 0) == (examples == 2)
    assert torch.equal(x, before)


# Labels of which none counts


@pytest.mark.parametrize("micro_batch_size", [1, 3, 5])
@pytest.mark.parametrize("is_counted", [False, True])
def test_own_loss_without_labels(is_counted, micro_batch_size):
    """A loss of the model's own that reads no labels is learned from where all of them are ignored."""

    class Own(Model):
        def compute_loss(self, outputs, batch):
            return (outputs.square().sum(), outputs.numel()) if is_counted else outputs.square().mean()

    x, y = make_data(ROWS, dtype=torch.float64)
    reference = make_mlp(dtype=torch.float64)
    value = reference(x).square().mean()
    value.backward()
    torch.optim.SGD(reference.parameters(), lr=0.1).step()
    network = make_mlp(dtype=torch.float64)

    model = Own(network, torch.optim.SGD(network.parameters(), lr=0.1), "cross_entropy", device="cpu")
    history = model.fit(x, torch.full_like(y, -100), micro_batch_size=micro_batch_size, **ORDERED)

    assert hand.largest_difference(network, reference) <= 1e-10
    assert history[0]["loss"] == pytest.approx(value.item(), rel=1e-10)


# Hooks on a large table


class Words(nn.Module):
    """The mean of word vectors from a table so large that its gradients are kept sparse between parts."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.table, self.head = nn.Embedding(LARGE // 4, 4), nn.Linear(4, 3)
        self.double()

    def forward(self, x):
        return self.head(self.table(x).mean(1))


def make_words(rows=ROWS):
    generator = torch.Generator().manual_seed(2)
    return torch.randint(1000, (rows, 5), generator=generator), torch.arange(rows) % 3


def zeroed(gradient):
    gradient = gradient.clone()
    gradient[:500] = 0
    return gradient


@pytest.mark.parametrize("micro_batch_size", [1, 3])
@pytest.mark.parametrize("kind", ["gradient", "accumulated"])
def test_hook_on_a_table(kind, micro_batch_size):
    """A hook of the user's sees a dense gradient, and the parts add up to the whole batch."""
    x, y = make_words()
    seen = []

    def look(gradient):
        seen.append((gradient.is_sparse, gradient.shape))
        return zeroed(gradient)

    def accumulated(parameter):
        parameter.grad = look(parameter.grad)

    def hooked():
        network = Words()
        weight = network.table.weight
        _ = weight.register_hook(look) if kind == "gradient" else weight.register_post_accumulate_grad_hook(accumulated)
        return network

    reference, network = hooked(), hooked()
    hand.learn(reference, hand.sgd(reference), hand.cross_entropy, [(x, y, None)])

    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    model.fit(x, y, micro_batch_size=micro_batch_size, **ORDERED)

    assert set(seen) == {(False, (LARGE // 4, 4))}
    assert len(seen) == 1 + math.ceil(ROWS / micro_batch_size)
    assert hand.largest_difference(network, reference) <= 1e-10


@pytest.mark.parametrize("place", ["on_backward_end", "on_train_batch_begin", "on_train_batch_end"])
def test_gradients_between_batches(place):
    """Callbacks see dense gradients between the batches of a step too."""
    x, y = make_words(2 * ROWS)
    seen = []

    class Look(poutyne.Callback):
        def look(self, batch_number, *_):
            gradient = self.model.network.table.weight.grad
            if gradient is not None:
                seen.append((batch_number, gradient.is_sparse))

    look = Look()
    setattr(look, place, look.look)
    reference, network = Words(), Words()
    hand.learn(reference, hand.sgd(reference), hand.cross_entropy, [(x, y, None)])

    model = Model(network, hand.sgd(network), "cross_entropy", device="cpu")
    model.fit(x, y, micro_batch_size=3, batches_per_step=2, callbacks=[look], **ORDERED)

    assert {number for number, _ in seen} >= {2}
    assert not any(is_sparse for _, is_sparse in seen)
    assert hand.largest_difference(network, reference) <= 1e-10
