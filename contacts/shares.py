"""Shares in percent that are never rounded to an untruth: a little is not nothing, and most is not all."""

UNDER_ONE = 0.5
OVER_99 = 99.5


def share(part: int, whole: int) -> int | float | None:
    """In whole percent, None of nothing; what would round to a false 0 or 100 is UNDER_ONE or OVER_99."""
    if not whole:
        return None
    rounded = round(part / whole * 100)
    if rounded <= 0 and part > 0:
        return UNDER_ONE
    return OVER_99 if rounded == 100 and part < whole else rounded


def share_text(percent: int | float | None) -> str:
    """As it is printed: 34 %, <1 %, >99 %; a dash for a share of nothing."""
    if percent is None:
        return "–"
    return {UNDER_ONE: "<1 %", OVER_99: ">99 %"}.get(percent, f"{percent} %")
