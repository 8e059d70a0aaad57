"""Descriptors of one open file are told apart from those of others of the same kind."""

import os

import pytest

from uringtrace.tracer.same_file import distinct_files


def test_the_lowest_descriptor_stands_for_each_open_file() -> None:
    """The same path opened twice is two files; a duplicate is none of its own."""
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    duplicates = [os.dup(descriptor) for descriptor in (opened[2], opened[0], opened[2])]
    try:
        assert distinct_files(os.getpid(), [*duplicates, *opened]) == tuple(opened)
    finally:
        for descriptor in (*opened, *duplicates):
            os.close(descriptor)


@pytest.mark.parametrize("descriptors", [(), (7,), (9, 7, 8)])
def test_where_the_kernel_does_not_tell_all_are_kept(descriptors: tuple[int, ...]) -> None:
    assert distinct_files(1, descriptors, lambda pid, one, other: -1) == tuple(sorted(descriptors))


def test_a_descriptor_that_has_gone_meanwhile_keeps_all() -> None:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    assert distinct_files(os.getpid(), (0, descriptor)) == (0, descriptor)
