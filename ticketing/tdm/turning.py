"""Turning the pages of a list of the TDM."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from contacts.admin_access import PageNumber
from contacts.list_pages import AFTER, BEFORE, END, ListPages, Page, numbers_around


@dataclass(frozen=True)
class Turns:
    """What partials/pages.html shows of a page; `asked` is what the address asks for beside the place."""

    page: Page
    pages: ListPages
    asked: Mapping[str, str]

    @property
    def multi_page(self) -> bool:
        return self.page.has_before or self.page.has_after

    def page_numbers(self) -> list[PageNumber]:
        """First, previous, the numbers around, next and last, as far as there are any."""
        page, numbered = self.page, self.pages.numbered
        shown = [self._to(page.has_before, "First", {}), self._to_neighbour("Previous", BEFORE, -1)]
        shown += [self._number(number) for number in numbers_around(page.number, numbered)]
        if page.number and page.number > numbered:
            shown.append(PageNumber(f"{page.number:,}", is_current=True))
        shown += [self._to_neighbour("Next", AFTER, 1), self._to(page.has_after, "Last", {END: "1"})]
        return [number for number in shown if number]

    def _number(self, number: int) -> PageNumber:
        if number == self.page.number:
            return PageNumber(f"{number:,}", is_current=True)
        return PageNumber(f"{number:,}", self._address({"p": number}))

    def _to_neighbour(self, title: str, place: str, step: int) -> PageNumber | None:
        page = self.page
        asked: dict[str, int] = {place: page.ids[-1 if step > 0 else 0]} if page.ids else {}
        if page.number:
            asked["p"] = max(page.number + step, 1)
        return self._to(page.has_after if step > 0 else page.has_before, title, asked)

    def _to(self, is_there: bool, title: str, asked: Mapping[str, int | str]) -> PageNumber | None:
        return PageNumber(title, self._address(asked)) if is_there else None

    def _address(self, place: Mapping[str, int | str]) -> str:
        return f"?{urlencode({**self.asked, **place})}"
