"""What a body is called with, row by row: a row is known again by its real content, whatever it is padded to."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from inspect import Parameter, Signature
from typing import Any, NamedTuple

import torch
from torch import Tensor

MASK = "attention_mask"

PLAIN = (bool, int, float, str)


class Call(NamedTuple):
    """A call of a body whose rows can be told apart.

    Args:
        inputs: what it is given, by name.
        keys: of each row, a digest of its content and of how the body is called.
        mask: where there are tokens, shape `(rows, tokens)`, bool; None: rows are as they are, none has padding.
        lengths: tokens of each row; None as `mask`.
    """

    inputs: dict[str, Any]
    keys: list[bytes]
    mask: Tensor | None
    lengths: list[int] | None

    @property
    def is_padded(self) -> bool:
        """Whether a row is shorter than the others."""
        return self.mask is not None and self.lengths is not None and min(self.lengths) < self.mask.shape[1]

    def only(self, rows: Sequence[int]) -> dict[str, Any]:
        """Give the inputs of some rows."""
        tensors = [value for value in self.inputs.values() if isinstance(value, Tensor)]
        places = torch.tensor(rows, device=tensors[0].device)
        return {n: v.index_select(0, places) if isinstance(v, Tensor) else v for n, v in self.inputs.items()}

    def alone(self, row: int) -> dict[str, Any]:
        """Give the inputs of one row without its padding."""
        assert self.mask is not None  # or there is no padding
        assert self.lengths is not None  # as above
        shape, length = self.mask.shape, self.lengths[row]
        inputs = self.only([row])
        along = [name for name, value in self.inputs.items() if _is_along(value, shape)]
        return inputs | {name: inputs[name][:, :length] for name in along}


def read_call(signature: Signature, args: Sequence[Any], inputs: Mapping[str, Any]) -> Call | None:
    """Read a call of a body.

    Args:
        signature: of its `forward`.
        args: given by position.
        inputs: given by name.

    Returns:
        None where its rows cannot be told apart: something but tensors with a row each and plain settings is given, or
        what is generated so far; there is padding before or between tokens, or in anything but whole numbers.

    Example:
        >>> from inspect import signature
        >>> def forward(input_ids, attention_mask=None): ...
        >>> ids, mask = torch.tensor([[4, 5, 6], [4, 5, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
        >>> call = read_call(signature(forward), (ids,), {"attention_mask": mask})
        >>> call.lengths, call.keys[1] == read_call(signature(forward), (ids[1:, :2], mask[1:, :2]), {}).keys[0]
        ([3, 2], True)
    """
    given = _by_name(signature, args, inputs)
    tensors = {name: value for name, value in sorted(given.items()) if isinstance(value, Tensor)}
    settings = {name: value for name, value in sorted(given.items()) if not isinstance(value, Tensor)}
    if not tensors or not all(isinstance(value, PLAIN) for value in settings.values()):
        return None
    if any(name.startswith("decoder_") or tensor.requires_grad for name, tensor in tensors.items()):
        return None
    if len({tensor.shape[0] if tensor.ndim else -1 for tensor in tensors.values()}) != 1:
        return None
    mask = tensors.get(MASK)
    if mask is None:
        return Call(given, _keys(tensors, settings, None, None), None, None)
    if mask.ndim != 2 or mask.is_floating_point():
        return None
    lengths, width = mask.sum(1), mask.shape[1]
    is_right = torch.equal(mask.bool(), torch.arange(width, device=mask.device) < lengths[:, None])
    along = [value for name, value in tensors.items() if name != MASK and _is_along(value, mask.shape)]
    counts = lengths.tolist()
    if not is_right or min(counts, default=0) < 1:
        return None
    if not along or any(value.is_floating_point() for value in along):  # frames are fewer than samples
        return None if min(counts) < width else Call(given, _keys(tensors, settings, None, None), None, None)
    return Call(given, _keys(tensors, settings, mask, counts), mask.bool(), counts)


def _by_name(signature: Signature, args: Sequence[Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Give all that is not None by name; nothing, where it does not fit, of which the body itself will tell."""
    try:
        bound = signature.bind(*args, **inputs).arguments
    except TypeError:
        return {}
    kinds = {parameter.name: parameter.kind for parameter in signature.parameters.values()}
    further = {name: value for name, value in bound.items() if kinds[name] is Parameter.VAR_KEYWORD}
    named = {name: value for name, value in bound.items() if name not in further}
    for values in further.values():
        named |= values
    return {name: value for name, value in named.items() if value is not None}


def _is_along(value: Any, shape: Sequence[int]) -> bool:
    """Tell whether a tensor has something for each token."""
    return isinstance(value, Tensor) and tuple(value.shape[:2]) == tuple(shape)


def _keys(
    tensors: Mapping[str, Tensor], settings: Mapping[str, Any], mask: Tensor | None, lengths: list[int] | None
) -> list[bytes]:
    told: list[Any] = [settings]
    columns = []
    for name, tensor in tensors.items():
        is_cropped = mask is not None and _is_along(tensor, mask.shape)
        told.append((name, str(tensor.dtype), tuple(tensor.shape[2 if is_cropped else 1 :])))
        if name == MASK and lengths is not None:
            continue  # the lengths tell it
        rows = tensor.detach().contiguous().cpu().reshape(tensor.shape[0], -1).view(torch.uint8).numpy()
        columns.append((rows, rows.shape[1] // tensor.shape[1] if is_cropped else None))
    digest = blake2b(repr(told).encode(), digest_size=16)
    keys = []
    for row in range(next(iter(tensors.values())).shape[0]):
        own = digest.copy()
        for rows, per_token in columns:
            length = rows.shape[1] if per_token is None or lengths is None else lengths[row] * per_token
            own.update(rows[row, :length].tobytes())
        keys.append(own.digest())
    return keys
