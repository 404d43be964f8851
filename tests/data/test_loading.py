"""workers=, sampler= and dataloader_kwargs=: put together, checked, refused where they mean nothing."""

import pytest
from torch.utils.data import DataLoader, RandomSampler

from keraslike.data.loading import (
    check_beside_loader,
    check_loading_of_task,
    for_measuring,
    loading_of,
    refuse_loading,
)
from keraslike.errors import ArgumentError

SAMPLER = RandomSampler(range(3))


@pytest.mark.parametrize(
    ("options", "loading"),
    [
        ({}, {}),
        ({"workers": 0, "sampler": None, "dataloader_kwargs": None}, {}),
        ({"dataloader_kwargs": {"num_workers": 0}}, {}),
        ({"workers": 2}, {"num_workers": 2}),
        ({"workers": 2, "dataloader_kwargs": {"num_workers": 2, "timeout": 9}}, {"num_workers": 2, "timeout": 9}),
        ({"workers": 2, "dataloader_kwargs": {"prefetch_factor": 4}}, {"num_workers": 2, "prefetch_factor": 4}),
        ({"dataloader_kwargs": {"persistent_workers": False}}, {"persistent_workers": False}),
        ({"sampler": SAMPLER, "shuffle": False}, {"sampler": SAMPLER}),
    ],
)
def test_put_together(options, loading):
    """The three arguments become one set of a DataLoader's; saying nothing gives none."""
    assert loading_of(options) == loading


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"workers": -1}, "workers is -1"),
        ({"workers": True}, "workers is True"),
        ({"workers": "all"}, "workers is 'all'"),
        ({"workers": 1, "dataloader_kwargs": {"num_workers": 2}}, "workers and .*'num_workers'.* differ"),
        ({"sampler": SAMPLER, "dataloader_kwargs": {"sampler": [1]}}, "sampler and .*'sampler'.* differ"),
        ({"sampler": 3}, "sampler is 3, which gives no indices"),
        ({"sampler": SAMPLER, "shuffle": True}, "shuffle=True and sampler="),
        ({"dataloader_kwargs": {"num_wokers": 1}}, r"'num_wokers', which torch's (.|\n)*did you mean 'num_workers'"),
        ({"dataloader_kwargs": {3: 1}}, r"has 3, which torch's DataLoader does not take(.|\n)*leave it out"),
        ({"dataloader_kwargs": ["drop_last"]}, r"is \['drop_last'\], a list(.|\n)*a dict of arguments"),
        (
            {"dataloader_kwargs": {"persistent_workers": True}},
            r"'persistent_workers', which is for (.|\n)*set workers=2",
        ),
        (
            {"workers": 0, "dataloader_kwargs": {"prefetch_factor": 4}},
            "'prefetch_factor', which is for worker processes",
        ),
    ],
)
def test_contradictions(options, what):
    """What is no number of processes, gives no indices or is said twice is refused before the first step."""
    with pytest.raises(ArgumentError, match=what):
        loading_of(options)


def test_measuring_sees_every_row_in_order():
    """What orders, picks or drops rows is for training alone."""
    loading = {"sampler": SAMPLER, "shuffle": True, "batch_sampler": [[0]], "drop_last": True, "num_workers": 1}

    assert for_measuring(loading) == {"num_workers": 1}


def test_a_loader_loads_by_itself():
    """Beside a user's DataLoader the error says where the argument goes."""
    with pytest.raises(ArgumentError, match=r"x is a DataLoader, .* workers= is given") as caught:
        refuse_loading(DataLoader([1]), {"num_workers": 2})

    assert caught.value.do == "put it where x is made: DataLoader(..., num_workers=...)."


def test_a_generator_comes_as_it_is():
    """A generator has no places that a sampler could give."""
    with pytest.raises(ArgumentError, match=r"x is a generator, .* sampler= is given"):
        refuse_loading((row for row in ()), {"sampler": SAMPLER})


def test_nothing_to_refuse():
    """Where nothing is said nothing is refused."""
    refuse_loading(DataLoader([1]), {})


@pytest.mark.parametrize("name", ["batch_size", "shuffle", "batch_sampler", "collate_fn"])
def test_what_a_task_settles(name):
    """What the batches of a task settle themselves is refused, with the place where it is said instead."""
    with pytest.raises(ArgumentError, match=f"has {name!r}") as caught:
        check_loading_of_task({"num_workers": 2, name: None})

    assert caught.value.do.startswith("use ")


@pytest.mark.parametrize(
    ("x", "given"),
    [
        (DataLoader(range(4), batch_size=2), {"batch_size": 2, "shuffle": False}),
        (DataLoader(range(4), batch_size=2, shuffle=True), {"batch_size": None, "shuffle": True}),
        ([1, 2], {"batch_size": 3, "shuffle": True}),
    ],
)
def test_what_a_loader_does_anyway(x, given):
    """What the loader has itself may be said twice; other containers have neither."""
    check_beside_loader(x, **given)


@pytest.mark.parametrize("given", [{"batch_size": 3}, {"shuffle": True}])
def test_what_a_loader_does_not(given):
    """Another batch size or order than the loader's is refused, with the place where it is said."""
    name, value = next(iter(given.items()))

    with pytest.raises(ArgumentError, match=rf"x is a DataLoader, .* {name}={value} is given") as caught:
        check_beside_loader(DataLoader(range(4), batch_size=2), **given)

    assert caught.value.do == f"write DataLoader(..., {name}={value}), or leave it out."
