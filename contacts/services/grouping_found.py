"""What a grouping run finds before it writes: by looking at all System Refs, or at what changed alone."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from contacts.grouping.candidates import OutgrownKeys
from contacts.grouping.engine import group
from contacts.grouping.keys import KNOWN_SCHEMA
from contacts.grouping.rules import key_kinds
from contacts.models import GroupingRun, SystemRef
from contacts.services.grouping_delta import find_changes
from contacts.services.grouping_input import GroupingInput, read_input, read_standing
from contacts.services.grouping_model import freeze, is_due, load_model, next_version, store_model
from contacts.services.grouping_state import Pending, known_prints, read_pending
from contacts.services.grouping_terms import Basis, basis_of, standing_basis
from contacts.services.matching_rules import rules_in_force

# Beyond these a run over everything costs less than one over the changes.
MANY_CHANGES = 20_000
LARGEST_SHARE = 0.25


@dataclass(frozen=True)
class Found:
    """The groups of `refs`, beside where these stand (`standing`), and the links to be written.

    `links` are all links there should be, or, of a run over the changes, all in the place of
    `standing_links`, while `redecided` are others that stand and are decided otherwise now. `joinable`: those
    that made the groups. `keys`: the prints and keys of refs that changed. `poisoned`: ignored keys by kind.
    `outgrown`: keys, each its kind and its holders, that became common since the last model, so that a new
    one was frozen.
    """

    basis: Basis
    pending: Pending
    refs: pa.Table
    standing: pa.Table
    partition: pa.Table
    links: pa.Table
    joinable: pa.Table
    keys: pa.Table
    engine_seconds: float
    standing_links: pa.Table | None = None
    redecided: pa.Table | None = None
    poisoned: Mapping[str, int] | None = None
    outgrown: Sequence[tuple[str, int]] = ()

    @property
    def is_full(self) -> bool:
        """Whether all System Refs were looked at."""
        return self.standing_links is None

    @property
    def decided_pairs(self) -> set[tuple[int, int]]:
        """The pairs that people decided about."""
        decisions = self.basis.terms.decisions
        return {*decisions.must, *decisions.never}


def find(*, now: datetime, full: bool, dry_run: bool) -> Found:
    """What a run comes to: over the changes alone where that will do, costs less and `full` is not wanted.

    Freezes a new model where one is due, or where keys have become common since (ADR 0011); it is in force
    once the run begins to write. A dry run keeps none.
    """
    outgrown = None
    try:
        if not full and (found := _find_among_changes(now=now)):
            return found
        return _find_among_all(now=now, dry_run=dry_run)
    except OutgrownKeys as noticed:
        outgrown = noticed.with_traceback(None)  # which holds the refs that were read
    return _find_among_all(now=now, dry_run=dry_run, outgrown=outgrown)


def _find_among_changes(*, now: datetime) -> Found | None:
    """None where only a full run will do, or costs less. Raises OutgrownKeys."""
    pending = read_pending()
    basis = standing_basis(now=now)
    if basis is None or _is_much(pending):
        return None
    began = time.monotonic()
    found = find_changes(pending, terms=basis.terms)
    return Found(
        basis=basis,
        pending=pending,
        refs=found.refs,
        standing=read_standing(found.refs["ref_id"].to_pylist()),
        partition=found.partition,
        links=found.links,
        joinable=found.settled,
        keys=found.keys,
        engine_seconds=time.monotonic() - began,
        standing_links=found.standing_links,
        redecided=found.redecided,
    )


def _find_among_all(*, now: datetime, dry_run: bool, outgrown: OutgrownKeys | None = None) -> Found:
    """With a new model where keys have `outgrown` the one in force. Raises OutgrownKeys where they have."""
    pending = read_pending()
    given = read_input()
    basis = _basis(given, outgrown=outgrown, now=now, dry_run=dry_run)
    known = known_prints() if _was_made_with(basis) else KNOWN_SCHEMA.empty_table()
    began = time.monotonic()
    terms = basis.terms
    grouping = group(
        given.refs,
        model=terms.model,
        decisions=terms.decisions,
        excluded_systems=terms.excluded_systems,
        rules=terms.rules,
        default_country=terms.default_country,
        known=known,
        memory_limit=terms.memory_limit,
        threads=terms.threads,
    )
    return Found(
        basis=basis,
        pending=pending,
        refs=given.refs,
        standing=given.standing,
        partition=grouping.partition,
        links=grouping.links,
        joinable=grouping.links,
        keys=grouping.keys,
        engine_seconds=time.monotonic() - began,
        outgrown=outgrown.keys if outgrown else (),
        poisoned=Counter(grouping.poisoned["kind"].to_pylist()),
    )


def _is_much(pending: Pending) -> bool:
    count = len(pending.ref_ids)
    return count > MANY_CHANGES and count > SystemRef.objects.count() * LARGEST_SHARE


def _basis(given: GroupingInput, *, outgrown: OutgrownKeys | None, now: datetime, dry_run: bool) -> Basis:
    """By the last model, or by a new one where that does not fit; rules of the managers' own need keys whose
    bad ones the model must know."""
    rules = rules_in_force()
    standing = None if outgrown or is_due(given.refs.num_rows) else next_version()
    if standing is not None:
        basis = basis_of(standing, load_model(standing), rules)
        if basis.terms.knows_its_keys:
            return basis
    kinds = key_kinds(rules.rules)
    model = freeze(given.refs, default_country=given.default_country, extra_kinds=kinds)
    reason = _reason(outgrown) if outgrown else ""
    version = None if dry_run else store_model(model, now=now, reason=reason, in_force=False)
    return basis_of(version, model, rules)


def _reason(outgrown: OutgrownKeys) -> str:
    """Why the model is a new one before its week is over, for the screen."""
    kind, holders = outgrown.keys[0]
    named = {"email": "One e-mail", "mobile": "One mobile number"}
    what = named.get(kind, f"One combination of details ({kind.replace('_', ' ')})")
    others = f", and {len(outgrown.keys) - 1:,} more became common" if len(outgrown.keys) > 1 else ""
    return (
        f"{what} came to be on {holders:,} different records{others}: too many to say anything of a person."
        " How common values are was learnt anew; the weights stayed."
    )


def _was_made_with(basis: Basis) -> bool:
    """Whether the prints that stand were made with what this run goes by; else all are made anew."""
    last = GroupingRun.objects.last_full()
    return last is not None and last.finished_at is not None and last.basis == basis.fingerprint
