"""Shares are not rounded to an untruth."""

import pytest

from contacts.shares import share, share_text
from ticketing.reports.table import Column, Figure, Kind


@pytest.mark.parametrize(
    ("part", "whole", "printed"),
    [
        (0, 250, "0 %"),
        (1, 250, "<1 %"),
        (85, 250, "34 %"),
        (249, 250, ">99 %"),
        (250, 250, "100 %"),
        (0, 0, "–"),
    ],
)
def test_a_little_is_not_nothing_and_most_is_not_all(part, whole, printed):
    assert share_text(share(part, whole)) == printed


def test_a_report_and_its_file_print_the_same_share():
    column, most = Column("%", Kind.SHARE), Figure(share(249, 250))

    assert most.text(column) == ">99 %"
    assert most.cell(column) == ">99"
    assert Figure(share(1, 2)).cell(column) == 50
