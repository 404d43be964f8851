"""Gives a function the arguments it names, and finds the nearest name to a misspelt one."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

from keraslike.errors import ArgumentError

OUTPUT_NAMES = frozenset({"y_pred", "outputs", "predictions", "logits"})
"""The names by which a loss or a metric may ask for what the network gave."""

TARGET_NAMES = frozenset({"y_true", "targets", "labels"})
"""The names by which it may ask for the targets."""

INPUT_NAMES = frozenset(
    {
        "attention_mask",
        "bbox",
        "cross_attention_mask",
        "decoder_attention_mask",
        "decoder_input_ids",
        "global_attention_mask",
        "input_features",
        "input_ids",
        "input_values",
        "inputs_embeds",
        "pixel_mask",
        "pixel_values",
        "position_ids",
        "special_tokens_mask",
        "token_type_ids",
    }
)
"""What networks read, by the names that transformers give it; a loss or a metric may ask for each of them."""

_MANY = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Give the choice most like `name`, whatever its case and its `-` or `_`; None if nothing comes close.

    Example:
        >>> nearest("acuracy", ["accuracy", "f1"])
        'accuracy'
        >>> nearest("text_clasification", ["text-classification"])
        'text-classification'
    """
    folded = {_fold(choice): choice for choice in choices}
    matches = get_close_matches(_fold(name), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def nearest_directory(path: Any, names: Iterable[str] = ()) -> str | None:
    """Give the directory whose name is most like that of a path, of those beside it; or one of further names."""
    parent = Path(path).parent
    beside = {other.name: str(other) for other in parent.iterdir() if other.is_dir()} if parent.is_dir() else {}
    match = nearest(Path(path).name, [*names, *beside])
    return match if match is None else beside.get(match, match)


def did_you_mean(name: str, choices: Iterable[str], otherwise: str | None = None) -> str | None:
    """Give the sentence "did you mean 'x'?" for the nearest choice, or `otherwise`.

    Example:
        >>> did_you_mean("epoch", ["epochs", "batch_size"])
        "did you mean 'epochs'?"
    """
    match = nearest(name, choices)
    return f"did you mean {match!r}?" if match is not None else otherwise


def parameters_of(function: Callable[..., Any]) -> list[str]:
    """Give the names in a verb's signature that a user can write.

    Example:
        >>> parameters_of(did_you_mean)
        ['name', 'choices', 'otherwise']
    """
    return [name for name in signature(function).parameters if name not in ("self", "options", "misspelt")]


class Call:
    """A loss or a metric, called with what it names; from `called_by_name`.

    Args:
        function: the loss or the metric.
        names: those of its parameters that are filled by name; none: it gets predictions and targets, by position.
        more: names that are given at the call beside those of predictions, targets and inputs.
        takes_weight: whether it also takes a `sample_weight`, which is filled where there is one.

    Attributes:
        takes_inputs: whether it asks for more than predictions, targets, sample weights and `more`.

    Example:
        >>> def missing(input_ids, labels):
        ...     return set(labels) - set(input_ids)
        >>> Call(missing, ["input_ids", "labels"])(None, [1, 2], {"input_ids": [2, 3]})
        {1}
    """

    def __init__(
        self,
        function: Callable[..., Any],
        names: Iterable[str] = (),
        more: Iterable[str] = (),
        *,
        takes_weight: bool = False,
    ) -> None:
        self.function = function
        self.names = tuple(names)
        self.known = OUTPUT_NAMES | TARGET_NAMES | {"sample_weight", *more}
        self.takes_weight = takes_weight
        self.takes_inputs = not self.known >= set(self.names)
        self.__name__ = name_of(function)

    def __call__(self, y_pred: Any, y_true: Any, inputs: Any = None, **more: Any) -> Any:
        """Call the function.

        Args:
            y_pred: what the network gave; of a Mapping, `logits` is its item of that name.
            y_true: the targets; of a Mapping, `labels` is its item of that name.
            inputs: the network's inputs, where they have names: a Mapping.
            more: what else there is by name, such as `sample_weight`.

        Raises:
            ArgumentError: it names something that is nowhere.
        """
        weight = more.get("sample_weight")
        given = {} if weight is None or not self.takes_weight else {"sample_weight": weight}
        if not self.names:
            return self.function(y_pred, y_true, **given)
        for name in self.names:
            given[name] = self._find(name, y_pred, y_true, inputs, more)
        return self.function(**given)

    def _find(self, name: str, y_pred: Any, y_true: Any, inputs: Any, more: Mapping[str, Any]) -> Any:
        if name in more:
            return more[name]
        if name in OUTPUT_NAMES and not (name == "logits" and isinstance(y_pred, Mapping)):
            return y_pred
        if name in TARGET_NAMES and not (name == "labels" and _holds(y_true, name)):
            return inputs[name] if y_true is None and _holds(inputs, name) else y_true
        for place in (inputs, y_true, y_pred):
            if _holds(place, name):
                return place[name]
        return self._miss(name, y_pred, y_true, inputs, more)

    def _miss(self, name: str, *places: Any) -> Any:
        if name == "sample_weight":  # nobody weighs the examples
            return None
        found = sorted({str(key) for place in places if isinstance(place, Mapping) for key in place})
        there = list(dict.fromkeys([*sorted(self.known), *found]))
        raise ArgumentError(
            f"{self.__name__} asks for {name}, which is not there.",
            f"names among {', '.join(there)}.",
            did_you_mean(name, there, f"give {name} a default, or set it: functools.partial({self.__name__}, ...)."),
        )


def name_of(function: Any) -> str:
    """Give the name of a function, also behind a `partial`, or of an object's class.

    Example:
        >>> name_of(did_you_mean), name_of(partial(did_you_mean, "epoch"))
        ('did_you_mean', 'did_you_mean')
    """
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def called_by_name(function: Callable[..., Any], *, has_inputs: bool = False, more: Iterable[str] = ()) -> Call:
    """Give a loss or a metric as a function that is called with what it names.

    Where all its parameters without a default are names that are known (predictions: `y_pred`, `outputs`,
    `predictions`, `logits`; targets: `y_true`, `targets`, `labels`; and what `has_inputs` and `more` add), they are
    given by name, and only they are filled, and `sample_weight` wherever it is named. Else two are given by position:
    the predictions, then the targets. Of an `nn.Module`, `forward` is read.

    Args:
        function: the loss or the metric: a function, a `partial`, an object that can be called.
        has_inputs: whether the network's inputs are given too. Then names of `INPUT_NAMES` are known, and with them
            any other name, which is looked up at the call.
        more: further names that are known.

    Raises:
        ArgumentError: if its parameters can be filled in neither way.

    Example:
        >>> def missing(y_true, y_pred):
        ...     return set(y_true) - set(y_pred)
        >>> called_by_name(missing)([1, 2], [2, 3])
        {3}
    """
    try:
        found = signature(getattr(function, "forward", function))
    except (TypeError, ValueError):  # written in C
        return Call(function)
    fixed = [parameter for parameter in found.parameters.values() if parameter.kind not in _MANY]
    required = [parameter.name for parameter in fixed if parameter.default is Parameter.empty]
    takes_weight = "sample_weight" in [parameter.name for parameter in fixed]
    more = frozenset(more)
    known = OUTPUT_NAMES | TARGET_NAMES | more | {"sample_weight"} | (INPUT_NAMES if has_inputs else frozenset())
    has_names = not any(parameter.kind is Parameter.POSITIONAL_ONLY for parameter in fixed)
    if has_names and required and known >= set(required):
        return Call(function, required, more, takes_weight=takes_weight)
    names = [parameter.name for parameter in fixed[:2]]
    is_turned = not TARGET_NAMES.isdisjoint(names[:1]) or not OUTPUT_NAMES.isdisjoint(names[1:])
    if _takes_two(found) and not is_turned:
        return Call(function, takes_weight=takes_weight)
    if has_names and has_inputs and not known.isdisjoint(required):
        return Call(function, required, more, takes_weight=takes_weight)
    raise ArgumentError(
        f"a loss or metric asks for {', '.join(required) or 'nothing'}.",
        f"only names among {', '.join(sorted(known))}; or other names, two of them: predictions, then targets.",
        "write def metric(y_pred, y_true): ..., or give the other parameters a default.",
    )


def _holds(place: Any, name: str) -> bool:
    return isinstance(place, Mapping) and name in place


def _takes_two(found: Signature) -> bool:
    try:
        found.bind(None, None)
    except TypeError:
        return False
    return True


def _fold(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
