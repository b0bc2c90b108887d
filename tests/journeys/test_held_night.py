"""The brake from the terminal: a held night ends with 3, names the value, and goes on with --accept."""

import json

import pytest

from tests.journeys.stores import Stores

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

NAMES = ("Ann Lee", "Bo Okafor", "Cy Marlow", "Di Reyes", "Ed Novak")


def manage(stores: Stores, *arguments: object):
    return stores.run("base", "manage.py", *arguments)


def load(stores: Stores, folder, rows: list[str]) -> None:
    file = folder / "refs.csv"
    file.write_text("system_ref,first_name,last_name,email\n" + "\n".join(rows) + "\n")
    loaded = manage(stores, "import_system_refs", file, "--system", "MLB")
    assert loaded.returncode == 0, loaded.stderr


def mapped(stores: Stores, folder) -> str:
    assert manage(stores, "export_mapping", folder / "mapping.csv").returncode == 0
    return (folder / "mapping.csv").read_text()


@pytest.mark.req("D-15", "D-26")
def test_500_accounts_with_one_e_mail_and_name_hold_the_night_until_it_is_accepted(stores, tmp_path):
    stores.make("base")
    assert manage(stores, "migrate", "--verbosity", 0).returncode == 0
    made = manage(stores, "add_ticket_system", "MLB", "Major")
    assert made.returncode == 0, made.stderr
    load(stores, tmp_path, [f"A{n},{NAMES[n % 5].replace(' ', ',')}{n},p{n}@x.example" for n in range(80)])
    first = manage(stores, "run_night", "--json")
    assert (first.returncode, json.loads(first.stdout)["state"]) == (0, "done")
    load(stores, tmp_path, [f"B{n},Pat,Stanley,pat.stanley@gmail.example" for n in range(500)])
    mapping = mapped(stores, tmp_path)

    held = manage(stores, "run_night", "--json")
    alone = manage(stores, "regroup", "--full")
    as_json = manage(stores, "regroup", "--json")

    told = json.loads(held.stdout)
    assert (held.returncode, told["state"]) == (3, "held")
    assert told["brake"]["blame"][0] == {
        "rule": "email",
        "field": "e-mail",
        "value": "pat.stanley@gmail.example",
        "refs": 500,
        "system_ref": "MLB B0",
    }
    assert "pat.stanley" not in held.stderr
    assert alone.returncode == 3
    assert "e-mail “pat.stanley@gmail.example”" in alone.stdout
    assert as_json.returncode == 3
    counted = json.loads(as_json.stdout)
    assert {name: counted[name] for name in ("refs", "contacts", "joined", "split", "held")} == {
        "refs": 0, "contacts": 80, "joined": 0, "split": 0, "held": 0,
    }  # fmt: skip
    assert counted["seconds"] > 0
    assert counted["brake"]["blame"][0]["refs"] == 500
    assert mapped(stores, tmp_path) == mapping

    accepted = manage(stores, "run_night", "--accept", "--json")
    again = manage(stores, "run_night", "--accept")

    assert (accepted.returncode, json.loads(accepted.stdout)["state"]) == (0, "done"), accepted.stderr
    assert (again.returncode, "Nothing is held" in again.stderr) == (1, True)
    assert manage(stores, "check_invariants").returncode == 0
    assert mapped(stores, tmp_path).count(",MLB,B") == 500
