"""Memory: what the process held at its highest, and what the machine, or its container, has left."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from keraslike.recipes import peak_memory
from keraslike.recipes.peak_memory import PeakMemory, activation_bytes


@pytest.mark.skipif(not peak_memory.STATUS.exists(), reason="there is no high-water mark")
def test_sees_what_was_held_for_a_moment():
    """200 MB that are given back at once are in the peak; after `begin` they are forgotten."""
    memory = PeakMemory(is_on_accelerator=False)
    before = memory.begin()
    torch.ones(50_000_000)
    peak = memory.peak()
    after = memory.begin()

    assert peak - before == pytest.approx(200e6, rel=0.1)
    assert memory.peak() - after < 50e6


def test_measures_nothing_where_the_mark_cannot_be_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A mark that is kept from before says nothing of a probe."""
    monkeypatch.setattr(peak_memory, "CLEAR", tmp_path)  # a folder, which nobody can write to
    memory = PeakMemory(is_on_accelerator=False)

    assert (memory.is_measured, memory.begin(), memory.peak()) == (False, 0, 0)


def test_asks_the_accelerator(monkeypatch: pytest.MonkeyPatch):
    """On an accelerator torch's own counters are read."""
    answers: dict[str, Any] = {
        "reset_peak_memory_stats": lambda: None,
        "memory_allocated": lambda: 30,
        "memory_reserved": lambda: 50,
        "max_memory_allocated": lambda: 70,
        "get_memory_info": lambda: (100, 1000),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.accelerator, name, answer)
    memory = PeakMemory(is_on_accelerator=True)

    assert (memory.is_measured, memory.begin(), memory.peak(), memory.available()) == (True, 30, 70, 120)


@pytest.mark.parametrize(("limit", "expected"), [("1000", 1000 - 400 + 150), ("max", 5 * 1024), ("9999999", 5 * 1024)])
def test_a_container_may_hold_less(limit: str, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """What counts is the machine's or the container's, whichever is less; files that nobody uses are given up."""
    for name, text in {"max": limit, "current": "400\n", "stat": "anon 9\ninactive_file 150\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 5 kB\n")
    monkeypatch.setattr(peak_memory, "INFO", tmp_path / "meminfo")
    monkeypatch.setattr(peak_memory, "LIMITS", [tuple(str(tmp_path / name) for name in ("max", "current", "stat"))])

    assert PeakMemory(is_on_accelerator=False).available() == expected


@pytest.mark.parametrize("names", [{"SC_AVPHYS_PAGES": 1, "SC_PAGE_SIZE": 2}, {}])
def test_other_systems_may_know(names: dict[str, int], monkeypatch: pytest.MonkeyPatch):
    """Without /proc the system is asked for its free pages, where it counts them; else nobody knows."""
    monkeypatch.setattr(peak_memory, "INFO", Path("/nowhere"))
    monkeypatch.setattr(peak_memory, "LIMITS", ())
    monkeypatch.setattr(peak_memory.os, "sysconf_names", names)
    monkeypatch.setattr(peak_memory.os, "sysconf", {"SC_AVPHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}.__getitem__)

    assert PeakMemory(is_on_accelerator=False).available() == (40_960 if names else None)


def test_activations_are_what_backward_needs():
    """A product keeps its input, tanh its output; weights, and what is kept twice, are not counted again."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.wrapped = nn.Linear(4, 8), None

        def forward_pass(self, x: Any) -> Any:
            hidden = self.layer(x)
            return hidden.tanh() * hidden

        @property
        def network(self) -> nn.Module:
            return self.layer

    expected = 4 * (10 * 4 + 10 * 8 + 10 * 8)  # the input, the product's result, and its tanh

    assert activation_bytes(Twice(), torch.zeros(10, 4)) == expected
