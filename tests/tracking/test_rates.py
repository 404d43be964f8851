"""The rates of a run, per update and group, and their picture."""

import pytest
import torch
from torch import nn

from keraslike import Model
from keraslike.errors import ArgumentError, DataError
from keraslike.tracking.curves import rate_series
from keraslike.tracking.history import History

X = torch.linspace(-1, 1, 24).reshape(12, 2)


def fit(*rates, **options):
    """Train with a parameter group for each rate."""
    network = nn.ModuleList([nn.Linear(2, 1) for _ in rates])
    network.forward = lambda x: sum(layer(x) for layer in network)
    groups = [{"params": layer.parameters(), "lr": rate} for layer, rate in zip(network, rates, strict=True)]
    model = Model(network, torch.optim.SGD(groups), "mse", device="cpu")
    return model.fit(X, X.sum(1, keepdim=True), epochs=2, batch_size=4, verbose=0, **options)


def test_groups_of_one_rate():
    """Where all groups have the same rate, it stands once."""
    history = fit(0.1, 0.1, schedule="linear", warmup=0)

    assert history.group_rates == [[]] * 6
    assert [series.name for series in rate_series(history.learning_rates, history.group_rates)] == ["group 1"]


def test_groups_of_several_rates():
    """Where they differ, the rates of every group are kept at every step."""
    history = fit(0.5, 0.25, 0.5, schedule="linear", warmup=0)

    assert history.group_rates == [[rate, rate / 2, rate] for rate in history.learning_rates]
    series = rate_series(history.learning_rates, history.group_rates)
    assert [one.name for one in series] == ["group 1", "group 2"]
    assert series[1].values == [rate / 2 for rate in history.learning_rates]


def test_step_where_all_rates_agree():
    """Such a step, as the first of a warm-up, has the rates of all groups too, where others differ."""
    history = fit(0.5, 0.25, schedule="linear", warmup=2)

    assert history.group_rates[:3] == [[0, 0], [0.25, 0.125], [0.5, 0.25]]
    assert {len(rates) for rates in history.group_rates} == {2}


def test_group_that_comes_later():
    """A group that was not there at a step has no rate there."""
    first, second = rate_series([0.1, 0.1, 0.1], [[0.1, 0.2], [0.1, 0.2], [0.1, 0.2, 0.3]])[1:]

    assert first.values == [0.2, 0.2, 0.2]
    assert str(second.values) == "[nan, nan, 0.3]"


def test_kept_with_the_history():
    """They are part of what is written and added."""
    history = fit(0.5, 0.25)

    assert History.from_json(history.to_json()).group_rates == history.group_rates
    assert (history + history).group_rates == history.group_rates * 2
    assert history.copy().group_rates == history.group_rates


def test_picture():
    """A line for each course of rates over the optimizer steps, with a legend where there are several."""
    one, two = fit(0.1, schedule="cosine", warmup=0), fit(0.5, 0.25)

    panels = [history.plot_learning_rates().axes[0] for history in (one, two)]

    assert [len(panel.lines) for panel in panels] == [1, 2]
    assert list(panels[0].lines[0].get_xdata()) == [1, 2, 3, 4, 5, 6]
    assert list(panels[0].lines[0].get_ydata()) == one.learning_rates
    assert [text.get_text() for text in panels[1].get_legend().get_texts()] == ["group 1", "group 2"]
    assert panels[0].get_legend() is None


def test_picture_as_a_file(tmp_path):
    """A path's ending says the format; one that is none is refused."""
    history = fit(0.1)

    history.plot_learning_rates(tmp_path / "rates.svg")

    assert (tmp_path / "rates.svg").read_text().startswith("<?xml")
    with pytest.raises(ArgumentError):
        history.plot_learning_rates(tmp_path / "rates.doc")


def test_nothing_to_draw():
    """Before the first step there is nothing to draw."""
    with pytest.raises(DataError, match="no learning rates to plot"):
        History().plot_learning_rates()
