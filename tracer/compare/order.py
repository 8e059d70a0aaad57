"""Two sequences of calls of one thread, paired by order alone, where no clock helps.

Both sides saw the same thread do the same things, so what they have in common is long runs;
calls are missing at the ends, and few in between. Linear: a gap is looked for near where it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GRAM = 8
"""Calls that must agree for two places to count as the same."""
_SAMPLES = 512
_LOOK = 48
"""How many calls may be missing in one place."""

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]


def in_order(
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    left_detail: NDArray[np.int64],
    right_detail: NDArray[np.int64],
) -> Pairs:
    """Positions of the pairs on both sides, ascending.

    Pairs have equal `left` and `right`, the kind of the call; the details, as its result, choose
    among several ways to pair.
    """
    strong = _tokens(left, right, left_detail, right_detail)
    shift = _shift(*strong)
    i, j = max(0, shift), max(0, -shift)
    ones: list[NDArray[np.intp]] = []
    others: list[NDArray[np.intp]] = []
    while i < left.size and j < right.size:
        run = _run(left[i:], right[j:])
        if run:
            ones.append(np.arange(i, i + run))
            others.append(np.arange(j, j + run))
            i, j = i + run, j + run
            continue
        i, j = _resumed(left, right, i, j)
    if not ones:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    return np.concatenate(ones), np.concatenate(others)


def _tokens(
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    left_detail: NDArray[np.int64],
    right_detail: NDArray[np.int64],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """One number for each kind of call with its details, the same on both sides."""
    both = np.empty(left.size + right.size, [("kind", "<i8"), ("detail", "<i8")])
    both["kind"] = np.concatenate([left, right])
    both["detail"] = np.concatenate([left_detail, right_detail])
    _, numbers = np.unique(both, return_inverse=True)
    return numbers[: left.size], numbers[left.size :]


def _shift(left: NDArray[np.intp], right: NDArray[np.intp]) -> int:
    """How many more calls the left side has at its beginning, by most places that agree."""
    if min(left.size, right.size) < _GRAM:
        return 0
    grams, sought = _grams(left), _grams(right)
    order = np.argsort(grams, kind="stable")
    sample = np.unique(np.linspace(0, sought.size - 1, _SAMPLES).astype(np.intp))
    low = np.searchsorted(grams[order], sought[sample], "left")
    high = np.searchsorted(grams[order], sought[sample], "right")
    votes: dict[int, float] = {}
    for place, first, last in zip(sample.tolist(), low.tolist(), high.tolist(), strict=True):
        # What occurs often says little.
        for position in order[first : min(last, first + _SAMPLES)].tolist():
            shift = position - place
            votes[shift] = votes.get(shift, 0.0) + 1 / (last - first)
    return max(votes, key=lambda shift: (votes[shift], -abs(shift)), default=0)


def _grams(tokens: NDArray[np.intp]) -> NDArray[np.int64]:
    """A number for each _GRAM successive tokens; equal ones have equal numbers."""
    hashed = np.zeros(tokens.size - _GRAM + 1, np.uint64)
    for offset in range(_GRAM):
        hashed = hashed * np.uint64(1_000_003) + tokens[offset : offset + hashed.size].astype(np.uint64)
    return hashed.view(np.int64)


def _run(left: NDArray[np.int32], right: NDArray[np.int32]) -> int:
    """How many from here on are equal."""
    size, length = 64, min(left.size, right.size)
    done = 0
    while done < length:
        stop = min(done + size, length)
        differ = left[done:stop] != right[done:stop]
        if differ.any():
            return done + int(differ.argmax())
        done, size = stop, size * 4
    return length


def _resumed(left: NDArray[np.int32], right: NDArray[np.int32], i: int, j: int) -> tuple[int, int]:
    """Where both go on alike after a difference, with as few calls as possible left out."""
    ours, theirs = left[i : i + _LOOK + _GRAM].tolist(), right[j : j + _LOOK + _GRAM].tolist()
    for skipped in range(1, 2 * _LOOK):
        for one in range(max(0, skipped - _LOOK), min(skipped, _LOOK) + 1):
            ahead, behind = ours[one : one + _GRAM], theirs[skipped - one : skipped - one + _GRAM]
            length = min(len(ahead), len(behind))
            if length and ahead[:length] == behind[:length]:
                return i + one, j + skipped - one
    return i + _LOOK, j + _LOOK
