"""Counts what is cut at a limit of tokens, for the line that says so."""


class Cuts:
    """How many texts there were, how many of them were cut, and how long the longest was.

    Args:
        limit: the tokens that are kept; None: any number.
        kind: what is cut, in words: "targets".

    Example:
        >>> cuts = Cuts(8, "texts")
        >>> cuts.has(5), cuts.has(9), cuts.note("training")
        (False, True, '1 of 2 training texts (50.0 %) were cut at 8 tokens; 9 would keep all.')
    """

    def __init__(self, limit: int | None, kind: str) -> None:
        self.limit, self.kind = limit, kind
        self.texts = self.count = self.longest = 0

    def has(self, length: int) -> bool:
        """Count a text of so many tokens, and say whether it is cut."""
        self.texts += 1
        if self.limit is None or length <= self.limit:
            return False
        self.count, self.longest = self.count + 1, max(self.longest, length)
        return True

    def note(self, part: str = "") -> str | None:
        """Give the line for the screen; None where nothing was cut.

        Args:
            part: what the rows are called, such as "validation".
        """
        if not self.count:
            return None
        what = f"{part} {self.kind}".strip()
        share = f"{self.count:,} of {self.texts:,} {what} ({100 * self.count / self.texts:.1f} %)"
        return f"{share} were cut at {self.limit:,} tokens; {self.longest:,} would keep all."
