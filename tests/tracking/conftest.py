import fcntl
import os
import pty
import struct
import termios
import threading
from functools import cached_property

import numpy as np
import poutyne
import pyte
import pytest
import torch

from keraslike.tracking.terminal import Terminal


class Emulated:
    """A terminal of a given size: `stream` is what a program writes to, `lines()` what a person sees."""

    def __init__(self, columns):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.stream = os.fdopen(slave, "w", encoding="utf-8")
        self._screen = pyte.Screen(columns, 50)
        self._feeder = pyte.Stream(self._screen)
        self._raw = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        while True:
            try:
                self._raw += os.read(self._master, 65536)
            except OSError:  # the program's end is closed
                return

    def _close(self):
        if not self.stream.closed:
            self.stream.close()
            self._reader.join()
            os.close(self._master)

    def raw(self):
        self._close()
        return self._raw.decode()

    def lines(self):
        """What stands on the screen in the end."""
        return self.views[-1]

    @cached_property
    def views(self):
        """What stood on the screen after each write that a carriage return ends, and in the end."""
        views = []
        for part in self.raw().split("\r"):
            self._feeder.feed(part)
            views.append([line.rstrip() for line in self._screen.display if line.strip()])
            self._feeder.feed("\r")
        return views


@pytest.fixture
def terminal(monkeypatch):
    """Opens terminals of so many columns, in which every drawing is due."""
    monkeypatch.setattr(Terminal, "interval", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    opened = []

    def open_terminal(columns):
        opened.append(Emulated(columns))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.raw()


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    return generator.random((64, 2), dtype=np.float32), generator.integers(0, 3, 64)


@pytest.fixture
def model():
    """A model of Poutyne's own."""
    torch.manual_seed(0)
    network = torch.nn.Linear(2, 3)
    return poutyne.Model(
        network, "sgd", "cross_entropy", batch_metrics=["accuracy"], epoch_metrics=["f1"], device="cpu"
    )
