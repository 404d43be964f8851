"""How the user wants batches loaded: workers, a sampler, and further arguments of torch's `DataLoader`."""

from collections.abc import Iterable, Iterator, Mapping
from inspect import signature
from numbers import Integral
from typing import Any

import torch
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from keraslike.calling import did_you_mean
from keraslike.errors import ArgumentError

Loading = dict[str, Any]

OF_TRAINING = frozenset({"shuffle", "sampler", "batch_sampler", "drop_last"})
"""What says which rows come when; validation and prediction see all rows, in their order."""

OF_FIT = {
    "batch_size": "fit(batch_size=...)",
    "shuffle": "fit(shuffle=...)",
    "batch_sampler": "fit(batch_size=..., sampler=...)",
    "collate_fn": "a task whose collate does it",
}
"""What a task's batches settle themselves, and where it is said instead."""

OF_WORKERS = ("persistent_workers", "prefetch_factor", "multiprocessing_context")
"""What a `DataLoader` takes only where there are worker processes."""

USUAL_BATCH_SIZE = 32
"""The default of `fit`: where it was given, nobody may have meant it."""


class OwnLoader(DataLoader[Any]):
    """A `DataLoader` that was made here of a user's data set: its order is ours, not the user's."""


def loading_of(options: Mapping[str, Any]) -> Loading:
    """Put `workers=`, `sampler=` and `dataloader_kwargs=` together.

    Args:
        options: the rarer arguments of a verb.

    Returns:
        Arguments of a `DataLoader`; empty where the user says nothing.

    Raises:
        ArgumentError: `workers` is no number of processes, or two arguments contradict each other.

    Example:
        >>> loading_of({"workers": 2, "dataloader_kwargs": {"drop_last": True}})
        {'drop_last': True, 'num_workers': 2}
    """
    loading = _named(options.get("dataloader_kwargs") or {})
    for name, torch_name in (("workers", "num_workers"), ("sampler", "sampler")):
        value = options.get(name)
        if value is None:
            continue
        if loading.get(torch_name, value) is not value:
            raise ArgumentError(
                f"{name} and dataloader_kwargs[{torch_name!r}] are two names of one thing, and differ.",
                "one of them.",
                f"leave {torch_name!r} out of dataloader_kwargs.",
            )
        loading[torch_name] = value
    _check(loading, options)
    check_workers(loading)
    if not loading.get("num_workers"):
        loading.pop("num_workers", None)
    return loading


def _named(given: Any) -> Loading:
    """Refuse arguments that a `DataLoader` does not have."""
    known = [name for name in signature(DataLoader.__init__).parameters if name not in ("self", "dataset")]
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f"dataloader_kwargs is {given!r:.80}, a {type(given).__name__}.",
            "a dict of arguments of torch's DataLoader.",
            'write dataloader_kwargs={"drop_last": True}.',
        )
    for name in given:
        if name not in known:
            raise ArgumentError(
                f"dataloader_kwargs has {name!r}, which torch's DataLoader does not take.",
                f"one of {', '.join(known)}.",
                did_you_mean(str(name), known, "leave it out."),
            )
    return dict(given)


def check_workers(loading: Loading) -> None:
    """Refuse what only worker processes can do where there are none.

    Raises:
        ArgumentError: dataloader_kwargs holds such a thing.

    Example:
        >>> check_workers({"num_workers": 2, "prefetch_factor": 4})
    """
    alone = [name for name in OF_WORKERS if loading.get(name) and not loading.get("num_workers")]
    if alone:
        raise ArgumentError(
            f"dataloader_kwargs has {alone[0]!r}, which is for worker processes, but there are none.",
            "workers= beside it.",
            f"set workers=2, or leave out {alone[0]!r}.",
        )


def _check(loading: Loading, options: Mapping[str, Any]) -> None:
    workers = loading.get("num_workers", 0)
    if isinstance(workers, bool) or not isinstance(workers, Integral) or workers < 0:
        raise ArgumentError(
            f"workers is {workers!r}.", "a number of processes: 0, 1, 2, ...", "leave it out, or set workers=2."
        )
    sampler = loading.get("sampler")
    if sampler is not None and not isinstance(sampler, Iterable):
        raise ArgumentError(
            f"sampler is {sampler!r:.80}, which gives no indices.",
            "an iterable of row numbers, such as a torch.utils.data.Sampler.",
            "sampler=WeightedRandomSampler(weights, num_samples=len(x)).",
        )
    if sampler is not None and options.get("shuffle"):
        raise ArgumentError(
            "shuffle=True and sampler= both say in which order the rows come.", "one of them.", "leave out shuffle."
        )


def for_measuring(loading: Loading) -> Loading:
    """Leave out what changes which rows come when."""
    return {name: value for name, value in loading.items() if name not in OF_TRAINING}


def refuse_loading(x: Any, loading: Loading) -> None:
    """Refuse to load otherwise what loads by itself: the user's DataLoader, stream or generator.

    Raises:
        ArgumentError: the user says how to load, and gives batches or rows that come as they are.
    """
    if not loading:
        return
    name = next(iter(loading))
    given = {"num_workers": "workers="}.get(name, f"{name}=")
    is_loader = isinstance(x, DataLoader)
    raise ArgumentError(
        f"x is a {type(x).__name__}, which is read as it comes, and {given} is given.",
        f"{given} only with rows that keraslike makes batches of.",
        f"put it where x is made: DataLoader(..., {name}=...)." if is_loader else "leave it out, or give a list.",
    )


def check_beside_loader(x: Any, batch_size: int | None = None, shuffle: bool | None = None) -> None:
    """Refuse another batch size or order than those of the user's DataLoader, which keeps its own.

    Args:
        x: what was given; anything but a DataLoader passes.
        batch_size: what the user says; None, and what the loader has itself, pass.
        shuffle: likewise.

    Raises:
        ArgumentError: the loader has another.
    """
    if not isinstance(x, DataLoader):
        return
    kinds = {RandomSampler: True, SequentialSampler: False}
    own = {"batch_size": x.batch_size, "shuffle": kinds.get(type(x.sampler))}
    for name, value in {"batch_size": batch_size, "shuffle": shuffle}.items():
        if value is not None and value != own[name]:
            raise ArgumentError(
                f"x is a DataLoader, which is read as it comes, and {name}={value!r} is given.",
                f"{name} where the loader is made.",
                f"write DataLoader(..., {name}={value!r}), or leave it out.",
            )


def refuse_beside_batches(x: Any, **given: Any) -> None:
    """Refuse arguments that a source with an order of its own cannot honour.

    Args:
        x: the source.
        given: the arguments by name; those that are None pass.

    Raises:
        ArgumentError: one is given.
    """
    names = [name for name, value in given.items() if value is not None]
    if names:
        do = "put the labels into its rows." if names[0] == "y" else "split the rows yourself: validation_data=."
        raise ArgumentError(
            f"x is a {type(x).__name__}, which is read as it comes, and {names[0]} is given.",
            f"a {type(x).__name__} alone, which holds its own labels.",
            do,
        )


def check_loading_of_task(loading: Loading) -> None:
    """Refuse what a task settles itself.

    Raises:
        ArgumentError: dataloader_kwargs holds such a thing.
    """
    for name, instead in OF_FIT.items():
        if name in loading:
            raise ArgumentError(
                f"dataloader_kwargs has {name!r}, which the batches of a task settle themselves.",
                "workers, a sampler, drop_last, prefetch_factor and the like.",
                f"use {instead}.",
            )


class InWorkers:
    """Items that are made in worker processes, given in their order.

    Args:
        make: makes an item of its key; it is sent to the workers.
        keys: one for each item.
        loading: arguments of a `DataLoader`, `num_workers` among them.
    """

    def __init__(self, make: Any, keys: list[Any], loading: Loading) -> None:
        self.make, self.keys, self.loading = make, keys, loading

    def __getitem__(self, key: Any) -> Any:
        return self.make(key)

    def __iter__(self) -> Iterator[Any]:
        generator = torch.Generator().manual_seed(0)  # a DataLoader would draw from the network's random state
        own: Loading = {"batch_size": None, "sampler": self.keys, "collate_fn": _as_it_is, "generator": generator}
        return iter(DataLoader(self, **{**own, **self.loading}))  # type: ignore[arg-type]  # map-style by duck typing


def _as_it_is(item: Any) -> Any:
    return item
