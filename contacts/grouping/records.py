"""The shapes that go into and come out of a grouping run."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

REF_SCHEMA = pa.schema(
    [
        ("ref_id", pa.int64()),
        ("system_id", pa.int64()),
        ("first_name", pa.string()),
        ("last_name", pa.string()),
        ("email", pa.string()),
        ("phone", pa.string()),
        ("mobile", pa.string()),
        ("company", pa.string()),
        ("address1", pa.string()),
        ("address2", pa.string()),
        ("city", pa.string()),
        ("postcode", pa.string()),
        ("country", pa.string()),
        ("date_of_birth", pa.date32()),
    ]
)

PARTITION_SCHEMA = pa.schema([("ref_id", pa.int64()), ("group_id", pa.int64())])

LINK_SCHEMA = pa.schema(
    [
        ("left_id", pa.int64()),
        ("right_id", pa.int64()),
        ("decision", pa.string()),
        ("rule", pa.string()),
        ("guard", pa.string()),
        ("weight", pa.float64()),
        ("household", pa.float64()),
        ("evidence", pa.string()),
        ("is_joinable", pa.bool_()),
        ("is_forgiven", pa.bool_()),
    ]
)

POISONED_SCHEMA = pa.schema([("kind", pa.string()), ("holders", pa.int64())])


class Decision(StrEnum):
    """What became of a pair of refs.

    JOINED: a rule, the score or a person decided it and it lies inside one group. REVIEW: neither
    clearly different nor decided. REFUSED: decided, but a guard objected.
    """

    JOINED = "joined"
    REVIEW = "review"
    REFUSED = "refused"


class Guard(StrEnum):
    """Why a decided pair was refused, or why a rule's pair waits for a person (NAMES only)."""

    NEVER = "never"
    BIRTH_DATE = "birth_date"
    SIZE = "size"
    EXCLUDED = "excluded"
    NAMES = "names"


@dataclass(frozen=True)
class Decisions:
    """What people decided about pairs of ref ids, in either order.

    `must` joins; `never` keeps apart, also through third refs. Where both name a pair, `never` wins.
    Pairs that name an unknown ref are ignored: it may have been erased since.
    """

    must: Sequence[tuple[int, int]] = ()
    never: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class Grouping:
    """The result of a run.

    `partition`: every ref once, `group_id` is the lowest ref_id of its group, ordered by ref_id.
    `links`: LINK_SCHEMA, `left_id` < `right_id`, ordered by both. Refs with identical details are linked to
    the lowest of them only. Of a refused one that is joinable only the group that it would make objects; a
    forgiven one overlooks its dates of birth. `poisoned`: each key that was ignored because too many records
    share it: its kind, and how many distinct records held it when the model learnt so.
    `keys`: where a run was asked for them, the print and keys of each ref that is not as it was known
    (contacts.grouping.keys.KEYS_SCHEMA).
    """

    partition: pa.Table
    links: pa.Table
    poisoned: pa.Table
    keys: pa.Table | None = None


class UnusableRefs(ValueError):
    """The refs lack a column, repeat a ref_id, or leave one empty; the sentence says which."""


def check_refs(refs: pa.Table) -> pa.Table:
    """The refs in REF_SCHEMA's order and types. Raises UnusableRefs."""
    missing = [name for name in REF_SCHEMA.names if name not in refs.column_names]
    if missing:
        raise UnusableRefs(f"The refs lack the column {missing[0]}.")
    try:
        table = refs.select(REF_SCHEMA.names).cast(REF_SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UnusableRefs(f"A column of the refs has the wrong type: {error}.") from error
    if table["ref_id"].null_count:
        raise UnusableRefs("A ref has no ref_id.")
    return table
