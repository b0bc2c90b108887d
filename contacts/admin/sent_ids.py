"""Ids as forms and addresses send them: text of which anything may be made up."""

_LONGEST = 18  # digits, that an id of the database can have


def sent_id(text: str) -> int:
    """The id; 0, which no row has, where the text is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST else 0
