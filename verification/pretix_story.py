"""What happens in pretix, step by step, and what has to stand in Kore after each."""

import json
import threading
from typing import Any

from django.utils import timezone

from contacts.models import GoneRef, RelatedName, SystemRef, TicketSystem
from ticketing.connectors.base import CannotWrite, Conflict, Connector, DataSet
from ticketing.models import PullRun, Purchase, SourceConnection
from ticketing.services.connections import kind_named, setup_of
from ticketing.services.pull import pull
from verification.box_office import BoxOffice
from verification.checks import Checks
from verification.kore import Kore
from verification.pretix_server import PretixServer

CODE = "PTX"
CUSTOMERS, BOOKERS = 60, 70  # each more than pretix gives in one page


def tell(kore: Kore, server: PretixServer, checks: Checks) -> None:
    """The whole story, in order: each part builds on the one before."""
    office = BoxOffice(
        server.url,
        server.facts["token"],
        product=server.facts["cup"],
        tour=(server.facts["tour"], server.facts["date"]),
    )
    story = Story(kore, server, checks, office)
    story.sell()
    story.connect()
    story.first_pull()
    story.nothing_changed()
    story.changes()
    story.erasure()
    story.hints()
    story.write_back()
    story.moving_list()


class Story:
    """The parts of the story, and what they have in common."""

    def __init__(self, kore: Kore, server: PretixServer, checks: Checks, office: BoxOffice) -> None:
        self.kore, self.server, self.checks, self.office = kore, server, checks, office

    def sell(self) -> None:
        """Fill pretix: customers, bookers without an account, orders with several attendees."""
        self.checks.step("pretix sells tickets")
        office = self.office
        self.ada = office.customer("Ada", "Adams", phone="+493012345678", external_identifier="CRM-7")
        self.eve = office.customer("Eve", "Evans")
        for number in range(CUSTOMERS - 2):
            office.customer("Cleo", f"Customer{number}")
        self.adas = office.order(["Ada Adams", "Al Adams", "Abe Adams"], customer=self.ada)
        self.eves = office.order(["Eve Evans"], customer=self.eve)
        self.booked = [office.order(["Bo Guest", "Flo Guest"]) for _ in range(BOOKERS - 2)]
        self.nameless = office.order(["Nia Only"], invoice_address=None)
        self.toured = office.order(["Tom Tourist"], tour=True)
        self.accounts, self.tickets = CUSTOMERS + BOOKERS, 3 + 1 + 2 * (BOOKERS - 2) + 2

    def connect(self) -> None:
        """Connect by the commands, and test the connection."""
        self.checks.step("Kore is connected")
        self.kore.command("add_ticket_system", CODE, "Club tickets")
        TicketSystem.objects.filter(code=CODE).update(blanks_overwrite=True)  # as docs/connectors.md advises
        self._connect(self.server.facts["blind_token"])
        blind = json.loads(self.kore.command("check_source", CODE, "--json", exit_code=1))
        said = [finding["what"] for finding in blind["findings"] if not finding["is_good"]]
        self.checks.equal("a token without rights is told", said, ["Orders", "Customers"])
        self._connect(self.server.facts["token"])
        tested = json.loads(self.kore.command("check_source", CODE, "--json"))
        self.checks.equal("the test of the connection is good", tested["state"], "good")

    def first_pull(self) -> None:
        """Everything comes: accounts, related names, purchases."""
        self.checks.step("the first pull")
        told = self.kore.pull(CODE)
        self._state(told, "done", rejected=0)
        self.checks.equal("every customer and booker stands", self._refs().count(), self.accounts)
        self.checks.equal("every ticket is a purchase", Purchase.objects.count(), self.tickets)
        self.checks.equal("every attendee is a related name", RelatedName.objects.count(), self.tickets)
        ada = self._ref(self.ada)
        self.checks.equal(
            "a customer has name, phone, language and number",
            (ada.first_name, ada.last_name, ada.phone, ada.language, ada.external_customer_id),
            ("Ada", "Adams", "+493012345678", "de", "CRM-7"),
        )
        self.checks.equal(
            "and the address of the order",
            (ada.address1, ada.address2, ada.postcode, ada.city, ada.country),
            ("Side Street 1", "Back house", "10115", "Berlin", "DE"),
        )
        self.checks.equal(
            "an order has its attendees",
            sorted(RelatedName.objects.filter(system_ref=ada).values_list("first_name", "last_name")),
            [("Abe", "Adams"), ("Ada", "Adams"), ("Al", "Adams")],
        )
        only = self._ref(f"O-cup-26-{self.nameless}")
        self.checks.equal("a booker without address is the only attendee", only.last_name, "Only")
        tour = Purchase.objects.get(purchase_id=f"tour-{self.toured}-1")
        self.checks.equal(
            "a ticket of a series names its date", (tour.event, tour.currency), ("Morning tour", "EUR")
        )

    def nothing_changed(self) -> None:
        """A pull over the same window changes nothing."""
        self.checks.step("nothing changed")
        told = self.kore.pull(CODE)
        self._state(told, "done", created=0, changed=0, rejected=0, missing=0)

    def changes(self) -> None:
        """A changed address, cancelled orders, a new order with several attendees."""
        self.checks.step("an address, a cancellation, a refund, a new order")
        moved, cancelled, refunded, *_ = self.booked
        self.office.move(moved, "New Road 5")
        self.office.cancel(cancelled)
        self.office.cancel(refunded, fee="6.00")
        self.office.pay_back(refunded, "40.00")
        new = self.office.order(["Uma One", "Una Two", "Uri Three"])
        told = self.kore.pull(CODE)
        self._state(told, "done", rejected=0)
        ref = self._ref(f"O-cup-26-{moved}")
        self.checks.equal("the address is the new one", (ref.address1, ref.address2), ("New Road 5", ""))
        self.checks.equal("the cancelled order is cancelled", self._status(cancelled), {"cancelled"})
        self.checks.equal("the one paid back is refunded", self._status(refunded), {"refunded"})
        self.checks.equal("others are paid", self._status(self.booked[5]), {"paid"})
        names = RelatedName.objects.filter(system_ref__system_ref=f"O-cup-26-{new}")
        self.checks.equal("the new order has three attendees", names.count(), 3)
        self.checks.equal("and three tickets", len(self._purchases(new)), 3)
        self.accounts += 1

    def erasure(self) -> None:
        """An anonymised customer is erased at the source, and nothing else is missing."""
        self.checks.step("a customer is anonymised")
        self.office.anonymise(self.eve)
        told = self.kore.pull(CODE, "--full")
        self._state(told, "done", rejected=0, missing=0)
        gone = list(GoneRef.objects.values_list("system_ref__system_ref", "reason"))
        self.checks.equal("and marked so, alone", gone, [(self.eve, GoneRef.Reason.ERASED)])

    def hints(self) -> None:
        """pretix sends its webhooks to Kore, which reads again what they name, and only that."""
        self.checks.step("pretix sends hints")
        with self.kore.serving() as address:
            self.server.add_hook(f"{address}/hints/{self._connection().hook_key}/")
            self.office.rename_attendee(self.adas, 2, "Alma Adams")
            self.office.move(self.booked[6], "Hint Alley 6")
            self.office.change_customer(self.ada, phone="+4989654321")
        hints = sorted(self._connection().hints.values_list("hint", flat=True))
        wanted = sorted(
            [f"order:cup-26:{self.adas}", f"order:cup-26:{self.booked[6]}", f"customer:{self.ada}"]
        )
        self.checks.true("they came", set(wanted[:1] + wanted[2:]) <= set(hints), said=", ".join(hints))
        self.office.move(self.booked[7], "Unhinted Road 7")
        run = pull(self._connection(), trigger=PullRun.Trigger.HINT, clock=timezone.now)
        self.checks.equal("what they name was read", (run.state, run.trigger), ("done", "hint"))
        ada = self._ref(self.ada)
        self.checks.equal("the phone is the new one", ada.phone, "+4989654321")
        self.checks.equal("and the address stands", ada.address1, "Side Street 1")
        street = self._ref(f"O-cup-26-{self.booked[6]}").address1
        self.checks.equal("the address is the new one", street, "Hint Alley 6")
        other = self._ref(f"O-cup-26-{self.booked[7]}").address1
        self.checks.equal("what nobody hinted at waits", other, "Side Street 1")
        self.checks.equal("no hint is left", self._connection().hints.count(), 0)

    def write_back(self) -> None:
        """An account corrected here is written to pretix, unless somebody else was faster."""
        self.checks.step("an account is written back")
        with _Opened(self._connection()) as source:
            before = source.read_account(self.ada)
            assert before is not None
            after = source.write_account(self.ada, {"last_name": "Adamson"}, version=before.version)
            self.checks.equal("it says so", after.values["last_name"], "Adamson")
            stands = self.office.read_customer(self.ada)
            self.checks.equal("pretix has it", stands["name"], "Ada Adamson")
            self.office.change_customer(self.ada, phone="+4940111111")
            self._refused(source, self.ada, {"last_name": "Late"}, after.version, Conflict, "a conflict")
            now = source.read_account(self.ada)
            assert now is not None
            self._refused(source, self.ada, {"phone": "030"}, now.version, CannotWrite, "a bad phone number")
            number = f"O-cup-26-{self.booked[8]}"
            booker = source.read_account(number)
            assert booker is not None
            wanted = {"last_name": "Baker", "city": "Bonn", "email": "baker@example.com"}
            written = source.write_account(number, wanted, version=booker.version)
            self.checks.equal("a booker too", {name: written.values[name] for name in wanted}, wanted)
        self.kore.pull(CODE)
        self.checks.equal("the next pull agrees", self._ref(self.ada).last_name, "Adamson")

    def moving_list(self) -> None:
        """Orders change while they are read: none is passed over."""
        self.checks.step("orders change while they are read")
        is_over = threading.Event()
        touched = 0

        def touch() -> None:
            nonlocal touched
            while not is_over.is_set():
                self.office.touch(self.booked[9 + touched % 40])
                touched += 1

        thread = threading.Thread(target=touch)
        thread.start()
        missing: set[str] = set()
        try:
            for _ in range(5):
                with _Opened(self._connection()) as source:
                    pages = source.changed(DataSet.PURCHASES, since="", resume="", overlap=0)
                    seen = {row[0] for page in pages for row in page.rows}
                    missing |= {f"O-cup-26-{code}" for code in self.booked} - seen
        finally:
            is_over.set()
            thread.join()
        self.checks.equal(f"none of {BOOKERS} is lost while {touched} move", missing, set())
        self.checks.true("some moved", touched > 0)

    def _connect(self, token: str) -> None:
        self.kore.command(
            "add_connection", CODE, "--connector", "pretix", "--option", f"url={self.server.url}",
            "--option", "organizer=club", "--secret", "token=PRETIX_TOKEN",
            "--secret", "write_token=WRITE_TOKEN",
            PRETIX_TOKEN=token, WRITE_TOKEN=self.server.facts["token"],
        )  # fmt: skip

    def _state(self, told: dict[str, Any], state: str, **counts: int) -> None:
        found = {name: told[name] for name in ("state", *counts)}
        everything = {name: count for name, count in told.items() if count and name != "system"}
        self.checks.equal("the pull tells", found, {"state": state, **counts})
        print(f"        {everything}", flush=True)

    def _refused(
        self,
        source: Connector,
        number: str,
        values: dict[str, str],
        version: str,
        why: type[Exception],
        what: str,
    ) -> None:
        try:
            source.write_account(number, values, version=version)
        except why:
            self.checks.true(f"{what} is refused", True)
        else:
            self.checks.true(f"{what} is refused", False)

    def _connection(self) -> SourceConnection:
        return SourceConnection.objects.select_related("system").get(system__code=CODE)

    def _refs(self) -> Any:
        return SystemRef.objects.filter(system__code=CODE)

    def _ref(self, number: str) -> SystemRef:
        return self._refs().get(system_ref=number)

    def _purchases(self, code: str) -> list[str]:
        found = Purchase.objects.filter(purchase_id__startswith=f"cup-26-{code}-")
        return list(found.values_list("status", flat=True))

    def _status(self, code: str) -> set[str]:
        return set(self._purchases(code))


class _Opened:
    """A connection opened as a pull opens it."""

    def __init__(self, connection: SourceConnection) -> None:
        self._source = kind_named(connection.connector).open(setup_of(connection))

    def __enter__(self) -> Connector:
        return self._source

    def __exit__(self, *_error: object) -> None:
        self._source.close()
