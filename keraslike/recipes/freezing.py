"""What of a network does not learn, and from which epoch on it does."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from poutyne import Callback
from torch import nn

from keraslike.calling import did_you_mean
from keraslike.data.values import plain
from keraslike.engine.run import Run
from keraslike.errors import ArgumentError
from keraslike.recipes.layers import Depths, body_of, depths_of, pretrained_parameters

ALL = "all"


class Freezable(Protocol):
    """What is asked of the model."""

    network: nn.Module
    optimizer: Any
    kept_modes: Sequence[tuple[nn.Module, bool]]

    def set_mode(self, *, training: bool) -> None:
        """Set training or evaluation mode."""
        ...


@dataclass(frozen=True)
class Chosen:
    """What is frozen: parameters, and the modules that stay in evaluation mode with them."""

    parameters: list[nn.Parameter] = field(default_factory=list)
    modules: list[nn.Module] = field(default_factory=list)


class Freezing(Callback):
    """Keeps parts of a network as they are during a run, and lets them learn from their epoch on.

    Within it `requires_grad` of what is frozen is False, and its modules are in evaluation mode, also after each
    validation: no dropout, and the statistics of BatchNorm stay. At its end the flags are those of before. Parameters
    that the user had frozen before are not touched.

    Args:
        model: the model; its optimizer holds frozen parameters too, which neither move nor decay without a gradient.
        chosen: what is frozen.
        unfreeze: how many of the top layers learn from an epoch on, or "all".
        depths: where the parameters lie; needed where `unfreeze` counts layers.
        epoch: the number of the first epoch.
    """

    def __init__(
        self,
        model: Freezable,
        chosen: Chosen,
        unfreeze: Mapping[int, int | str],
        depths: Depths | None,
        epoch: int = 1,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Poutyne is untyped
        self.owner, self.chosen, self.unfreeze, self.depths, self.epoch = model, chosen, unfreeze, depths, epoch
        self._frozen = [parameter for parameter in chosen.parameters if parameter.requires_grad]

    @property
    def is_for_good(self) -> bool:
        """Whether what is frozen stays so through the whole run."""
        return not self.unfreeze

    def __enter__(self) -> Self:
        self._apply(self.epoch)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.owner.kept_modes = ()
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        self.owner.set_mode(training=self.owner.network.training)

    def on_epoch_begin(self, epoch_number: int, logs: Any) -> None:
        """Let those layers learn whose epoch has come."""
        self._apply(epoch_number)

    def _apply(self, epoch: int) -> None:
        layers = self._layers_at(epoch)
        for parameter in self._frozen:
            parameter.requires_grad_(layers == ALL or self._is_within(parameter, int(layers)))
        modules = [] if layers == ALL else self.chosen.modules
        self.owner.kept_modes = [mode for module in modules for mode in _modes(module)]

    def _layers_at(self, epoch: int) -> int | str:
        """Give how many of the top layers learn in an epoch."""
        begun = [number for number in self.unfreeze if number <= epoch]
        return self.unfreeze[max(begun)] if begun else 0

    def _is_within(self, parameter: nn.Parameter, layers: int) -> bool:
        if self.depths is None or layers == 0 or id(parameter) in self.depths.before:
            return False
        return self.depths.below.get(id(parameter), 0) <= layers

    def notes(self) -> list[str]:
        """Give the line that says how many parameters learn; asked for within."""
        learning, frozen = (
            sum(p.numel() for p in self.owner.network.parameters() if p.requires_grad is learns)
            for learns in (True, False)
        )
        later = [f"from epoch {at} {_told(layers)}" for at, layers in self.unfreeze.items() if at > self.epoch]
        then = f"; {', '.join(later)}" if later else ""
        return [f"{learning:,} parameters learn, {frozen:,} are frozen{then}."]


def _told(layers: int | str) -> str:
    return "all learn" if layers == ALL else f"the top {'layer learns' if layers == 1 else f'{layers} layers learn'}"


def _modes(module: nn.Module) -> Iterator[tuple[nn.Module, bool]]:
    """Give the modes of a frozen module, and of those of its parts that learn as a whole."""
    yield module, False
    yield from ((part, True) for part in _learning(module))


def _learning(module: nn.Module) -> Iterator[nn.Module]:
    flags = [parameter.requires_grad for parameter in module.parameters()]
    if flags and all(flags):
        yield module
    elif any(flags):
        for child in module.children():
            yield from _learning(child)


def plan_freezing(model: Freezable, options: Mapping[str, Any], run: Run, fresh: Collection[str] = ()) -> Freezing:
    """Give what freezes parts of a network during a run, as its context; the run tells it of each epoch.

    Args:
        model: the model.
        options: of fit: `freeze` and `unfreeze`.
        run: the run.
        fresh: names of the parameters that no checkpoint held; they learn, in the body too.

    Raises:
        ArgumentError: there is nothing of this name, or nothing left to learn, or `unfreeze` does not fit.
    """
    freeze, unfreeze = options.get("freeze"), options.get("unfreeze")
    network = model.network
    if freeze in (None, False) and unfreeze is None:
        return Freezing(model, Chosen(), {}, None)
    chosen = _choose(network, "body" if freeze in (None, False) else freeze, fresh)
    epochs = {} if unfreeze is None else _read_epochs(unfreeze, run)
    depths = None
    if any(layers != ALL for layers in epochs.values()):
        depths = depths_of(network, f"unfreeze={unfreeze!r}")
        _check_layers(epochs, depths)
    freezing = Freezing(model, chosen, epochs, depths, run.initial_epoch)
    _require_learning(model, freezing)
    run.callbacks.callbacks.insert(0, freezing)
    return freezing


def _choose(network: nn.Module, freeze: Any, fresh: Collection[str]) -> Chosen:
    """Give what "body", names of modules or parameters, and regular expressions stand for."""
    names = [freeze] if isinstance(freeze, str) else freeze
    if not isinstance(names, Collection) or not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f"freeze={freeze!r} is neither a word nor a list of names.",
            '"body", or names of modules or parameters, or regular expressions for the names of parameters.',
            'write freeze="body", or freeze=["embeddings"].',
        )
    body = body_of(network) if "body" in names else None
    named = [name for name in names if body is None or name != "body"]
    found = {id(parameter): parameter for name in named for parameter in _parameters_of(network, name)}
    modules = list(_covered(network, found))
    if body is None:
        return Chosen(list(found.values()), modules)
    held = {id(parameter): parameter for parameter in pretrained_parameters(network, body, fresh)}
    return Chosen(list((held | found).values()), [body, *modules])


def _parameters_of(network: nn.Module, name: str) -> list[nn.Parameter]:
    """Give the parameters of a name: of the network, of its body, or a regular expression."""
    body = body_of(network)
    for root in (network,) if body is None else (network, body):
        parameters = dict(root.named_parameters(remove_duplicate=False))
        found = [p for own, p in parameters.items() if own == name or own.startswith(f"{name}.")]
        if found:
            return found
    if name == "body":
        raise _no_body(network)
    own = dict(network.named_parameters(remove_duplicate=False))
    found = [parameter for full, parameter in own.items() if _matches(name, full)]
    if not found:
        known = ["body", *(full for full, _ in network.named_modules() if full), *own]
        children = [child for child, _ in network.named_children()]
        raise ArgumentError(
            f"freeze names {name!r}, and no module or parameter is called so.",
            f'"body", or names such as {", ".join([*children, *list(own)[:1]])}.',
            did_you_mean(name, known, "look at the names: [name for name, _ in model.network.named_parameters()]."),
        )
    return found


def _no_body(network: nn.Module) -> ArgumentError:
    parts = [name for name, _ in network.named_children()]
    return ArgumentError(
        f'freeze="body" needs a body, and {type(network).__name__} has none, or several.',
        f"a transformer, or a module with one in it; or names of parts: {', '.join(parts)}.",
        f"write freeze=[{(parts or ['name'])[0]!r}].",
    )


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise ArgumentError(
            f"freeze names {pattern!r}, which is no regular expression: {error}.",
            "a name, or a regular expression.",
            f"write {re.escape(pattern)!r}.",
        ) from None


def _covered(module: nn.Module, found: Mapping[int, nn.Parameter]) -> Iterator[nn.Module]:
    """Give the largest modules of which all parameters were found."""
    own = [id(parameter) in found for parameter in module.parameters()]
    if own and all(own):
        yield module
    elif any(own):
        for child in module.children():
            yield from _covered(child, found)


def _read_epochs(unfreeze: Any, run: Run) -> dict[int, int | str]:
    """Read from which epoch on how many layers learn."""
    do = 'write unfreeze={2: 2, 3: "all"}.'
    if not isinstance(unfreeze, Mapping) or not unfreeze:
        raise ArgumentError(f"unfreeze={unfreeze!r} is no dict of epochs.", "how many layers learn, by epoch.", do)
    epochs = {plain(epoch): plain(layers) for epoch, layers in unfreeze.items()}
    for epoch, layers in epochs.items():
        if not _is_count(epoch) or (run.epochs is not None and epoch > run.epochs):
            last = "" if run.epochs is None else f" to {run.epochs}, the last one of this run"
            raise ArgumentError(f"unfreeze has an epoch {epoch!r}.", f"the number of an epoch, from 1{last}.", do)
        if layers != ALL and not _is_count(layers):
            near = did_you_mean(layers, [ALL], do) if isinstance(layers, str) else do
            raise ArgumentError(f"unfreeze[{epoch}]={layers!r} is no number of layers.", 'an int, or "all".', near)
    return dict(sorted(epochs.items()))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_layers(epochs: Mapping[int, int | str], depths: Depths) -> None:
    """Refuse more layers than there are, and fewer than in an epoch before."""
    before = 0
    for epoch, layers in epochs.items():
        number = depths.layers + 1 if layers == ALL else int(layers)
        if layers != ALL and number > depths.layers:
            raise ArgumentError(
                f"unfreeze[{epoch}]={layers}, and there are {depths.layers} layers.",
                f'an int from 1 to {depths.layers}, or "all".',
                f'write unfreeze={{{epoch}: "all"}}.',
            )
        if number < before:
            raise ArgumentError(
                f"unfreeze[{epoch}]={layers} is less than in an epoch before it.",
                "as many layers or more from epoch to epoch: what has begun to learn goes on.",
            )
        before = number


def _require_learning(model: Freezable, freezing: Freezing) -> None:
    """Refuse a run in which nothing of what the optimizer holds learns at the beginning."""
    with freezing:
        held = [parameter for group in model.optimizer.param_groups for parameter in group["params"]]
        if not any(parameter.requires_grad for parameter in held):
            raise ArgumentError(
                "freeze leaves nothing that learns in the first epoch.",
                "a head, or layers, of which the optimizer holds the parameters.",
                "freeze less; or let layers learn from the start: unfreeze={1: 1}.",
            )
