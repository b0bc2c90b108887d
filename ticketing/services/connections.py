"""Connections: set up, opened with their secrets, tested, looked through, and put on their schedule."""

import zoneinfo
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from contacts.models import Organisation, TicketSystem
from contacts.permissions import SystemRight, holds
from contacts.services.imports import BadDateFormat, check_date_format
from contacts.vault import CannotOpen, seal, unseal
from ticketing.connectors import KINDS
from ticketing.connectors.base import Connector, DataSet, Finding, Kind, Safety, Setup, SourceError
from ticketing.models import SourceConnection, SourceSecret
from ticketing.services.own_database import is_own_database
from ticketing.services.pull_schedule import keep_schedule
from ticketing.services.staging import Lot

PULLED_KINDS = (TicketSystem.Kind.TICKETING, TicketSystem.Kind.FILE, TicketSystem.Kind.SSO)
_RANGES = {
    "every_minutes": (1, 7 * 24 * 60),
    "overlap_minutes": (0, 30 * 24 * 60),
    "list_hours": (0, 365 * 24),
    "full_days": (0, 365),
    "most_rows": (1, 10**10),
    "statement_seconds": (1, 24 * 3600),
}
# What makes the source read in another way: cursors and unfinished runs of before mean nothing then.
_READING = ("connector", "options", "mapping", "date_format", "time_zone")


class BadConnection(Exception):
    """Settings that cannot be; `field` names the one, an option's name or a setting's."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class MayNotConnect(Exception):
    """The user lacks the right to change records of the system."""


@dataclass(frozen=True)
class Wanted:
    """A connection's settings as given. Secrets left out stay as they are; a blank one is taken away."""

    connector: str
    options: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)
    mapping: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    date_format: str = ""
    time_zone: str = ""
    every_minutes: int = 60
    overlap_minutes: int = 90
    list_hours: int = 24
    full_days: int = 7
    most_rows: int = 20_000_000
    statement_seconds: int = 300


def wanted_of(connection: SourceConnection, **changes: Any) -> Wanted:
    """The settings as they stand, with these changed."""
    names = [name for name in Wanted.__dataclass_fields__ if name != "secrets"]
    return Wanted(**{**{name: getattr(connection, name) for name in names}, **changes})


@transaction.atomic
def save_connection(
    system: TicketSystem, wanted: Wanted, *, by: User | None, now: datetime
) -> SourceConnection:
    """Set the system's connection up, or change it; its schedule follows. `by` None is the system itself.

    Raises MayNotConnect without CHANGE on the system, BadConnection for settings that cannot be. Where they
    change what is read, the next pull begins from the beginning and an unfinished one is dropped. Doing it
    again changes nothing. Two callers take turns at the system's row.
    """
    check_may_change(by, system)
    if system.kind not in PULLED_KINDS:
        raise BadConnection(
            "system", f"{system.code} is {system.get_kind_display()}: there is nothing to pull."
        )
    TicketSystem.objects.select_for_update(no_key=True).get(pk=system.pk)
    kind = kind_named(wanted.connector)
    options, secrets = _without_passwords(wanted, kind)
    _check(wanted, options, secrets, kind, _standing_secrets(system))
    _require_secrets_for_new_address(system, kind, options, secrets)
    connection, is_new = SourceConnection.objects.get_or_create(
        system=system, defaults={"connector": kind.name, "hook_key": token_urlsafe(32)}
    )
    before = {name: getattr(connection, name) for name in _READING}
    for name in Wanted.__dataclass_fields__:
        if name not in ("secrets", "options"):
            setattr(connection, name, getattr(wanted, name))
    connection.options = options
    if not is_new and any(getattr(connection, name) != value for name, value in before.items()):
        connection.version += 1
        connection.cursors = {}
    connection.save()
    connection.secrets.exclude(name__in=kind.secrets).delete()
    _keep_secrets(connection, secrets, now=now)
    keep_schedule(connection, now=now)
    return connection


@transaction.atomic
def save_mapping(
    connection: SourceConnection,
    data_set: DataSet,
    columns: Mapping[str, str],
    *,
    by: User | None,
    now: datetime,
) -> SourceConnection:
    """Let the data set's columns (theirs -> ours) mean this from now on. Raises as `save_connection` does."""
    twice = [ours for ours in set(columns.values()) - {""} if list(columns.values()).count(ours) > 1]
    if twice:
        raise BadConnection("mapping", f"Two columns lead to {', '.join(sorted(twice))}: leave one out.")
    mapping = {**connection.mapping, data_set.value: dict(columns)}
    if columns:
        _require_fitting(connection, mapping, data_set, tuple(columns))
    return save_connection(connection.system, wanted_of(connection, mapping=mapping), by=by, now=now)


def _require_fitting(
    connection: SourceConnection,
    mapping: Mapping[str, Mapping[str, str]],
    data_set: DataSet,
    columns: tuple[str, ...],
) -> None:
    """Raise BadConnection unless the columns lead to all that the data set needs."""
    proposed = copy(connection)
    proposed.mapping = mapping
    try:
        Lot(f"{data_set.value}.0", columns).layout(proposed)
    except SourceError as error:
        raise BadConnection("mapping", str(error)) from error


@transaction.atomic
def set_paused(connection: SourceConnection, is_paused: bool, *, by: User | None, now: datetime) -> None:
    """Stop or start the pulls by schedule; one that runs goes on to its end. Raises MayNotConnect."""
    check_may_change(by, connection.system)
    SourceConnection.objects.filter(pk=connection.pk).update(is_paused=is_paused)
    connection.is_paused = is_paused
    keep_schedule(connection, now=now)


def check_may_change(by: User | None, system: TicketSystem) -> None:
    """Raise MayNotConnect unless the user may change the system's records."""
    if by is not None and not holds(by, SystemRight.CHANGE, system):
        raise MayNotConnect(f"{by.get_username()} may not change records of {system.code}.")


def kind_named(name: str) -> Kind:
    """The connector of this name. Raises BadConnection."""
    kind = KINDS.get(name)
    if kind is None:
        raise BadConnection(
            "connector", f"There is no connector {name}. There are: {', '.join(sorted(KINDS))}."
        )
    return kind


@contextmanager
def opened(connection: SourceConnection) -> Iterator[Connector]:
    """The connection's connector, ready to read, closed in the end. Raises SourceError."""
    connector = kind_named(connection.connector).open(setup_of(connection))
    try:
        yield connector
    finally:
        connector.close()


def setup_of(connection: SourceConnection) -> Setup:
    """What the connector gets to know, secrets in clear. Raises SourceError when one cannot be read."""
    try:
        secrets = {
            secret.name: unseal(secret.sealed, place=_place(secret)) for secret in connection.secrets.all()
        }
    except CannotOpen as error:
        raise SourceError(str(error), advice="Give the credentials of this connection again.") from error
    return Setup(
        options=connection.options,
        secrets=secrets,
        columns={
            DataSet(name): {ours: theirs for theirs, ours in columns.items()}
            for name, columns in connection.mapping.items()
        },
        time_zone=connection.time_zone or Organisation.load().time_zone,
        safety=Safety(
            allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
            allowed_hosts=tuple(settings.ALLOWED_SOURCE_HOSTS),
            file_roots=tuple(settings.SOURCE_FILE_ROOTS),
            is_own_database=is_own_database,
            statement_seconds=connection.statement_seconds,
            most_rows=connection.most_rows,
        ),
    )


def test_connection(connection: SourceConnection) -> list[Finding]:
    """Look at everything that a pull needs; what cannot even be opened is the one finding."""
    try:
        with opened(connection) as connector:
            findings = connector.check()
            if all(finding.is_good for finding in findings):
                findings += _look_at_mappings(connection, connector)
            return findings
    except SourceError as error:
        return [Finding("The connection", False, str(error), error.advice)]


def _look_at_mappings(connection: SourceConnection, connector: Connector) -> list[Finding]:
    """Whether the columns of each data set lead to the fields that it needs."""
    findings = []
    for data_set in (one for one in DataSet if one in connector.capabilities.data_sets):
        what = f"Mapping of the {data_set}"
        columns = connector.sample(data_set, rows=1).columns
        try:
            found = Lot(f"{data_set.value}.0", columns).layout(connection) if columns else None
        except SourceError as error:
            findings.append(Finding(what, False, str(error), error.advice))
        else:
            meant = ", ".join(found.positions) if found else "no row yet to tell the columns by"
            findings.append(Finding(what, True, f"{meant}."))
    return findings


def _without_passwords(wanted: Wanted, kind: Kind) -> tuple[dict[str, str], dict[str, str]]:
    """Options and secrets; a password in an address, or a secret among the options, goes where it belongs."""
    options, secrets = dict(wanted.options), dict(wanted.secrets)
    for name in set(kind.secrets) & options.keys():
        secrets.setdefault(name, options.pop(name))
    if "://" in options.get("url", ""):
        options["url"], password = _parted(options["url"])
        if password and "password" not in kind.secrets:
            raise BadConnection("url", "The address holds a password, which does not belong there.")
        if password:
            secrets.setdefault("password", password)
    return {name: value.strip() for name, value in options.items() if value.strip()}, secrets


def _parted(url: str) -> tuple[str, str]:
    """The address without its password, and the password; read by what connects. Raises BadConnection."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise BadConnection(
            "url", "This cannot be read as an address; is it escaped as it should be?"
        ) from None
    if any("pass" in name.lower() or "secret" in name.lower() for name in address.query):
        raise BadConnection(
            "url", "The address holds a password behind its question mark: give it as a secret."
        )
    if address.password is None:
        return url, ""
    bare = address._replace(password=None)
    return bare.render_as_string(hide_password=False), str(address.password)


def _check(
    wanted: Wanted, options: Mapping[str, str], secrets: Mapping[str, str], kind: Kind, standing: set[str]
) -> None:
    known = {option.name for option in kind.options if not option.is_secret}
    for name in options.keys() - known:
        raise BadConnection(name, f"{kind.title} has no option {name}. It has: {', '.join(sorted(known))}.")
    for name in secrets.keys() - set(kind.secrets):
        has = ", ".join(kind.secrets) or "none"
        raise BadConnection(name, f"{kind.title} has no secret {name}. It has: {has}.")
    has_secrets = {name for name in standing if secrets.get(name, "kept")} | {
        n for n, v in secrets.items() if v
    }
    for option in kind.options:
        if option.is_required and option.name not in (has_secrets if option.is_secret else options):
            raise BadConnection(option.name, f"{option.label} is missing.")
        if option.check is not None and option.name in options:
            try:
                option.check(options[option.name], options)
            except SourceError as error:
                raise BadConnection(option.name, f"{error} {error.advice}".strip()) from error
    _check_settings(wanted)


def _check_settings(wanted: Wanted) -> None:
    for name, (least, most) in _RANGES.items():
        if not least <= getattr(wanted, name) <= most:
            raise BadConnection(name, f"Between {least:,} and {most:,}.")
    if wanted.time_zone and wanted.time_zone not in zoneinfo.available_timezones():
        raise BadConnection("time_zone", "There is no such time zone; write it like Europe/London.")
    try:
        check_date_format(wanted.date_format, now=datetime(2026, 10, 23, 13, 45, tzinfo=UTC))
    except BadDateFormat as refusal:
        raise BadConnection("date_format", str(refusal)) from None


def _require_secrets_for_new_address(
    system: TicketSystem, kind: Kind, options: Mapping[str, str], secrets: Mapping[str, str]
) -> None:
    """A credential is for the server that it was given for: for another address it has to be given again.

    Else whoever may change the address could have it sent to a server of their own.
    """
    standing = SourceConnection.objects.filter(system=system).first()
    if standing is None or (standing.connector, _server(standing.options)) == (kind.name, _server(options)):
        return
    for name in sorted(_standing_secrets(system) & set(kind.secrets) - secrets.keys()):
        raise BadConnection(name, "The address is another one now: give this again, or take it away.")


def _server(options: Mapping[str, str]) -> tuple[str, str]:
    parts = urlsplit(options.get("url", ""))
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def _standing_secrets(system: TicketSystem) -> set[str]:
    found = SourceSecret.objects.filter(connection__system=system)
    return set(found.values_list("name", flat=True))


def _keep_secrets(connection: SourceConnection, secrets: Mapping[str, str], *, now: datetime) -> None:
    for name, value in secrets.items():
        if not value:
            connection.secrets.filter(name=name).delete()
            continue
        secret, _ = SourceSecret.objects.get_or_create(
            connection=connection, name=name, defaults={"sealed": b"", "set_at": now}
        )
        secret.sealed, secret.set_at = seal(value, place=_place(secret)), now
        secret.save()


def _place(secret: SourceSecret) -> str:
    return f"ticketing_sourcesecret:{secret.connection_id}.{secret.name}:{secret.pk}"


@transaction.atomic
def seal_anew() -> int:
    """Seal every secret with the newest key; returns how many. The way to finish a rotation."""
    count = 0
    for secret in SourceSecret.objects.select_for_update().order_by("pk"):
        secret.sealed = seal(unseal(secret.sealed, place=_place(secret)), place=_place(secret))
        secret.save()
        count += 1
    return count
