"""A synthetic population: households, moves, marriages, several systems, and the way people type."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.names import (
    CITIES,
    COMPANIES,
    DOMAINS,
    FIRST_NAMES,
    LAST_NAMES,
    NICKNAMES,
    STREET_KINDS,
    STREETS,
)
from contacts.grouping.records import REF_SCHEMA

Array = np.ndarray[Any, np.dtype[Any]]
Random = np.random.Generator

REFS_PER_PERSON = 2.0
SYSTEMS = 5
PLACEHOLDERS = ["n/a", "-", "null", "none@none.com", "0000000000", "unknown", "."]
MEMBERS = [0.32, 0.33, 0.16, 0.13, 0.06]  # share of households of one, two... five people
SHARED_MAILBOXES = ["boxoffice@venue.example", "reception@club.example", "tickets@school.example"]


@dataclass(frozen=True)
class _People:
    """One array element per person; `home` and `former_home` index households' addresses."""

    first: Array
    last: Array
    maiden: Array
    born: Array
    home: Array
    former_home: Array
    email: Array
    second_email: Array
    mobile: Array
    former_mobile: Array


@dataclass(frozen=True)
class _Homes:
    """One array element per address; a household lives at one and may have lived at another."""

    address: Array
    address_short: Array
    city: Array
    postcode: Array
    landline: Array
    email: Array


def make_population(refs: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """`refs` refs in REF_SCHEMA, and who each really is (ref_id, person); the same for the same seed.

    A million refs take about ten seconds.
    """
    random = np.random.default_rng(seed)
    size = max(1, round(refs / REFS_PER_PERSON))
    homes, people = _make_people(random, size)
    person = _whose_refs(random, refs, len(people.first))
    table = _type_refs(random, people, homes, person)
    return table, pa.table({"ref_id": table["ref_id"], "person": pa.array(person, pa.int64())})


def _make_people(random: Random, size: int) -> tuple[_Homes, _People]:
    members = random.choice(np.arange(1, 6), size=size, p=MEMBERS)
    members = members[: int(np.searchsorted(np.cumsum(members), size)) + 1]
    count = len(members)
    house = np.repeat(np.arange(count), members)[:size]
    place = np.arange(size) - np.searchsorted(house, house)  # 0 and 1 are the parents, then children
    homes = _make_homes(random, 2 * count)
    family = _zipf(random, LAST_NAMES, count, 0.75)
    last = family[house]
    keeps_own = (place == 1) & (random.random(size) < 0.35)
    last = np.where(keeps_own, _zipf(random, LAST_NAMES, size, 0.75), last)
    maiden = np.where((place == 1) & ~keeps_own, _zipf(random, LAST_NAMES, size, 0.75), last)
    first = _zipf(random, FIRST_NAMES, size, 0.6)
    namesake = (place == 2) & (random.random(size) < 0.02)  # sons named after the father
    first = np.where(namesake, np.roll(first, 2), first)
    email, second = _emails(random, first, last, size)
    mobile, former_mobile = _mobiles(random, size)
    recycled = random.random(size) < 0.01
    mobile = np.where(recycled, random.permutation(former_mobile), mobile)
    people = _People(
        first, last, maiden, _birth_dates(random, house, place), house,
        np.where(random.random(size) < 0.2, house + count, house), email, second, mobile, former_mobile,
    )  # fmt: skip
    return homes, people


def _make_homes(random: Random, count: int) -> _Homes:
    number = random.integers(1, 160, count).astype(str)
    kind = random.integers(0, len(STREET_KINDS), count)
    street = _zipf(random, STREETS, count, 0.4)
    long = np.array([kind[0] for kind in STREET_KINDS], dtype=object)[kind]
    short = np.array([kind[1] for kind in STREET_KINDS], dtype=object)[kind]
    city_number = random.choice(len(CITIES), size=count, p=_weights(len(CITIES), 0.9))
    cities = np.array([city for city, _ in CITIES], dtype=object)
    areas = np.array([area for _, area in CITIES], dtype=object)
    # About fifteen homes share a postcode, as in Britain.
    sector = random.integers(0, max(1, count // 15), count)
    inward = _join("", sector % 9 + 1, _letters(sector // 9), _letters(sector // 180))
    postcode = _join("", areas[city_number], sector // 3600 % 30 + 1, np.full(count, " "), inward)
    landline = _join(" ", city_number + 1100, random.integers(200000, 999999, count))
    landline = np.where(random.random(count) < 0.55, _join("", np.full(count, "0"), landline), "")
    mailbox = _join(
        "", np.full(count, "family"), np.arange(count), np.full(count, "@"), _pick(random, DOMAINS, count)
    )
    email = np.where(random.random(count) < 0.08, mailbox, "")
    address, brief = _join(" ", number, street, long), _join(" ", number, street, short)
    return _Homes(address, brief, cities[city_number], postcode, landline, email)


def _letters(numbers: Array) -> Array:
    alphabet: Array = np.array(list("ABDEFGHJLNPQRSTUWXYZ"), dtype=object)
    return alphabet[numbers % 20]


def _emails(random: Random, first: Array, last: Array, size: int) -> tuple[Array, Array]:
    number = random.integers(1, 9999, size)
    plain = [_slug(first), _slug(last)]
    shapes = [
        _join("", plain[0], np.full(size, "."), plain[1], number % 100),
        _join("", pc.utf8_slice_codeunits(pa.array(plain[0], pa.string()), 0, 1), plain[1], number),
        _join("", plain[0], number),
    ]
    boxes = [np.choose(random.integers(0, 3, size), shapes) for _ in range(2)]
    emails = [_join("@", box, _pick(random, DOMAINS, size)) for box in boxes]
    has_second = random.random(size) < 0.3
    return np.where(random.random(size) < 0.9, emails[0], ""), np.where(has_second, emails[1], emails[0])


def _slug(names: Array) -> Array:
    lowered = pc.utf8_lower(pa.array(names, pa.string()))
    return _objects(pc.replace_substring_regex(lowered, "[^a-z]", ""))


def _mobiles(random: Random, size: int) -> tuple[Array, Array]:
    numbers = random.choice(99_999_999, size=2 * size, replace=False) + 1
    digits = _join(
        "", np.full(2 * size, "077"), _objects(pc.utf8_lpad(pa.array(numbers.astype(str)), 8, "0"))
    )
    current, former = digits[:size], digits[size:]
    return current, np.where(random.random(size) < 0.15, former, current)


def _birth_dates(random: Random, house: Array, place: Array) -> Array:
    parents = random.integers(-15_000, 9_000, house.max() + 1)[house]
    born = parents + np.where(place == 1, random.integers(-2_000, 2_000, len(house)), 0)
    children = parents + random.integers(8_000, 14_000, len(house))
    born = np.minimum(np.where(place >= 2, children, born), 18_500)
    twin = (place == 3) & (random.random(len(house)) < 0.03)
    return np.where(twin, np.roll(born, 1), born).astype("datetime64[D]")


def _whose_refs(random: Random, refs: int, people: int) -> Array:
    """Some people have one ref, a few have many."""
    eagerness = random.gamma(1.2, size=people)
    person = np.searchsorted(np.cumsum(eagerness) / eagerness.sum(), random.random(refs))
    return np.minimum(person, people - 1)


def _type_refs(random: Random, people: _People, homes: _Homes, person: Array) -> pa.Table:
    """What the systems hold: each ref knows some fields, of some time of the person's life, typed somehow."""
    size = len(person)

    def chance(share: float) -> Array:
        return random.random(size) < share

    is_former = chance(0.35)
    home = np.where(is_former, people.former_home[person], people.home[person])
    last = np.where(is_former, people.maiden[person], people.last[person])
    first = _first_names(random, people.first[person])
    swap = chance(0.004)
    first, last = np.where(swap, last, first), np.where(swap, first, last)
    email = np.where(chance(0.3), people.second_email[person], people.email[person])
    family_email = homes.email[people.home[person]]
    email = np.where((family_email != "") & chance(0.5), family_email, email)
    email = np.where(chance(0.002), _pick(random, SHARED_MAILBOXES, size), email)
    mobile = np.where(is_former, people.former_mobile[person], people.mobile[person])
    address = np.where(chance(0.3), homes.address_short[home], homes.address[home])
    company = np.where(chance(0.06), _zipf(random, COMPANIES, size, 0.5), "")
    columns = {
        "first_name": _typed(random, first, missing=0.02, typos=0.03),
        "last_name": _typed(random, last, missing=0.01, typos=0.03),
        "email": _typed(random, email, missing=0.25, typos=0.015),
        "phone": _typed(random, _telephones(random, homes.landline[home]), missing=0.45, typos=0.005),
        "mobile": _typed(random, _telephones(random, mobile), missing=0.45, typos=0.005),
        "company": company,
        "address1": _typed(random, address, missing=0.3, typos=0.03),
        "address2": np.full(size, ""),
        "city": _typed(random, homes.city[home], missing=0.25, typos=0.01),
        "postcode": _typed(random, homes.postcode[home], missing=0.25, typos=0.01),
        "country": np.where(chance(0.7), "GB", ""),
    }
    return pa.table(
        {
            "ref_id": np.arange(1, size + 1),
            "system_id": random.integers(1, SYSTEMS + 1, size),
            **columns,
            "date_of_birth": _typed_dates(random, people.born[person]),
        }
    ).cast(REF_SCHEMA)


def _first_names(random: Random, first: Array) -> Array:
    short = np.array([NICKNAMES.get(name, name) for name in FIRST_NAMES], dtype=object)
    order = np.argsort(np.array(FIRST_NAMES, dtype=object))
    names = np.array(FIRST_NAMES, dtype=object)[order]
    nickname = short[order][np.searchsorted(names, first)]
    typed = np.where(random.random(len(first)) < 0.10, nickname, first)
    initial = _objects(pc.utf8_slice_codeunits(pa.array(first, pa.string()), 0, 1))
    return np.where(random.random(len(first)) < 0.03, initial, typed)


def _telephones(random: Random, numbers: Array) -> Array:
    abroad = _objects(pc.replace_substring_regex(pa.array(numbers, pa.string()), "^0", "+44 "))
    return np.where(random.random(len(numbers)) < 0.3, abroad, numbers)


def _typed(random: Random, values: Array, *, missing: float, typos: float) -> Array:
    """Some blank, some placeholders, some misspelt, some in capitals."""
    size = len(values)
    typed = values.copy()
    wrong = np.flatnonzero((random.random(size) < typos) & (values != ""))
    kinds = random.integers(0, 4, len(wrong))
    spots = random.random(len(wrong))
    typed[wrong] = [_misspell(values[row], int(k), s) for row, k, s in zip(wrong, kinds, spots, strict=True)]
    loud = random.random(size) < 0.05
    typed[loud] = _objects(pc.utf8_upper(pa.array(typed[loud], pa.string())))
    gap = random.random(size) < missing
    return np.where(gap, np.where(random.random(size) < 0.02, _pick(random, PLACEHOLDERS, size), ""), typed)


def _misspell(text: str, kind: int, spot: float) -> str:
    """One letter dropped, doubled, swapped with the next, or replaced by its neighbour in the alphabet."""
    at = int(spot * len(text))
    after = text[at + 1 :]
    other = chr(ord(text[at]) + 1) if text[at].isalnum() and text[at] not in "zZ9" else text[at]
    changes: Sequence[Callable[[], str]] = (
        lambda: text[:at] + after,
        lambda: text[: at + 1] + text[at:],
        lambda: text[:at] + after[:1] + text[at] + after[1:],
        lambda: text[:at] + other + after,
    )
    return changes[kind]()


def _typed_dates(random: Random, born: Array) -> pa.Array:
    size = len(born)
    years, months = born.astype("datetime64[Y]"), born.astype("datetime64[M]")
    month, day = (months - years).astype(int) + 1, (born - months).astype(int) + 1
    swapped = years.astype("datetime64[M]") + np.where(day <= 12, day - 1, month - 1)
    swapped = swapped.astype("datetime64[D]") + np.where(day <= 12, month - 1, day - 1)
    typed = np.where(random.random(size) < 0.01, swapped, born)
    typed = np.where(random.random(size) < 0.01, born + random.integers(-9, 10, size), typed)
    typed = np.where(random.random(size) < 0.003, born + random.integers(-9000, 9000, size), typed)
    typed = np.where(random.random(size) < 0.02, np.datetime64("1900-01-01"), typed)
    return pa.array(typed, pa.date32(), mask=random.random(size) < 0.45)


def _weights(count: int, steepness: float) -> Array:
    weights: Array = 1 / np.arange(3, count + 3) ** steepness
    return weights / weights.sum()


def _zipf(random: Random, values: Sequence[str], size: int, steepness: float) -> Array:
    cumulative = np.cumsum(_weights(len(values), steepness))
    index = np.searchsorted(cumulative, random.random(size))
    chosen: Array = np.array(values, dtype=object)[np.minimum(index, len(values) - 1)]
    return chosen


def _pick(random: Random, values: Sequence[str], size: int) -> Array:
    chosen: Array = np.array(values, dtype=object)[random.integers(0, len(values), size)]
    return chosen


def _join(separator: str, *parts: Any) -> Array:
    columns = [pa.array(part).cast(pa.string()) for part in parts]
    return _objects(pc.binary_join_element_wise(*columns, separator))


def _objects(values: pa.Array | pa.ChunkedArray) -> Array:
    converted: Array = np.asarray(values.to_numpy(zero_copy_only=False), dtype=object)
    return converted
