"""Sessions with a source's database: a checked address, reading only, with time-outs, never our own."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader
from sqlalchemy import URL, DateTime, Dialect, Engine, String, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.types import TypeEngine

from ticketing.connectors.addresses import check_host, is_loopback
from ticketing.connectors.base import NotAllowed, Safety, Setup, SourceError, Unreachable
from ticketing.connectors.sql_fingerprint import POSTGRES_FINGERPRINT, sqlite_fingerprint

# What an address may say after its question mark: nothing that leads elsewhere or opens a file.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "postgresql": ("sslmode", "sslrootcert"), "mysql": ("charset",), "mariadb": ("charset",),
    "mssql": ("driver", "Encrypt", "TrustServerCertificate"), "oracle": ("service_name",), "sqlite": (),
}  # fmt: skip
_DRIVERS = {
    "postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql", "mssql": "pyodbc",
    "oracle": "oracledb", "sqlite": "pysqlite",
}  # fmt: skip
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
# What PostgreSQL writes well enough itself, and what Python has no value for: infinity, the year 10000.
_AS_TEXT = (
    "date", "time", "timetz", "timestamp", "timestamptz", "interval", "numeric", "uuid", "json", "jsonb"
)  # fmt: skip
_ENCRYPTED = ("require", "verify-ca", "verify-full")
_FIRST = datetime(1900, 1, 1)  # noqa: DTZ001 (before anything that was ever changed, in every zone)
_GRACE = 30  # seconds: a server that lives has ended a statement of its own accord by then
_STEPS = 20_000  # of SQLite's machine, between looks at the clock
_CLOCKS = {
    "sqlite": "SELECT CURRENT_TIMESTAMP",
    "postgresql": "SELECT CURRENT_TIMESTAMP",
    "mysql": "SELECT UTC_TIMESTAMP()",
    "mariadb": "SELECT UTC_TIMESTAMP()",
    "mssql": "SELECT SYSUTCDATETIME()",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM DUAL",
}
_BEGINS = {("sqlite", False): "BEGIN", ("sqlite", True): "BEGIN IMMEDIATE"}
_BEGINS |= {("oracle", False): "SET TRANSACTION READ ONLY"}


def clock_sql(dialect: str) -> str:
    """The query for the source's own time in UTC."""
    return _CLOCKS[dialect]


@dataclass(frozen=True)
class Window:
    """Where a query begins: `value` of `type` is what :since is bound to."""

    value: object
    type: TypeEngine[Any]


def window(cursor: str, *, overlap: int, dialect: str, time_zone: str) -> Window:
    """`overlap` seconds before the cursor, as moments stand at the source; 1900 without a cursor.

    PostgreSQL gets a moment with its offset. Others compare with what their columns hold, which is local
    time; SQLite as text, which is behind every `T` form of the same day and so takes too much and never
    too little.
    """
    if dialect == "postgresql":
        moment = _moment(cursor, overlap) if cursor else _FIRST.replace(tzinfo=UTC)
        return Window(moment, DateTime(timezone=True))
    wall = _wall(_moment(cursor, overlap), ZoneInfo(time_zone)) if cursor else _FIRST
    if dialect == "sqlite":
        return Window(wall.strftime("%Y-%m-%d %H:%M:%S"), String())
    return Window(wall, DateTime())


def _moment(cursor: str, overlap: int) -> datetime:
    return datetime.fromisoformat(cursor).astimezone(UTC) - timedelta(seconds=overlap)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """The earliest that clocks show from this moment on: in the hour before they go back, that is less."""
    here, later = moment.astimezone(zone), (moment + timedelta(hours=1)).astimezone(zone)
    goes_back = (here.utcoffset() or timedelta()) - (later.utcoffset() or timedelta())
    return here.replace(tzinfo=None) - max(goes_back, timedelta())


def read_address(text: str, *, password: str, safety: Safety) -> URL:
    """A database's address with its driver. Raises NotAllowed for what leads elsewhere."""
    try:
        url = make_url(text.strip().replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        raise NotAllowed(
            "This is no address of a database.", advice="It looks like postgresql://user@host:5432/database."
        ) from None
    dialect = url.get_backend_name()
    if dialect not in _DRIVERS:
        raise NotAllowed(f"{dialect} is no kind of database that is read: {', '.join(_DRIVERS)}.")
    if "+" not in url.drivername or dialect in ("postgresql", "sqlite"):
        url = url.set(drivername=f"{dialect}+{_DRIVERS[dialect]}")
    for name, value in url.query.items():
        _check_parameter(dialect, name, value)
    if dialect == "sqlite":
        return url.set(database=str(_checked_file(url.database or "", safety)))
    if not url.host or not url.database:
        raise NotAllowed("The address lacks its host or its database.", advice="Both have to be named.")
    return url.set(password=password) if password else url


def _check_parameter(dialect: str, name: str, value: object) -> None:
    if name not in _PARAMETERS[dialect]:
        raise NotAllowed(f"The address has the parameter {name}, which is not taken.", advice="Leave it out.")
    if name == "sslmode" and value not in _ENCRYPTED or name == "sslrootcert" and value != "system":
        raise NotAllowed(
            f"The address gives {name} a value that is not taken.",
            advice=f"sslmode is one of {', '.join(_ENCRYPTED)}, sslrootcert is system.",
        )


def _checked_file(database: str, safety: Safety) -> Path:
    """The file of a SQLite source, links followed, where files may be read."""
    if not safety.allow_loopback:
        raise NotAllowed(
            "Files of this machine may not be read as databases.", advice="It needs ALLOW_LOOPBACK_SOURCES=1."
        )
    path = Path(os.path.realpath(database))
    roots = [Path(os.path.realpath(root)) for root in safety.file_roots]
    if not any(path.is_relative_to(root) for root in roots):
        raise NotAllowed(
            f"{path.name or 'The file'} is outside the folders that may be read.",
            advice="Put it into one of the folders of the setting SOURCE_FILE_ROOTS.",
        )
    if not path.is_file():
        raise Unreachable(f"There is no file {path.name}.", advice="Check the path in the address.")
    return path


def open_engine(url: URL, setup: Setup, *, accept: Callable[[str], None], writes: bool = False) -> Engine:
    """An engine whose every connection is checked before it is used: `accept` gets its fingerprint.

    Raises NotAllowed or Unreachable for the address, a SourceError where its driver is not installed.
    """
    dialect = url.get_backend_name()
    try:
        engine = create_engine(
            url, hide_parameters=True, pool_size=2, max_overflow=2, **_isolation(dialect, writes=writes)
        )
    except (ImportError, NoSuchModuleError):
        driver = url.get_driver_name()
        raise SourceError(
            f"The driver {driver} is not installed.",
            advice=f"Whoever runs Kore can add it: pip install {driver}. PostgreSQL and SQLite need nothing.",
        ) from None

    @event.listens_for(engine, "do_connect")
    def connect(maker: Dialect, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        if dialect == "sqlite":
            made = _sqlite(url, setup.safety, record.info, writes=writes)
            accept(sqlite_fingerprint(url.database or ""))
            return made
        made = _connected(maker, arguments, {**options, **to_checked_ip(url, setup.safety)}, setup.safety)
        try:
            _settle(made, dialect, setup, writes=writes)
            accept(_fingerprint(made, url))
        except BaseException:
            made.close()
            raise
        return made

    @event.listens_for(engine, "handle_error")
    def let_go(failed: Any) -> None:
        if failed.is_disconnect and failed.execution_context:
            failed.execution_context.cursor.close()  # SQLAlchemy leaves it to the garbage collector

    if begins := _BEGINS.get((dialect, writes)):

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql(begins)

    return engine


def _connected(maker: Dialect, arguments: list[Any], options: dict[str, Any], safety: Safety) -> Any:
    """A connection on which no statement is waited for endlessly, though the server's time-outs be lost."""
    if maker.name != "postgresql":
        return maker.connect(*arguments, **options)
    made = Awaited.connect(*arguments, **options)
    made.longest_wait = safety.statement_seconds + _GRACE
    return made


def _isolation(dialect: str, *, writes: bool) -> dict[str, Any]:
    """One download sees one state of the source where it can; and PostgreSQL is told that it only reads."""
    if dialect == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": not writes}
        return {"execution_options": options}
    return {"isolation_level": "REPEATABLE READ"} if dialect in ("mysql", "mariadb") else {}


def to_checked_ip(url: URL, safety: Safety) -> dict[str, Any]:
    """Options that lead the driver to the IPs that were checked, so that its own look-up cannot differ."""
    dialect, host = url.get_backend_name(), url.host or ""
    addresses = check_host(host, url.port or _PORTS[dialect], safety)
    if dialect != "postgresql":
        return {"host": addresses[0]} if dialect in ("mysql", "mariadb") else {}
    options: dict[str, Any] = {
        "host": ",".join([host] * len(addresses)),
        "hostaddr": ",".join(addresses),
        "connect_timeout": safety.connect_seconds,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 6,
        "tcp_user_timeout": (safety.statement_seconds + _GRACE) * 1000,
        "application_name": "kore",
        "client_encoding": "UTF8",  # of a database without an encoding texts would come as bytes
    }
    if "sslmode" not in url.query and not all(map(is_loopback, addresses)):
        options["sslmode"] = "require"
    return options


def _settle(made: Any, dialect: str, setup: Setup, *, writes: bool) -> None:
    """Set the session up: reading only, with time-outs, in the connection's time zone."""
    milliseconds = str(setup.safety.statement_seconds * 1000)
    if dialect == "postgresql":
        settings = {
            "default_transaction_read_only": "off" if writes else "on",
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": str(max(setup.safety.statement_seconds, 600) * 1000),
            "TimeZone": setup.time_zone,
            "DateStyle": "ISO, YMD",
            "cursor_tuple_fraction": "1",  # everything is read: plans that are only fast at first are slow
        }
        for name in _AS_TEXT:
            made.adapters.register_loader(name, TextLoader)
        with made.cursor() as cursor:
            for name, value in settings.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        made.commit()
    elif dialect in ("mysql", "mariadb") and not writes:
        with made.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")


def _fingerprint(made: Any, url: URL) -> str:
    dialect = url.get_backend_name()
    if dialect != "postgresql":
        return f"{dialect}:{url.host}:{url.port}:{url.database}"
    with made.cursor() as cursor:
        cursor.execute(POSTGRES_FINGERPRINT)
        (found,) = cursor.fetchone()
    made.rollback()
    return str(found)


class Awaited(psycopg.Connection[Any]):
    """A connection to PostgreSQL that is let go when an answer takes longer than the server would allow.

    The server's own time-outs do not reach us through a line that fell silent.
    """

    longest_wait: float | None = None  # seconds

    def wait(self, *arguments: Any, **options: Any) -> Any:
        """As psycopg waits for everything, but not for ever. Raises psycopg.OperationalError."""
        try:
            return super().wait(*arguments, **{"timeout": self.longest_wait, **options})
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # the answer may come yet
                self.close()
            raise


class Stopwatch:
    """Tells SQLite to give up once a statement, or the wait for a page of it, has taken its time."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self._until = time.monotonic() + self._seconds

    def is_over(self) -> bool:
        """Whether the time is up; SQLite asks now and then."""
        return time.monotonic() > self._until


def _sqlite(url: URL, safety: Safety, info: dict[str, Any], *, writes: bool) -> Any:
    """A connection to a file that exists, transactions begun by us, texts in whatever encoding."""
    driver = url.get_dialect().import_dbapi()
    made = driver.connect(
        f"{Path(url.database or '').as_uri()}?mode={'rw' if writes else 'ro'}",
        uri=True,
        timeout=safety.connect_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    made.text_factory = lambda raw: raw.decode("utf-8", "replace")
    if not writes:
        made.execute("PRAGMA query_only = ON")
    info["stopwatch"] = Stopwatch(safety.statement_seconds)
    made.set_progress_handler(info["stopwatch"].is_over, _STEPS)
    return made
