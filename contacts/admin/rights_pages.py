"""Links from page to page of a list that is counted, for partials/pages.html."""

from dataclasses import dataclass

from django.core.paginator import Page
from django.http import QueryDict

from contacts.admin_access import PageNumber
from contacts.list_pages import numbers_around


@dataclass(frozen=True)
class PageLinks:
    """What the partial asks of a list."""

    page_numbers: list[PageNumber]
    multi_page: bool


def page_links(page: Page, asked: QueryDict) -> PageLinks:
    """Previous, the pages around this one, next; with everything else that was asked for kept."""

    def address(number: int) -> str:
        query = asked.copy()
        query["p"] = str(number)
        return f"?{query.urlencode()}"

    links = []
    if page.has_previous():
        links.append(PageNumber("Previous", address(page.number - 1)))
    for number in numbers_around(page.number, page.paginator.num_pages):
        is_here = number == page.number
        links.append(PageNumber(f"{number:,}", "" if is_here else address(number), is_current=is_here))
    if page.has_next():
        links.append(PageNumber("Next", address(page.number + 1)))
    return PageLinks(links, page.has_other_pages())
