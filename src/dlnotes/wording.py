"""How a sentence is put together from what a program has found."""

from collections.abc import Sequence


def join_words(words: Sequence[str]) -> str:
    """Put commas between words, and an *and* before the last.

    Examples
    --------
    >>> from dlnotes.wording import join_words
    >>> join_words(["X", "y"]), join_words(["X", "W", "b"])
    ('X and y', 'X, W and b')
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
