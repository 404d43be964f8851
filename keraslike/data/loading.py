"""How the user wants batches loaded: workers, a sampler, and further arguments of torch's `DataLoader`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader

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
    loading = dict(options.get("dataloader_kwargs") or {})
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
    if not loading.get("num_workers"):
        loading.pop("num_workers", None)
    return loading


def _check(loading: Loading, options: Mapping[str, Any]) -> None:
    workers = loading.get("num_workers", 0)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
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
