"""How a typed text is put to SQLite, which folds the case of ASCII letters alone: patterns and trigrams."""

from collections import defaultdict
from functools import cache
from itertools import product

_LAST_CASED = 0x1E944  # no letter behind it has two cases
_MOST_TRIGRAMS = 30
_GLOB_SIGNS = "*?["


def glob_pattern(text: str) -> str:
    """The GLOB pattern of what holds the text, whatever the case of its letters.

    For a column whose ASCII letters are capitals; that is what SQLite's UPPER makes.
    """
    return f"*{''.join(map(_glob_of, text))}*"


def trigram_query(text: str) -> str:
    """What FTS5 must MATCH in any row that `glob_pattern` finds; empty where the text is too short for it.

    Every spelling is given: FTS5 folds letters by a table of its own, unlike PostgreSQL's UPPER.
    """
    spellings = [spellings_of(letter) for letter in text]
    starts = range(min(len(text) - 2, _MOST_TRIGRAMS))
    return " AND ".join(_any_of(product(*spellings[start : start + 3])) for start in starts)


def spellings_of(letter: str) -> str:
    """All letters with the same capital, an ASCII one standing for both its cases."""
    capital = _capital(letter)
    return _by_capital().get(capital, capital)


def _any_of(trigrams: "product[tuple[str, ...]]") -> str:
    quoted = ('"' + "".join(trigram).replace('"', '""') + '"' for trigram in trigrams)
    return f"({' OR '.join(quoted)})"


def _glob_of(letter: str) -> str:
    spellings = spellings_of(letter)
    return f"[{spellings}]" if len(spellings) > 1 or letter in _GLOB_SIGNS else spellings


@cache
def _by_capital() -> dict[str, str]:
    found: dict[str, list[str]] = defaultdict(list)
    for number in range(0x80, _LAST_CASED):
        letter = chr(number)
        capital = _capital(letter)
        if capital != letter:
            found[capital].append(letter)
    return {capital: capital + "".join(letters) for capital, letters in found.items()}


def _capital(letter: str) -> str:
    """As a database's UPPER does it: letter for letter, so that ß stays what it is."""
    capital = letter.upper()
    return capital if len(capital) == 1 else letter
