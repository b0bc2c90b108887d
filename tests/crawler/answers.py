"""An answer as it is compared: without what differs from request to request, files read cell by cell."""

import html
import io
import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus

import openpyxl

from .totals import without_totals

_TOKENS = re.compile(
    r'(name="csrfmiddlewaretoken" value|csrf[-_]?token["\']?\s*[:=])\s*=?\s*"?[\w-]{32,}"?', re.I
)
# When the page was made, and how long that took; moments of records have no fractions of a second.
_MADE = re.compile(
    r'<time datetime="[^"]*\.\d+\+00:00"[^>]*>[^<]*</time>|in [\d.]+ seconds'
    r"|\d+ h \d\d min ago|asked for at \d\d:\d\d"
)
_TOKEN = re.compile(r"\b[A-Za-z0-9]{64}\b")
_FORGOTTEN = ("Set-Cookie", "Content-Length", "Expires", "Date")
# Ids that the answer's own writing takes from a sequence, which on PostgreSQL goes on through a rollback.
_NEW = re.compile(r'\b\d{6,}\b|name="change" value="\d+"|\b\d{1,2} [A-Z][a-z]{2}(?: \d{4})?, \d\d:\d\d')
_FIGURES = re.compile(r"-?[£$€]?\d[\d,.]*(?: ?%)?")


@dataclass(frozen=True)
class Answer:
    """The status, where it led, its headers and its text."""

    status: int
    led_to: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    text: str

    @property
    def whole(self) -> str:
        """All that a person could read in it."""
        return "\n".join([*self.led_to, *(f"{name}: {value}" for name, value in self.headers), self.text])

    def without_figures(self) -> "Answer":
        """With every number taken out."""
        return Answer(self.status, self.led_to, self.headers, _FIGURES.sub("N", self.text))

    def without_the_new(self) -> "Answer":
        """Without ids and minutes: what is made and taken back has others each time."""
        headers = tuple((name, _NEW.sub("NEW", value)) for name, value in self.headers)
        return Answer(
            self.status,
            tuple(_NEW.sub("NEW", step) for step in self.led_to),
            headers,
            _NEW.sub("NEW", self.text),
        )

    def without_totals(self) -> "Answer":
        """A report without the figures over all systems."""
        return Answer(self.status, self.led_to, self.headers, without_totals(self.text))

    def without(self, typed: frozenset[str]) -> "Answer":
        """With these spellings taken out: what somebody typed may be said back to them."""
        return Answer(
            self.status,
            tuple(_without(step, typed) for step in self.led_to),
            tuple((name, _without(value, typed)) for name, value in self.headers),
            _without(self.text, typed),
        )


def read(response: Any) -> Answer:
    """What came, with cookies read among the headers and redirects followed."""
    chain = tuple(f"{status} {where}" for where, status in getattr(response, "redirect_chain", []))
    headers = [(name, value) for name, value in response.items() if name not in _FORGOTTEN]
    headers += [
        (name, morsel.value)
        for name, morsel in sorted(response.cookies.items())
        if name not in ("csrftoken", "sessionid")
    ]
    return Answer(response.status_code, chain, tuple(sorted(headers)), _text(response))


def _text(response: Any) -> str:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    if content[:2] == b"PK":
        book = openpyxl.load_workbook(io.BytesIO(content))
        return "\n".join(str(row) for sheet in book for row in sheet.iter_rows(values_only=True))
    return _MADE.sub("MADE", _TOKEN.sub("TOKEN", content.decode()))


def _without(text: str, typed: frozenset[str]) -> str:
    return _of_any(typed).sub("TYPED", text)


@cache
def _of_any(typed: frozenset[str]) -> re.Pattern[str]:
    """Each in any spelling, as a whole word: the beginning of a longer one was not typed."""
    spellings = {
        spelling
        for each in typed
        for spelling in (each, quote(each), quote_plus(each), quote(quote_plus(each)), html.escape(each))
    }
    found = "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True))
    return re.compile(rf"(?:{found})(?![A-Za-z0-9_])" if found else r"(?!)")
