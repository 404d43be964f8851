"""Lets a frozen body compute the features of each row once.

In evaluation mode a body whose weights stay is a pure function of its inputs. So its `forward` is replaced, on the
instance and for a while, by one that looks every row up, and runs the true one for rows that are new. Whoever calls the
body, in training or validation, whole batches or parts of them, gets the same outputs, but zeros where padding is.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from keraslike.engine.kept_features import Features, Form, Row
from keraslike.engine.onlookers import is_asked_for_more, is_hooked, is_hooked_everywhere
from keraslike.engine.random_state import drawn_since, get_state, kept
from keraslike.engine.row_keys import Call, read_call
from keraslike.engine.still_weights import StillWeights

PER_TOKEN = frozenset({"last_hidden_state", "encoder_last_hidden_state"})
"""Outputs with a vector for each token."""

MEASURED = b"measured"
"""What is put behind the keys of rows that were computed while nothing was learned."""

POOLED, UNUSED = "pooler_output", "past_key_values"


class BodyMemo:
    """The features of a frozen body.

    It steps back by itself, for the rest of its time, where the body turns out not to be a function of each row: it
    draws random numbers, its weights are changed, it gives something else than tensors with as many rows; and where
    somebody hooks into it. Once a text is sent through without its padding; where that changes its features, padded
    batches go through the body. What is learned from is never what a validation has computed, in a batch of another
    company: with it or without, the bits are the same.

    Args:
        body: a model of transformers, frozen but for the part that is apart.
        features: where they are kept.
        may_crop: whether padding may be left out, because what stands behind the body does not look at it. If not,
            batches with padding go through the body.
        apart: its pooler, if it learns; it runs on the features in each step.
        on_step_back: is told in words why; None: nobody is.

    Attributes:
        is_on: False since it has stepped back.
    """

    def __init__(
        self,
        body: nn.Module,
        features: Features,
        *,
        may_crop: bool = True,
        apart: nn.Module | None = None,
        on_step_back: Callable[[str], None] | None = None,
    ) -> None:
        self.body, self.features, self.may_crop, self.apart = body, features, may_crop, apart
        self.on_step_back, self.is_on = on_step_back, True
        self._true: Any = body.forward
        self._signature = inspect.signature(self._true)
        self._modules, self._weights, self._is_new_epoch = list(body.modules()), StillWeights(self._frozen), False
        self._is_pure, self._is_padding_seen, self._is_trying = False, False, False

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a copy of the body have a plain `forward` of its own."""
        return MethodType, (type(self.body).forward, self.body)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Stand before the body inside."""
        vars(self.body)["forward"] = self
        try:
            yield
        finally:
            vars(self.body).pop("forward", None)
            if self._weights.are_kept(closely=True):
                self.features.close()  # or some that wait to be written may be of other weights

    def begin_epoch(self) -> None:
        """Look closely at the weights when the body is called next, since callbacks may change them before that."""
        self._is_new_epoch = True

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        """Give what the body would give."""
        call = self._read(args, inputs)
        if call is None:
            return self._true(*args, **inputs)
        found = self._find(call)
        missing = [row for row, features in enumerate(found) if features is None]
        if self.features.form is None or len(missing) == len(found):
            return self._computed(args, inputs, call)
        if missing:
            # By a call of the body, not of its forward: what hooks into it has to know which rows are inside.
            further = self._rows(self.body(**call.only(missing)), _part(call, missing))
            if further is None:
                return self._true(*args, **inputs)
            for row, features in zip(missing, further, strict=True):
                found[row] = features
        return self._assembled([features for features in found if features is not None], call)

    def _read(self, args: Sequence[Any], inputs: dict[str, Any]) -> Call | None:
        if not self.is_on or self.body.training or is_asked_for_more(self.body, inputs):
            return None
        why = self._why_no_longer()
        if why is not None:
            self._step_back(why)
            return None
        call = read_call(self._signature, args, inputs)
        return None if call is not None and call.is_padded and not self.may_crop else call

    def _why_no_longer(self) -> str | None:
        """Say in words what was done to the body under way; None where nothing was."""
        if is_hooked_everywhere() or any(map(is_hooked, self._modules)):
            return "somebody hooked into it under way"
        closely, self._is_new_epoch = self._is_new_epoch, False
        return None if self._weights.are_kept(closely=closely) else "its weights were changed under way"

    def _frozen(self) -> Iterator[Tensor]:
        """Give the weights and buffers that features depend on."""
        own: set[int] = set() if self.apart is None else {id(buffer) for buffer in self.apart.buffers()}
        yield from (parameter for parameter in self.body.parameters() if not parameter.requires_grad)
        yield from (buffer for buffer in self.body.buffers() if id(buffer) not in own)

    def _step_back(self, why: str) -> None:
        if self.is_on:
            self.is_on = False
            if self.on_step_back is not None:
                self.on_step_back(why)

    def _find(self, call: Call) -> list[Row | None]:
        found = self.features.find(call.keys)
        if torch.is_grad_enabled():
            return found
        measured = self.features.find(_kept_under(call.keys))
        return [row if row is not None else other for row, other in zip(found, measured, strict=True)]

    # Rows that are new

    def _computed(self, args: Sequence[Any], inputs: dict[str, Any], call: Call) -> Any:
        state = None if self._is_pure else get_state()
        outputs = self._true(*args, **inputs)
        if state is not None and drawn_since(state) != "nothing":
            self._step_back("it draws random numbers")
            return outputs
        rows = self._rows(outputs, call)
        if rows is None or not self._is_as_expected(outputs, rows, call):
            return outputs
        if self._is_trying:
            return outputs
        # Of a text that stands in a batch twice the first one counts, now as in later epochs and runs.
        first = dict(zip(reversed(call.keys), reversed(rows), strict=True))
        self.features.keep(_kept_under(first), list(first.values()))
        return outputs if len(first) == len(rows) else self._assembled([first[key] for key in call.keys], call)

    def _is_as_expected(self, outputs: Any, rows: list[Row], call: Call) -> bool:
        """Check once what has to be true of a body, and of its pooler."""
        if not self._is_pure and self.apart is not None:
            with kept(), torch.no_grad():
                is_equal = torch.equal(self.apart(outputs["last_hidden_state"]), outputs[POOLED])
            if not is_equal:
                self._step_back("its pooler, which learns, sees more than the last hidden states")
        self._is_pure = True
        if call.is_padded and not self._is_padding_seen:
            self._is_padding_seen = True
            assert call.lengths is not None  # it is padded
            shortest = min(range(len(call.lengths)), key=call.lengths.__getitem__)
            self._is_trying = True  # the batch's own features are the ones that are kept
            try:
                outputs = self.body(**call.alone(shortest))
            finally:
                self._is_trying = False
            alone = self._rows(outputs, _part(call, [shortest], call.lengths[shortest]))
            if alone is None or not all(map(_is_close, alone[0], rows[shortest])):
                self.may_crop = False
        return self.is_on and (self.may_crop or not call.is_padded)

    def _rows(self, outputs: Any, call: Call) -> list[Row] | None:
        """Give the features of each row; None where outputs are none, and it steps back."""
        form = self._form_of(outputs, call)
        if form is None or (self.features.form or form) != form:
            self._step_back("it gives something else than a tensor with as many rows as there are texts")
            return None
        self.features.form = form
        columns: list[Sequence[Tensor]] = []
        with torch.inference_mode(False), torch.no_grad():
            for name in form.fields:
                value = outputs[name].detach()
                if call.mask is None or call.lengths is None or name not in PER_TOKEN:
                    columns.append(value.clone().unbind(0))
                else:
                    columns.append(value[call.mask].split(call.lengths))
        return list(zip(*columns, strict=True))

    def _form_of(self, outputs: Any, call: Call) -> Form | None:
        """Give what the outputs are; None where they are not a tensor for each row or token in each field."""
        if not isinstance(outputs, dict) or not hasattr(outputs, "to_tuple"):
            return None
        dropped = {UNUSED} if self.apart is None else {UNUSED, POOLED}
        fields = tuple(name for name in outputs if name not in dropped)
        has_rows = all(isinstance(outputs[n], Tensor) and outputs[n].shape[:1] == (len(call.keys),) for n in fields)
        if not fields or not has_rows:
            return None
        if call.mask is not None:
            has_tokens = all(outputs[n].shape[:2] == call.mask.shape for n in fields if n in PER_TOKEN)
            if not has_tokens or not all(name in PER_TOKEN or name == POOLED for name in fields):
                return None
        return Form(type(outputs), fields)

    # Rows that are known

    def _assembled(self, rows: list[Row], call: Call) -> Any:
        """Put the features of rows together as the body would give them."""
        form = self.features.form
        assert form is not None  # there are rows
        device = next(value.device for value in call.inputs.values() if isinstance(value, Tensor))
        found: dict[str, Tensor] = {}
        with torch.no_grad():
            for name, column in zip(form.fields, zip(*rows, strict=True), strict=True):
                values = [value.to(device) for value in column]
                is_cropped = call.mask is not None and name in PER_TOKEN
                found[name] = _padded(values, call.mask) if is_cropped else torch.stack(values)
        if self.apart is not None:
            found[POOLED] = self.apart(found["last_hidden_state"])
        return form.kind(**found)


def _kept_under(keys: Iterable[bytes]) -> list[bytes]:
    """Give the names that features are kept under: without gradients they are not those of rows to learn from."""
    return list(keys) if torch.is_grad_enabled() else [key + MEASURED for key in keys]


def _part(call: Call, rows: Sequence[int], width: int | None = None) -> Call:
    """Give what is asked of some rows, which are as wide as all, or cut to a width."""
    keys = [call.keys[row] for row in rows]
    if call.mask is None or call.lengths is None:
        return call._replace(keys=keys)
    return call._replace(keys=keys, mask=call.mask[list(rows), :width], lengths=[call.lengths[row] for row in rows])


def _padded(values: Sequence[Tensor], mask: Tensor | None) -> Tensor:
    """Put rows of `(tokens, ...)` side by side, with zeros where there is no token."""
    assert mask is not None  # they are cropped
    flat = torch.cat(list(values))
    padded = flat.new_zeros((*mask.shape, *flat.shape[1:]))
    padded[mask] = flat
    return padded


def _is_close(alone: Tensor, within: Tensor) -> bool:
    """Tell whether features are the same but for rounding."""
    info = torch.finfo(alone.dtype)
    tolerance = info.eps * (1000 if info.bits >= 32 else 8)
    return bool((alone - within).abs().max() <= tolerance * within.abs().max().clamp(min=1))
