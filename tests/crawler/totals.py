"""A report without its totals, which may tell of systems that the reader does not see (R-MDB-21)."""

import ast
import csv
import re

ALL = "All systems"
_FOOT = re.compile(r"<tfoot>.*?</tfoot>", re.S)
_DRAWN = re.compile(r"<svg.*?</svg>|full height: [^<]*", re.S)
_GROUPS = re.compile(r'<th scope="colgroup" colspan="(\d+)">(.*?)</th>', re.S)
_BODY = re.compile(r"<tbody>.*?</tbody>", re.S)
_LINE = re.compile(r"<tr>.*?</tr>", re.S)
_CELL = re.compile(r"<td.*?</td>", re.S)


def without_totals(text: str) -> str:
    """A page, or a file as lines, without the rows and columns of all systems and what is drawn of them."""
    if "<html" in text:
        return _page(text)
    lines = text.splitlines()
    if lines and lines[0].startswith("("):
        return str(_table([[*map(str, ast.literal_eval(line))] for line in lines]))
    return str(_table(list(csv.reader(lines))))


def _page(text: str) -> str:
    left_out: list[int] = []
    at = 0
    for width, title in _GROUPS.findall(text):
        left_out += range(at, at + int(width)) if ALL in title else ()
        at += int(width)
    text = _BODY.sub(lambda body: _LINE.sub(lambda line: _line(line[0], left_out), body[0]), text)
    text = _FOOT.sub("", text)
    return _DRAWN.sub("", text) if left_out else text


def _line(line: str, left_out: list[int]) -> str:
    numbers = iter(range(len(line)))
    return _CELL.sub(lambda cell: "" if next(numbers) in left_out else cell[0], line)


def _table(rows: list[list[str]]) -> list[list[str]]:
    heads = rows[0] if rows else []
    kept = [number for number, head in enumerate(heads) if not head.startswith(ALL)]
    return [[row[n] for n in kept if n < len(row)] for row in rows if not (row and row[0].startswith(ALL))]
