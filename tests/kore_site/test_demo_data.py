"""The demonstration's fans and purchases: the same for a seed, and people who could exist but do not."""

import datetime as dt
import re

import pytest

from kore_site.demo.club import BOX_OFFICE, GULLS_TICKETS, MEMBERS, SYSTEMS, fixtures
from kore_site.demo.files import write_files
from kore_site.demo.people import COUNTER_MAILBOX, make_entries
from kore_site.demo.spending import make_purchases

NOW = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)


def test_the_same_seed_makes_the_same_files_and_another_seed_others(tmp_path):
    def texts(folder: str, seed: int) -> list[str]:
        files = write_files(tmp_path / folder, refs=200, seed=seed, now=NOW)
        return [path.read_text() for d in files.deliveries for path in (d.customers, d.purchases)]

    assert texts("one", 1) == texts("again", 1)
    assert texts("one", 1) != texts("other", 2)


def test_there_are_exactly_as_many_refs_as_asked_for_and_people_stand_in_several_systems():
    entries = make_entries(600, seed=1, now=NOW)

    assert len(entries) == 600
    assert len({(entry.system, entry.row["system_ref"]) for entry in entries}) == 600
    assert {entry.system for entry in entries} == set(SYSTEMS)
    people = len({entry.fan.number for entry in entries})
    assert 1.3 < 600 / people < 2.2


def test_nobody_can_be_reached_by_what_the_demo_makes_up():
    rows = [entry.row for entry in make_entries(3000, seed=3, now=NOW)]

    hosts = {row["email"].lower().split("@")[1] for row in rows if "@" in row["email"]}
    assert all(re.search(r"(^|\.)example\.(org|net|com)$", host) for host in hosts - {"none.com"})
    numbers = {row[kind] for row in rows for kind in ("phone", "mobile") if re.search(r"\d", row[kind])}
    local = {"0" + number.removeprefix("+44 ") if number.startswith("+44") else number for number in numbers}
    reserved = (
        r"07700 900\d{3}|01\d1 49[68] 0\d{3}|011\d 496 0\d{3}|020 7946 0\d{3}"
        r"|01632 960\d{3}|028 9649 6\d{3}|029 2018 0\d{3}"
    )
    assert [number for number in local if not re.fullmatch(reserved, number)] == []
    assert {row["postcode"][:2].upper() for row in rows} == {"", "XS"}


def test_what_grouping_has_to_cope_with_is_all_there():
    entries = make_entries(3000, seed=3, now=NOW)
    rows = [entry.row for entry in entries]

    emails = [row["email"].lower() for row in rows]
    assert emails.count(COUNTER_MAILBOX) > 10  # one mailbox, many people
    assert any(row["email"] in ("none@none.com", "n/a") for row in rows)
    assert any(row["last_name"].isupper() for row in rows)
    by_fan = {}
    for entry in entries:
        by_fan.setdefault(entry.fan.number, []).append(entry)
    several = [found for found in by_fan.values() if len(found) > 1]
    assert any(
        len({e.row["postcode"].replace(" ", "").upper() for e in f} - {""}) > 1 for f in several
    )  # moved
    assert any(len({e.row["first_name"].upper() for e in f}) > 1 for f in several)  # nickname or typo
    assert any(len({e.system for e in f}) < len(f) for f in several)  # twice in one system


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.code)
def test_purchases_span_two_seasons_and_nothing_is_bought_in_the_future(system):
    entries = [entry for entry in make_entries(1500, seed=5, now=NOW) if entry.system is system]

    lines = list(make_purchases(entries, name="1-file", seed=5, today=NOW.date(), now=NOW))

    bought = [dt.datetime.fromisoformat(line["purchased_at"]) for line in lines]
    assert max(bought) <= NOW
    assert max(bought) - min(bought) > dt.timedelta(days=300)
    assert {line["kind"] for line in lines} == {"single", "package", "season"}
    assert {"paid", "refunded", "cancelled"} <= {line["status"] for line in lines}
    assert any(line["event_on"] > NOW.date().isoformat() for line in lines) or system is MEMBERS
    assert len({line["purchase_id"] for line in lines}) == len(lines)
    assert ({line["currency"] for line in lines} == {"GBP", "EUR"}) is (system is MEMBERS)


def test_the_programme_goes_on_after_today_and_each_team_plays_on_its_own_days():
    mariners = fixtures(BOX_OFFICE, today=NOW.date())
    gulls = fixtures(GULLS_TICKETS, today=NOW.date())

    assert mariners[0].on < NOW.date() < mariners[-1].on
    assert {fixture.on for fixture in mariners}.isdisjoint(fixture.on for fixture in gulls)
