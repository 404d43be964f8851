"""What a body is called with, row by row, and a body that is not as it should be."""

from inspect import signature

import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook
from transformers import BertConfig, BertModel
from transformers.modeling_outputs import BaseModelOutput

from keraslike.engine.body_memo import BodyMemo
from keraslike.engine.kept_features import InMemory
from keraslike.engine.row_keys import read_call

IDS = torch.tensor([[5, 6, 7], [8, 9, 0]])
MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


class Body(torch.nn.Module):
    """A body that gives what it is told to give."""

    def __init__(self, *outputs):
        super().__init__()
        self.outputs = list(outputs)

    def forward(self, input_ids, attention_mask=None):
        """Give one after the other, of as many rows as come in."""
        return self.outputs.pop(0)(len(input_ids))


def hidden(rows, tokens=3):
    """Outputs as transformers give them."""
    return BaseModelOutput(last_hidden_state=torch.ones(rows, tokens, 4))


@pytest.mark.parametrize(
    "outputs",
    [
        [lambda rows: (torch.ones(rows, 3),)] * 2,
        [lambda rows: hidden(rows, 4)] * 2,
        [hidden, lambda rows: hidden(rows)[:], lambda rows: hidden(rows)[:]],
    ],
    ids=["tuple", "other tokens", "otherwise than before"],
)
def test_stepping_back(outputs):
    """The memo steps back from outputs that it cannot keep, says so to whoever asks, and leaves them as they are."""
    told = []
    for listener in (None, told.append):
        body = Body(*outputs).eval()
        memo = BodyMemo(body, InMemory([(torch.device("cpu"), 1000)], print), on_step_back=listener)
        with memo.in_force():
            body(IDS, torch.ones_like(IDS))
            body(torch.cat([IDS, IDS + 1]), torch.ones(4, 3, dtype=torch.long))

        assert body.outputs == []
        assert not memo.is_on

    assert told == ["it gives something else than a tensor with as many rows as there are texts"]


# Looks at the body


class Layered(torch.nn.Module):
    """A body with a frozen layer, that writes down how many rows go through it."""

    def __init__(self):
        super().__init__()
        self.rows, self.layer = [], torch.nn.Linear(4, 4).requires_grad_(False)
        self.eval()

    def forward(self, input_ids, attention_mask=None):
        """Give what the layer makes of each token."""
        self.rows.append(len(input_ids))
        return BaseModelOutput(last_hidden_state=self.layer(input_ids[..., None].float().expand(-1, -1, 4)))


@pytest.fixture
def body():
    """A body that a memo stands before, in `body.memo`."""
    body, told = Layered(), []
    memo = BodyMemo(body, InMemory([(torch.device("cpu"), 1000)], print), on_step_back=told.append)
    vars(body).update(memo=memo, told=told)
    with memo.in_force():
        body(IDS)
        yield body


def test_rows_that_are_known(body):
    """Rows that went through once do not again."""
    body(IDS)

    assert body.rows == [2]


def test_training_mode(body):
    """A body in training mode is asked each time, and nothing of that is kept."""
    body.train()
    body(IDS)
    body(IDS + 1)
    body.eval()
    body(IDS + 1)

    assert body.rows == [2, 2, 2, 2]
    assert body.memo.is_on


@pytest.mark.parametrize("register", [lambda hook, body: body.layer.register_forward_hook(hook), None])
def test_hooks_under_way(register, body):
    """From when somebody hooks into a part of the body, or into every module, each row goes through."""
    seen = []
    with (register or (lambda hook, _: register_module_forward_hook(hook)))(lambda *_: seen.append(1), body):
        body(IDS)
    body(IDS)

    assert seen
    assert body.rows == [2, 2, 2]
    assert body.told == ["somebody hooked into it under way"]


def move_in_place(layer):
    layer.weight.mul_(1.5)


def move_elsewhere(layer):
    layer.weight.data = layer.weight.data * 1.5


def move_unseen(layer):
    layer.weight.data.mul_(1.5)


def replace(layer):
    layer.weight = torch.nn.Parameter(layer.weight * 1.5, requires_grad=False)


def learn(layer):
    layer.weight.requires_grad_(True)


@pytest.mark.parametrize("change", [move_in_place, move_elsewhere])
def test_changes_that_are_seen_at_once(change, body):
    """Weights that are written to, or lie elsewhere with other numbers, end it at the next call."""
    change(body.layer)
    given = body(IDS)[0]

    assert torch.equal(given, body.layer(IDS[..., None].float().expand(-1, -1, 4)))
    assert body.told == ["its weights were changed under way"]


@pytest.mark.parametrize("change", [move_unseen, replace, learn])
def test_changes_that_are_seen_in_the_next_epoch(change, body):
    """What torch does not count as a change is seen at the first call of an epoch."""
    change(body.layer)
    body.memo.begin_epoch()
    given = body(IDS)[0]

    assert torch.equal(given, body.layer(IDS[..., None].float().expand(-1, -1, 4)))
    assert body.told == ["its weights were changed under way"]


def test_weights_that_are_put_back(body):
    """Weights that were written to, or moved, and hold the same numbers as before end nothing."""
    body.layer.weight.copy_(body.layer.weight.clone())
    body.layer.bias.data = body.layer.bias.data.clone()
    body.memo.begin_epoch()
    body(IDS)

    assert body.rows == [2]
    assert body.told == []


class Noted(InMemory):
    """Features that say when they are finished."""

    is_closed = False

    def close(self):
        """Write it down."""
        self.is_closed = True


@pytest.mark.parametrize(("change", "is_closed"), [(lambda _: None, True), (move_unseen, False)])
def test_changes_until_the_end(change, is_closed):
    """Features that wait to be written are not, where weights were changed since without anybody seeing it."""
    body, features = Layered(), Noted([(torch.device("cpu"), 1000)], print)

    with BodyMemo(body, features).in_force():
        change(body.layer)
        body(IDS)

    assert features.is_closed is is_closed


def test_rows_of_a_validation(body):
    """What a validation computes is for validations: where it is learned from, a row goes through in its own batch."""
    with torch.no_grad():
        body(IDS + 1)
        body(IDS + 1)
    body(IDS + 1)
    body(IDS + 1)
    with torch.no_grad():
        body(IDS)

    assert body.rows == [2, 2, 2]


def test_calls_that_ask_for_more():
    """A call that asks for hidden states goes through, and ends nothing; so it is while the configuration asks."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
    body = BertModel(BertConfig(vocab_size=10, **sizes)).requires_grad_(False).eval()
    memo = BodyMemo(body, InMemory([(torch.device("cpu"), 10000)], print))

    with memo.in_force():
        body(IDS, MASK)
        asked = body(IDS, MASK, output_hidden_states=True)
        body.config.output_hidden_states = True
        asked_by_config = body(IDS, MASK)
        body.config.output_hidden_states = False
        plain = body(IDS, MASK)

    assert len(asked.hidden_states) == len(asked_by_config.hidden_states) == 2
    assert plain.hidden_states is None
    assert memo.is_on


# Calls


def forward(input_ids, attention_mask=None, *further, use_cache=None, **named):
    """As bodies are called."""


def read(*args, **inputs):
    """Read a call of such a body."""
    return read_call(signature(forward), args, inputs)


@pytest.mark.parametrize(
    ("args", "inputs"),
    [
        ((), {}),
        ((IDS, MASK, 1), {}),
        ((IDS,), {"past": [IDS]}),
        ((IDS,), {"decoder_input_ids": IDS}),
        ((IDS, MASK.float()), {}),
        ((IDS, MASK[:, None]), {}),
        ((IDS, MASK.flip(1)), {}),
        ((IDS, torch.zeros_like(MASK)), {}),
        ((IDS.float(), MASK), {}),
        ((IDS.float().requires_grad_(),), {}),
        ((IDS,), {"positions": IDS[:1]}),
        ((IDS,), {"scale": torch.tensor(1.0)}),
    ],
)
def test_calls_that_are_not_read(args, inputs):
    """A call whose rows cannot be told apart by content and real length goes through."""
    assert read(*args, **inputs) is None


def test_keys():
    """A key is of a row's real tokens and of the settings, whatever the padding and the way to pass arguments."""
    keys = read(IDS, MASK).keys

    assert read(attention_mask=MASK[1:, :2], input_ids=IDS[1:, :2]).keys == keys[1:]
    assert read(IDS, MASK, further=None).keys == keys
    others = [read(IDS), read(IDS, MASK, use_cache=True), read(IDS.int(), MASK), read(IDS, MASK, types=IDS)]
    assert len({key for call in others for key in call.keys} | set(keys)) == 10


def test_keys_without_padding():
    """Numbers that are no whole ones count by their bytes where no row has padding."""
    sounds, mask = IDS.float(), torch.ones_like(MASK)

    keys = read(sounds, mask).keys

    assert len(set(keys)) == 2
    assert read(sounds[1:], mask[1:]).keys == keys[1:]
    assert read(sounds + 1e-6, mask).keys != keys
