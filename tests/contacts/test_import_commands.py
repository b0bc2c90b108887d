"""import_system_refs and import_purchases: what they print, what they return, whose rights count."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from contacts.models import FieldChange, SystemRef
from contacts.permissions import SystemRight, grant
from contacts.services.corrections import correct

from ..factories import NOW, TicketSystemFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def system():
    return TicketSystemFactory(code="TM")


@pytest.fixture
def bring(system, tmp_path):
    """Run a command over a file of this content: its exit code, and what it printed."""

    def run(content, *options, command="import_system_refs", code="TM"):
        path = tmp_path / "fans.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        out = io.StringIO()
        try:
            call_command(command, str(path), *options, system=code, stdout=out, stderr=io.StringIO())
        except SystemExit as stop:
            return stop.code, out.getvalue()
        return 0, out.getvalue()

    return run


def test_all_rows_in_is_exit_code_0_and_one_json_object(bring):
    code, printed = bring("system_ref,shoes\n1,3\n2,4\n", "--json")

    assert code == 0
    assert json.loads(printed) == {
        "created": 2,
        "changed": 0,
        "unchanged": 0,
        "held": 0,
        "rejected": 0,
        "ignored_columns": ["shoes"],
        "message": "",
    }


def test_rejected_rows_are_exit_code_1_named_with_the_reason_and_the_good_ones_are_in(bring):
    code, printed = bring("system_ref,email,shoes\n1,ann@example.org,3\n2,bo@,4\n")

    assert code == 1
    assert printed.splitlines() == [
        "Columns left out: shoes",
        "1 created, 0 changed, 0 unchanged, 0 held, 1 rejected",
        "  line 3, email: It is not an e-mail address; write it like ann@example.org.",
    ]
    assert SystemRef.objects.get().system_ref == "1"


@pytest.mark.parametrize("content", ["", "email\nann@example.org\n", b"\x89PNG\r\n"])
def test_a_refused_file_is_exit_code_1_with_the_reason_in_the_json(bring, content):
    code, printed = bring(content, "--json")

    assert code == 1
    assert json.loads(printed)["message"].startswith("fans.csv: Th")


def test_a_header_alone_is_done_and_said(bring):
    assert bring("system_ref\n") == (
        0,
        "The file has a header and no rows.\n0 created, 0 changed, 0 unchanged, 0 held, 0 rejected\n",
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--map", "nonsense"], "--map nonsense: write it like theirs=ours."),
        (["--map", "shoes=feet"], "“feet” is none of our columns: "),
        (["--map", "hat=email"], "The file has no column “hat”"),
        (["--date-format", "%Q"], "“%Q” is no date format; write it like %d/%m/%Y."),
        (["--date-format", "%d/%m"], "“%d/%m” is no date format; write it like %d/%m/%Y."),
        (["--by", "nobody"], "There is no user nobody."),
    ],
)
def test_asking_wrongly_is_exit_code_2_with_a_sentence(bring, options, sentence):
    with pytest.raises(CommandError) as refusal:
        bring("system_ref,shoes\n1,3\n", *options)

    assert refusal.value.returncode == 2
    assert str(refusal.value).startswith(sentence)


def test_an_unknown_system_and_a_missing_file_are_exit_code_2(bring, system):
    with pytest.raises(CommandError, match=r"There is no ticket system X\. There are: TM\.") as unknown:
        bring("system_ref\n1\n", code="X")
    with pytest.raises(CommandError, match="No such file") as missing:
        call_command("import_system_refs", "/nowhere.csv", system="TM")

    assert (unknown.value.returncode, missing.value.returncode) == (2, 2)


@pytest.mark.req("R-MDB-17")
def test_by_someone_without_the_right_to_change_brings_nothing_in(bring, system):
    viewer, changer = UserFactory(username="viewer"), UserFactory(username="changer")
    for user in (viewer, changer):
        grant(user, SystemRight.VIEW, on=system)
    grant(changer, SystemRight.CHANGE, on=system)

    with pytest.raises(CommandError, match=r"viewer may not change records of TM\.") as refusal:
        bring("system_ref\n1\n", "--by", "viewer")
    bring("system_ref\n2\n", "--by", "changer")

    assert refusal.value.returncode == 2
    assert FieldChange.objects.values_list("system_ref__system_ref", "actor__username").get() == (
        "2",
        "changer",
    )


def test_the_rejected_file_mended_goes_in_under_the_same_map_with_formulas_as_they_were(bring, tmp_path):
    rejected = tmp_path / "rejected.csv"
    bring(
        "Cust No,first_name,E-Mail\n1,=Ann,ann@\n2,Bo,bo@example.org\n",
        "--map",
        "Cust No=system_ref",
        "--rejected",
        str(rejected),
    )
    text = rejected.read_text(encoding="utf-8-sig")

    code, printed = bring(text.replace("ann@,2", "ann@example.org,2"), "--map", "Cust No=system_ref")

    assert text.splitlines()[1].startswith("1,'=Ann,ann@,2,email,ann@,")
    assert (code, printed) == (0, "1 created, 0 changed, 0 unchanged, 0 held, 0 rejected\n")
    assert SystemRef.objects.get(system_ref="1").first_name == "=Ann"


def test_nul_bytes_dates_in_several_notations_and_duplicates_in_one_file(bring):
    content = (
        "system_ref,last_name,date_of_birth\n"
        "1,Marlow,1980-02-28\n"
        "2,Mar\0low,1980-02-28\n"
        "3,Okafor,28/02/1980\n"
        "4,Reyes,02.28.1980\n"
        "1,Marlowe,1980-02-28\n"
    )

    code, printed = bring(content, "--date-format", "%d/%m/%Y", "--json")

    assert code == 1
    assert {name: count for name, count in json.loads(printed).items() if count} == {
        "created": 2,
        "unchanged": 1,
        "rejected": 2,
    }
    assert dict(SystemRef.objects.values_list("system_ref", "last_name")) == {"1": "Marlowe", "3": "Okafor"}


def test_purchases_come_in_by_their_own_command(bring):
    bring("system_ref\n1\n")

    code, printed = bring(
        'system_ref,purchase_id,purchased_at,amount\n1,P1,2026-01-05,12.50\n1,P2,2026-01-05,"12,50"\n7,P3,2026-01-05,1\n',
        command="import_purchases",
    )

    assert code == 1
    assert printed.splitlines() == [
        "1 created, 0 changed, 0 unchanged, 0 held, 2 rejected",
        "  line 3, amount: It holds a comma; write amounts like 1234.50.",
        "  line 4, system_ref: TM has no such System Ref; bring System Refs in first.",
    ]


def test_what_is_at_odds_with_a_hand_edit_is_counted_and_only_then(bring, system):
    bring("system_ref,first_name\n1,Ann\n")
    by = UserFactory()
    for right in SystemRight:
        grant(by, right, on=system)
    correct(SystemRef.objects.get(), {"first_name": "Anne"}, seen=None, by=by, now=NOW)

    _code, same = bring("system_ref,first_name\n1,Ann\n", "--json")
    _code, other = bring("system_ref,first_name\n1,Anna\n", "--json")
    _code, words = bring("system_ref,first_name\n1,Annie\n")

    assert "conflicts" not in json.loads(same)
    assert json.loads(other)["conflicts"] == 1
    assert "at odds" not in words  # that conflict is open already
