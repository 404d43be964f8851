"""What a body is called with, row by row, and a body that is not as it should be."""

from inspect import signature

import pytest
import torch
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
