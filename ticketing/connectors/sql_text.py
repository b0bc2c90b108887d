"""Customers' SQL looked through before it is run: one statement of the right kind, with known parameters."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ticketing.connectors.base import NotAllowed

_QUOTES = {
    "": r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""",
    "mysql": r"`[^`]*`",
    "sqlite": r"`[^`]*`|\[[^\]]*\]",
    "mssql": r"\[(?:[^\]]|\]\])*\]",
}
_COMMENT = r"--[^\n]*|/\*.*?\*/"
_PARAMETER = re.compile(r"(?<!:):(\w+)")
_DOLLAR_QUOTE = re.compile(r"\$\w*\$")


@dataclass(frozen=True)
class Statement:
    """A statement that may be run: without comments, written for `sqlalchemy.text`.

    `label` is how messages call it.
    """

    label: str
    text: str
    parameters: frozenset[str]


def one_select(sql: str, label: str, *, dialect: str) -> Statement:
    """A customer's query, which is one SELECT and knows the parameter :since. Raises NotAllowed.

    This is the first of several locks: the query runs inside another one, with its parameters bound, in a
    session that only reads.
    """
    statement = _one(sql, label, dialect=dialect, begins=("select", "with"))
    if unknown := sorted(statement.parameters - {"since"}):
        raise NotAllowed(
            f"The {label} has the parameter :{unknown[0]}.", advice="The only parameter of a query is :since."
        )
    return statement


def one_update(sql: str, label: str, *, dialect: str) -> Statement:
    """A customer's UPDATE, which names the account by :system_ref. Raises NotAllowed."""
    statement = _one(sql, label, dialect=dialect, begins=("update",))
    if "system_ref" not in statement.parameters:
        raise NotAllowed(
            f"The {label} does not say which account it changes.",
            advice="It needs a condition with the parameter :system_ref.",
        )
    return statement


def _one(sql: str, label: str, *, dialect: str, begins: Iterable[str]) -> Statement:
    pieces = _pieces(sql, dialect)
    code = "".join(text for is_code, text in pieces if is_code)
    _check_code(code, sql, label, dialect)
    if not re.match(rf"[\s(]*({'|'.join(begins)})\b", code, re.IGNORECASE):
        raise NotAllowed(
            f"The {label} has to begin with {' or '.join(begins).upper()}.",
            advice="Queries only read; accounts are written by the write statement alone.",
        )
    text = "".join(_for_sqlalchemy(text, is_code=is_code) for is_code, text in pieces)
    return Statement(label, text, frozenset(_PARAMETER.findall(code)))


def _pieces(sql: str, dialect: str) -> list[tuple[bool, str]]:
    """The statement as pieces, each code or quoted; comments and the last semicolon are left out."""
    family = "mysql" if dialect == "mariadb" else dialect
    quotes = "|".join(filter(None, (_QUOTES[""], _QUOTES.get(family))))
    pieces: list[tuple[bool, str]] = []
    end = 0
    for found in re.finditer(f"(?P<comment>{_COMMENT})|{quotes}", sql, re.DOTALL):
        pieces.append((True, sql[end : found.start()]))
        pieces.append((True, " ") if _is_plain_comment(found, family) else (False, found.group()))
        end = found.end()
    pieces.append((True, sql[end:]))
    while pieces and pieces[-1][0]:
        _, text = pieces.pop()
        if kept := text.rstrip("; \t\r\n"):
            pieces.append((True, kept))
            break
    return pieces


def _is_plain_comment(found: re.Match[str], family: str) -> bool:
    """Whether it is a comment to every server. Some run what stands in one, or see it end elsewhere."""
    text = found.group("comment")
    if text is None:
        return False
    is_odd = "/*" in text[2:] if text.startswith("/*") else family == "mysql" and not text[2:3].isspace()
    if is_odd or text.startswith("/*!"):
        raise NotAllowed("A comment of a query can be read in two ways.", advice="Leave the comment out.")
    return True


def _check_code(code: str, sql: str, label: str, dialect: str) -> None:
    """Refuse what could end the query early, or where servers disagree on what is quoted."""
    if ";" in code:
        raise NotAllowed(f"The {label} holds several statements.", advice="Give one statement.")
    is_odd = "\\'" in sql or "'" in code or '"' in code or "/*" in code or _DOLLAR_QUOTE.search(code)
    if is_odd or (dialect in ("mysql", "mariadb") and ("#" in code or "`" in code)):
        raise NotAllowed(
            f"The {label} has a quotation that can be read in two ways.",
            advice="Write texts in single quotes, a quote within one twice; no backslash before a quote.",
        )
    depth = 0
    for bracket in re.findall(r"[()]", code):
        depth += 1 if bracket == "(" else -1
        if depth < 0:
            break
    if depth:
        raise NotAllowed(f"The {label} has a bracket without its other half.")


def _for_sqlalchemy(text: str, *, is_code: bool) -> str:
    """Every colon escaped that begins no parameter."""
    if not is_code:
        return text.replace(":", "\\:")
    return re.sub(r"::|:(?!\w)", lambda found: found.group().replace(":", "\\:"), text)
