"""The files in a folder and in its archives: found, known again by their content, and opened safely."""

import hashlib
import os
import re
import stat
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, BinaryIO

from contacts.import_files import open_table
from contacts.row_blocks import FileRefused, Table
from ticketing.connectors.base import ChangedSchema, LoginRefused, NotAllowed, Safety, TooMuch, Unreachable

MOST_BYTES = 4 * 1024**3  # of one file, unpacked
MOST_MEMBERS = 1000  # of one archive
_BLOCK = 1 << 20
_LONG_AGO = 24 * 3600  # seconds; no clock is that far off
_MEND = "Mend it or take it out of the folder; the next pull goes on with the files behind it."


@dataclass(frozen=True)
class Dropped:
    """A file, or one in an archive: `name` is as in the folder, `member` the full name within."""

    path: Path
    name: str
    member: str
    size: int
    written: int  # nanoseconds since 1970, by the clock of the file's own machine

    @property
    def order(self) -> tuple[int, str]:
        """Files are taken in this order: the oldest first."""
        return self.written, self.name

    @property
    def look(self) -> str:
        """Tells without reading it that a file is what it was: its size and its time."""
        return f"{self.size}:{self.written}"


@dataclass(frozen=True)
class Opened:
    """A file at hand; `state` is its look and its content's digest."""

    table: Table
    state: str


def checked_folder(name: str, safety: Safety) -> Path:
    """The folder, links followed, where files may be read. Raises NotAllowed or Unreachable."""
    folder = Path(os.path.realpath(name))
    roots = [Path(os.path.realpath(root)) for root in safety.file_roots]
    if not name.strip() or not any(folder.is_relative_to(root) for root in roots):
        raise NotAllowed(
            "The folder is outside those that may be read.",
            advice="Put it into one of the folders of the setting SOURCE_FILE_ROOTS.",
        )
    if not folder.is_dir():
        raise Unreachable(
            f"There is no folder {folder.name}.", advice="Check its path, and that it is mounted."
        )
    return folder


class Folder:
    """One folder, not those in it. `clock` is seconds since 1970, `sleep` waits; both are the time's."""

    def __init__(
        self,
        path: Path,
        *,
        settle_seconds: int,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._sleep = sleep

    def files(self, patterns: Iterable[str]) -> list[Dropped]:
        """Files whose names fit, in archives too, in the order in which they are taken. Links are none."""
        wanted = [pattern.lower() for pattern in patterns]
        found: list[Dropped] = []
        for entry, seen in self._entries():
            place = Path(entry)
            if place.suffix.lower() == ".zip":
                found += _members(place, seen, wanted)
            elif _fits(place.name, wanted):
                found.append(Dropped(place, place.name, "", seen.st_size, seen.st_mtime_ns))
        return sorted(found, key=lambda file: file.order)

    def settled(self, files: list[Dropped]) -> list[Dropped]:
        """Those that nobody is still writing: they have been still for a while, and are during a short look.

        Clocks may differ: a file from the future is judged by that look alone.
        """
        now = self._clock()
        if not self._settle_seconds or all(_age(file, now) > _LONG_AGO for file in files):
            return files
        self._sleep(min(self._settle_seconds, 2))
        return [file for file in files if self._is_still(file, now)]

    def _is_still(self, file: Dropped, now: float) -> bool:
        age = _age(file, now)
        try:
            seen = os.lstat(file.path)
        except OSError:
            return False
        has_changed = (seen.st_size, seen.st_mtime_ns) != (file.size, file.written)
        return not has_changed and (age >= self._settle_seconds or age < 0)

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False) and not entry.name.startswith((".", "~$")):
                        yield entry.path, entry.stat(follow_symlinks=False)
        except OSError as error:
            raise _cannot_open(self.path.name, error) from None


@contextmanager
def opened(file: Dropped) -> Iterator[Opened]:
    """The file's table, read while the block runs. Raises a SourceError that names it.

    A file that changes under the reader's eyes is Unreachable: what was read of it may be half of each.
    """
    try:
        with _content(file) as content:
            digest = _digest(content)
            table = open_table(content, max_bytes=MOST_BYTES)  # which closes its file when it is let go
            yield Opened(table, f"{file.look}:{digest}")
    except FileRefused as error:
        raise ChangedSchema(f"The file {file.name} cannot be read: {error}", advice=_MEND) from None
    except OSError as error:
        raise _cannot_open(file.name, error) from None


def digest_of(file: Dropped) -> str:
    """The digest of its content. Raises a SourceError that names it."""
    try:
        with _content(file) as content:
            return _digest(content)
    except OSError as error:
        raise _cannot_open(file.name, error) from None


@contextmanager
def _content(file: Dropped) -> Iterator[BinaryIO]:
    # No link is followed, and nothing but a file is opened: a pipe would wait for ever.
    handle = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as raw:
        _check_unchanged(raw, file)
        if file.member:
            with _unpacked(raw, file) as content:
                yield content
        else:
            yield raw
        _check_unchanged(raw, file)


def _check_unchanged(raw: IO[bytes], file: Dropped) -> None:
    seen = os.fstat(raw.fileno())
    if not stat.S_ISREG(seen.st_mode) or (seen.st_size, seen.st_mtime_ns) != (file.size, file.written):
        raise Unreachable(
            f"The file {file.name} is still being written.", advice="It is taken once it has been still."
        )


@contextmanager
def _unpacked(raw: IO[bytes], file: Dropped) -> Iterator[BinaryIO]:
    """A member in a file of its own, never larger than is taken, whatever the archive claims."""
    with tempfile.TemporaryFile() as content:
        try:
            with zipfile.ZipFile(raw) as archive, archive.open(file.member) as packed:
                while block := packed.read(_BLOCK):
                    content.write(block)
                    if content.tell() > MOST_BYTES:
                        raise TooMuch(f"{file.name} unpacks to more than is taken.", advice=_MEND)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError):
            raise _damaged(file.name) from None
        content.seek(0)
        yield content


def _members(path: Path, seen: os.stat_result, patterns: list[str]) -> list[Dropped]:
    """The files in an archive whose names fit, wherever they lie in it."""
    try:
        with path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError):
        raise _damaged(path.name) from None
    except OSError as error:
        raise _cannot_open(path.name, error) from None
    if len(entries) > MOST_MEMBERS or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise TooMuch(
            f"The archive {path.name} holds more than is taken.",
            advice=f"At most {MOST_MEMBERS:,} files, {MOST_BYTES:,} bytes unpacked. {_MEND}",
        )
    return [
        Dropped(path, f"{path.name}/{entry.filename}", entry.filename, seen.st_size, seen.st_mtime_ns)
        for entry in entries
        if _fits(entry.filename.rpartition("/")[2], patterns)
    ]


def _age(file: Dropped, now: float) -> float:
    """Seconds since it was written, which are less than none where clocks differ."""
    return now - file.written / 1e9


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)


def patterns_of(text: str) -> list[str]:
    """The patterns of an option, which stand with commas or blanks between them."""
    return [pattern for pattern in re.split(r"[\s,]+", text) if pattern]


def _digest(content: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := content.read(_BLOCK):
        digest.update(block)
    content.seek(0)
    return digest.hexdigest()


def _damaged(name: str) -> ChangedSchema:
    return ChangedSchema(f"The archive {name} is damaged, or needs a password.", advice=_MEND)


def _cannot_open(name: str, error: OSError) -> LoginRefused | Unreachable:
    if isinstance(error, PermissionError):
        return LoginRefused(
            f"{name} may not be read.", advice="Give the user that runs Kore the right to read it."
        )
    return Unreachable(f"{name} cannot be read ({error.strerror}).", advice="Check the folder and its disk.")
