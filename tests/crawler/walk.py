"""Walks every address as one person, and notes where a trace of the other unit shows."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils.http import urlencode

from .addresses import Address, addresses
from .answers import Answer, read
from .recipes import LEFT_OUT, Recipe, recipe_of
from .rows import NAMED, VALUE
from .units import Side, World

_LINKS = re.compile(r'(?:href|hx-get|data-address)="(/[^"#]*)"')
_OPTIONS = re.compile(r'<select(?:[^>]*? name="([\w-]+)")?[^>]*>(.*?)</select>', re.S)
_ASKING = re.compile(r'<form[^>]*method="get".*?</form>', re.S | re.I)
_VALUE = re.compile(r'<option value="([^"]*)"')

Pair = tuple[str, Answer, Answer]


class Walker:
    """One person at every address; `wrong` says where something showed or broke.

    `may_read`: beginnings of addresses where names of theirs are meant to show. `like`: somebody who has
    walked before; of pages that they could open only the plain ones are asked for again. `only`: names of
    the addresses to walk.
    """

    def __init__(
        self,
        user: Any,
        *,
        may_read: Mapping[str, str] | None = None,
        like: "Walker | None" = None,
        only: Sequence[str] = (),
    ) -> None:
        self.only = tuple(only)
        self.user = user
        self.may_read = tuple(may_read or ())
        self.like = like
        self.wrong: list[str] = []
        self.typed: frozenset[str] = frozenset()  # by this person: it may be said back to them
        self.opened: set[str] = set()
        self.seen: set[str] = set()
        self.refused: set[str] = set()  # addresses where this role hears 403 whatever it asks for

    def _begin(self) -> None:
        """Sign in anew: nothing that a page remembers of the walk before."""
        cache.clear()
        self.client = Client(raise_request_exception=False)
        self.client.force_login(self.user)

    def walk(self, ours: Side) -> dict[str, Answer]:
        """Every address with what is ours, and where those pages lead; by what was asked."""
        self._begin()
        found = self._pages(ours)
        links = {link for asked, page in found.items() if "?" not in asked for link in _offers(asked, page)}
        found |= {link: self._get(link) for link in sorted(links - set(found)) if self._is_new(link)}
        return found | self._sent(ours)

    def _sent(self, ours: Side) -> dict[str, Answer]:
        """Every form and every file with what is ours; nothing of it stays."""
        found = {}
        for address, recipe in self._thorough():
            path = _path(address, recipe, ours)
            for number, send in (
                enumerate((_nothing, *recipe.sends)) if address.key not in self.refused else ()
            ):
                found[f"POST {path} {number}"] = self._post(path, send(ours)).without_the_new()
        return found

    def _pages(self, ours: Side) -> dict[str, Answer]:
        found = {}
        for address, recipe in self._known():
            path = _path(address, recipe, ours)
            found[path] = plain = self._get(path)
            if plain.status == 403:
                self.refused.add(address.key)
            elif plain.status == 200:
                self.opened.add(address.key)
        for address, recipe in self._thorough():
            path = _path(address, recipe, ours)
            for ask in recipe.asks if address.key not in self.refused else ():
                asked = f"{path}?{urlencode(ask(ours), doseq=True)}"
                found[asked] = self._get(asked)
        return found

    def _thorough(self) -> Iterator[tuple[Address, Recipe]]:
        done = self.like.opened if self.like else set()
        return ((address, recipe) for address, recipe in self._known() if address.key not in done)

    def _known(self) -> Iterator[tuple[Address, Recipe]]:
        return (known for known in _known() if not self.only or known[0].key in self.only)

    def _is_new(self, link: str) -> bool:
        """Whether the link is to be followed: not out of the product, and not where a like one has been."""
        return not self.only and "logout" not in link and (self.like is None or link not in self.like.seen)

    # What is theirs

    def what_hidden_answers(self, world: World) -> list[str]:
        """Where what is hidden answers otherwise than what never was."""
        self._begin()
        self.typed = frozenset({*world.near.typed, *world.far.typed, *world.absent.typed})
        told = []
        for where, hidden, never in self._pairs(world):
            if hidden != never and not any(part in where for part in self.may_read):
                told.append(f"{where}: {_first_difference(hidden, never)}")
        return told

    def _pairs(self, world: World) -> Iterator[Pair]:
        for address, recipe in self._thorough():
            paths = [_path(address, recipe, side) for side in (world.far, world.absent)]
            if recipe.is_of_a_unit and paths[0] != paths[1]:
                yield paths[0], *(self._get(path).without(self.typed) for path in paths)
                yield from self._sent_there(address, recipe, world)
            if address.key not in self.refused:
                yield from self._asked_at_ours(address, recipe, world)

    def _sent_there(self, address: Address, recipe: Recipe, world: World) -> Iterator[Pair]:
        for number, send in enumerate((_nothing, *recipe.sends)):
            answers = [
                self._post(_path(address, recipe, side), send(side)).without(self.typed)
                for side in (world.far, world.absent)
            ]
            yield f"POST {_path(address, recipe, world.far)} {number}", *answers

    def _asked_at_ours(self, address: Address, recipe: Recipe, world: World) -> Iterator[Pair]:
        path, sides = _path(address, recipe, world.ours), (world.near, world.absent)
        for ask in recipe.asks:
            queries = [urlencode(ask(side), doseq=True) for side in sides]
            if queries[0] != queries[1]:
                yield f"{path}?{queries[0]}", *(self._get(f"{path}?{q}").without(self.typed) for q in queries)
        for number, send in enumerate(recipe.sends):
            sent = [send(side) for side in sides]
            if str(sent[0]) != str(sent[1]):
                yield (
                    f"POST {path} {number} with theirs",
                    # Ids of what is made, and then rolled back, are other ones each time.
                    *(
                        self._post(path, data).without(self.typed).without_the_new().without_figures()
                        for data in sent
                    ),
                )

    # One request

    def _get(self, asked: str) -> Answer:
        self.client.cookies.pop("messages", None)  # what was said before is not said here
        answer = read(self.client.get(asked, follow=True))
        self.seen.add(asked)
        self._look(f"GET {asked}", answer)
        return answer

    def _post(self, path: str, data: Mapping[str, Any]) -> Answer:
        """What is sent is taken back, so that each request finds the same world."""
        self.client.cookies.pop("messages", None)
        with transaction.atomic():
            answer = read(self.client.post(path, data, follow=True))
            transaction.set_rollback(True)
        self._look(f"POST {path}", answer)
        return answer

    def _look(self, where: str, answer: Answer) -> None:
        if answer.status >= 500:
            self.wrong.append(f"{where} breaks with {answer.status}")
        text = answer.without(self.typed).whole.lower()
        marks = [VALUE] if any(part in where for part in self.may_read) else [VALUE, NAMED]
        self.wrong += [f"{where} shows {_around(text, mark)}" for mark in marks if mark in text]


def differences(
    before: Mapping[str, Answer],
    after: Mapping[str, Answer],
    *,
    apart_from: Sequence[str] = (),
    totals_at: Sequence[str] = (),
) -> list[str]:
    """Where a page is another one, or is there at all, since their records are.

    Of the addresses `totals_at` the totals may differ, and nothing else may.
    """
    told = []
    for asked in sorted({*before, *after}):
        if any(part in asked for part in apart_from):
            continue
        if asked not in before or asked not in after:
            told.append(f"{asked}: is led to {'before' if asked in before else 'since'} only")
            continue
        one, other = before[asked], after[asked]
        if asked.removeprefix("POST ").startswith(tuple(totals_at)):
            one, other = one.without_totals(), other.without_totals()
        if one != other:
            told.append(f"{asked}: {_first_difference(one, other)}")
    return told


def _around(text: str, mark: str) -> str:
    at = text.index(mark)
    return repr(text[max(at - 60, 0) : at + 40])


def _nothing(side: Side) -> Mapping[str, Any]:
    return {}


def _known() -> Iterator[tuple[Address, Recipe]]:
    for address in addresses():
        recipe = recipe_of(address)
        if address.key not in LEFT_OUT and recipe is not None and "(?P<" not in address.route:
            yield address, recipe


def _path(address: Address, recipe: Recipe, side: Side) -> str:
    return address.path({part: recipe.fills[part](side) for part in address.parts})


def _offers(asked: str, page: Answer) -> Iterator[str]:
    path = asked.partition("?")[0]
    for link in _LINKS.findall(page.text):
        if not link.startswith("/static/"):
            yield link.replace("&amp;", "&")
    for form in _ASKING.findall(page.text):
        for name, options in _OPTIONS.findall(form):
            for value in _VALUE.findall(options):
                asks = (
                    value.replace("&amp;", "&") if value.startswith("?") else f"?{urlencode({name: value})}"
                )
                yield path + asks


def _first_difference(one: Answer, other: Answer) -> str:
    if one.status != other.status or one.led_to != other.led_to:
        return f"{one.status} {one.led_to} and {other.status} {other.led_to}"
    lines = zip(one.whole.splitlines(), other.whole.splitlines(), strict=False)
    return next((f"{a.strip()!r} and {b.strip()!r}" for a, b in lines if a != b), "one is longer")
