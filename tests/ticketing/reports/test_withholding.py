"""Withholding: whatever a table adds up to, no small addition of systems out of sight follows from it."""

from itertools import product
from random import Random

import pytest

from ticketing.reports.withholding import WITHHELD, Withholding, withhold

pytestmark = pytest.mark.req("R-MDB-22")


def possible_values(printed: Withholding, measure: int, told_sums: list[list[int]]) -> dict[int, set[int]]:
    """What each withheld addition can be, by what is printed of it and by all the sums that are told."""
    hidden = [row[measure] for row in printed.hidden]
    unknown = [row for row in range(len(hidden)) if printed.of_row(row, measure)]
    most = max(hidden, default=0) + 2
    small = range(1, printed.smallest)
    ranges = [small if printed.of_row(row, measure).startswith("<") else range(most) for row in unknown]
    equations = []
    for sum_of in told_sums:
        places = [place for place, row in enumerate(unknown) if row in sum_of]
        equations.append((places, sum(hidden[unknown[place]] for place in places)))
    solutions = [
        values
        for values in product(*ranges)
        if all(sum(values[place] for place in places) == total for places, total in equations)
    ]
    return {row: {values[place] for values in solutions} for place, row in enumerate(unknown)}


def test_a_table_without_small_figures_is_told_whole():
    printed = withhold([[5], [0], [17]], 5)

    assert (printed.rows, printed.is_total_withheld) == (frozenset(), False)


def test_a_small_addition_takes_another_with_it():
    printed = withhold([[2], [30], [9], [0]], 5)

    assert [printed.of_row(row, 0) for row in range(4)] == ["<5", WITHHELD, "", ""]
    assert printed.of_total(0) == ""


def test_a_table_whose_only_addition_is_small_tells_no_total_either():
    printed = withhold([[0], [3]], 5)

    assert [printed.of_row(0, 0), printed.of_row(1, 0), printed.of_total(0)] == ["", "<5", "<5"]


def test_two_small_additions_that_fill_their_sum_say_nothing_of_their_size():
    printed = withhold([[4], [4], [0]], 5)  # 8 less than 5 twice is 4 and 4

    assert [printed.of_row(row, 0) for row in range(3)] == [WITHHELD] * 3


def test_all_measures_of_a_row_are_withheld_together():
    printed = withhold([[2, 60], [30, 80], [9, 0]], 5)

    assert [printed.of_row(0, 1), printed.of_row(1, 1), printed.of_row(2, 1)] == [WITHHELD, WITHHELD, ""]


@pytest.mark.parametrize("smallest", [0, 1])
def test_nothing_is_withheld_unless_the_organisation_says_so(smallest):
    assert withhold([[1], [2]], smallest).rows == frozenset()


@pytest.mark.parametrize("seed", range(200))
def test_no_withheld_addition_follows_from_the_sums_of_any_table(seed):
    random = Random(seed)
    smallest, rows = random.randint(3, 6), random.randint(1, 4)
    hidden = [[random.choice([0, 1, 2, 3, 4, 5, 6, 9]) for _measure in range(2)] for _row in range(rows)]
    half = random.randint(1, rows)
    years = random.choice([[], [part for part in (list(range(half)), list(range(half, rows))) if part]])

    printed = withhold(hidden, smallest, groups=years)

    by_year = withhold([[sum(hidden[row][m] for row in year) for m in range(2)] for year in years], smallest)
    told_sums = [year for number, year in enumerate(years) if number not in by_year.rows]
    if not printed.is_total_withheld:
        told_sums.append(list(range(rows)))
    for measure in range(2):
        for row, values in possible_values(printed, measure, told_sums).items():
            assert len(values) > 1 or hidden[row][measure] == 0, (hidden, row, measure)
    for row, measure in product(range(rows), range(2)):
        assert printed.of_row(row, measure) or not 1 <= hidden[row][measure] < smallest
