"""Sets with few and dirty fields, made of FEBRL and of the synthetic population by seeded noise."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import febrl
from benchmarks.population import make_population
from contacts.grouping.records import REF_SCHEMA

Random = np.random.Generator
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class FewFields:
    """A recipe: which fields of a source are left, how many of each are blank, how many of the rest mistyped.

    `wrong_dates`: the share of dates with one digit changed; `bare_years`: those of which only the year is
    known. A set that is `held_out` was not looked at while the estimate was being made.
    """

    name: str
    source: Callable[[], tuple[pa.Table, list[Any]]]
    blanks: Mapping[str, float]
    typos: float = 0.05
    swapped: float = 0.01
    wrong_dates: float = 0.02
    bare_years: float = 0.0
    country: str = "GB"
    held_out: bool = False
    fields: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.blanks))

    def make(self) -> tuple[pa.Table, list[Any]]:
        """The refs in REF_SCHEMA, and who each really is; the same every time."""
        random = np.random.default_rng(zlib.crc32(self.name.encode()))
        refs, truth = self.source()
        rows = [{name: row[name] for name in ("ref_id", *self.fields)} for row in refs.to_pylist()]
        for row in rows:
            row |= {"system_id": 1, "country": self.country}
            self._dirty(row, random)
        blank = {name: "" for name in REF_SCHEMA.names} | {"date_of_birth": None}
        return pa.Table.from_pylist([blank | row for row in rows], schema=REF_SCHEMA), truth

    def _dirty(self, row: dict[str, Any], random: Random) -> None:
        if random.random() < self.swapped:
            row["first_name"], row["last_name"] = row["last_name"], row["first_name"]
        for name, share in self.blanks.items():
            if name == "date_of_birth":
                row[name] = self._dirty_date(row[name], random)
            elif row[name] and random.random() < self.typos:
                row[name] = mistyped(row[name], random)
            if random.random() < share:
                row[name] = None if name == "date_of_birth" else ""

    def _dirty_date(self, born: Any, random: Random) -> Any:
        if born is None:
            return None
        if random.random() < self.bare_years:
            return born.replace(month=1, day=1)
        if random.random() < self.wrong_dates:
            return born.replace(day=int(random.integers(1, 29)))
        return born


def mistyped(text: str, random: Random) -> str:
    """One letter dropped, doubled, replaced, or swapped with the next."""
    at = int(random.integers(len(text)))
    letter = _ALPHABET[int(random.integers(26))]
    return (
        text[:at] + text[at + 1 :],
        text[: at + 1] + text[at:],
        text[:at] + letter + text[at + 1 :],
        text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :],
    )[int(random.integers(4))]


def population(refs: int, seed: int) -> tuple[pa.Table, list[Any]]:
    """The synthetic population, as the recipes want their sources."""
    table, people = make_population(refs, seed)
    return table, people["person"].to_pylist()


NAMES = {"first_name": 0.04, "last_name": 0.03}

SETS = (
    FewFields(
        "febrl 3, names, postcode, date",
        lambda: febrl.load(3),
        NAMES | {"postcode": 0.1, "date_of_birth": 0.4},
        country="AU",
    ),
    FewFields(
        "population, names, city, partial date",
        lambda: population(8_000, 3),
        NAMES | {"city": 0.1, "date_of_birth": 0.1},
        bare_years=0.15,
    ),
    FewFields(
        "population, names, e-mail, city",
        lambda: population(6_000, 5),
        NAMES | {"email": 0.3, "city": 0.1},
        typos=0.1,
    ),
    FewFields(
        "febrl 1, names, city, date",
        lambda: febrl.load(1),
        NAMES | {"city": 0.1, "date_of_birth": 0.2},
        country="AU",
        held_out=True,
    ),
    FewFields(
        "febrl 2, names, city, date",
        lambda: febrl.load(2),
        NAMES | {"city": 0.15, "date_of_birth": 0.3},
        typos=0.1,
        country="AU",
        held_out=True,
    ),
    FewFields(
        "febrl 4, names, postcode, city, date",
        lambda: febrl.load(4),
        NAMES | {"postcode": 0.3, "city": 0.2, "date_of_birth": 0.5},
        typos=0.08,
        wrong_dates=0.05,
        country="AU",
        held_out=True,
    ),
    FewFields(
        "population, names, postcode, date",
        lambda: population(12_000, 11),
        NAMES | {"postcode": 0.2, "date_of_birth": 0.2},
        typos=0.08,
        wrong_dates=0.04,
        held_out=True,
    ),
    FewFields(
        "population, names, e-mail, city, date",
        lambda: population(1_500, 12),
        {"first_name": 0.15, "last_name": 0.15, "email": 0.2, "city": 0.2, "date_of_birth": 0.1},
        typos=0.15,
        swapped=0.05,
        wrong_dates=0.1,
        held_out=True,
    ),
)
