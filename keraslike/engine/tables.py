"""Embedding tables whose gradient stays sparse while a batch goes through in parts.

The gradient of a table is as large as the table, 47 MB for the 30,522 words of MiniLM, and almost all of it is 0. Every
part makes it, and adds it, anew. Measured on a CPU core with MiniLM, one more part costs 43 ms so, and 19 ms where only
the rows that were looked up are kept until the step's last backward.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

LARGE = 1_000_000
"""Elements from which on a table is worth it."""


class SparseTables:
    """The large embedding tables of a network, for parts on a CPU.

    A table whose weight is used elsewhere too, such as in a tied head, is left alone: its gradient is dense anyway.

    Args:
        network: the network.

    Example:
        >>> tables = SparseTables(nn.Sequential(nn.Embedding(2_000_000, 1), nn.Linear(1, 1)))
        >>> len(tables.tables)
        1
    """

    def __init__(self, network: nn.Module) -> None:
        uses = Counter(id(weight) for module in network.modules() for weight in module.parameters(recurse=False))
        self.tables = [
            module
            for module in network.modules()
            if type(module) is nn.Embedding and _is_worth_it(module) and uses[id(module.weight)] == 1
        ]

    @contextmanager
    def sparse(self) -> Iterator[None]:
        """Let the tables' gradients be sparse."""
        tables = [table for table in self.tables if not _is_hooked(table)]
        for table in tables:
            table.sparse = True
        try:
            yield
        finally:
            for table in tables:
                table.sparse = False

    def densify(self) -> None:
        """Make the gradients dense, as everybody expects them."""
        for table in self.tables:
            gradient = table.weight.grad
            if gradient is not None and gradient.is_sparse:
                table.weight.grad = gradient.to_dense()


def _is_hooked(table: nn.Embedding) -> bool:
    """Tell whether somebody looks at the gradient on its way, who expects a dense one."""
    return bool(table.weight._backward_hooks or table.weight._post_accumulate_grad_hooks)  # noqa: SLF001  # torch's own


def _is_worth_it(table: nn.Embedding) -> bool:
    is_large = table.weight.requires_grad and table.weight.numel() >= LARGE
    return is_large and not table.sparse and table.max_norm is None and not table.scale_grad_by_freq
