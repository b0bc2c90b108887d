"""What a grouping run finds before it writes: by looking at all System Refs, or at what changed alone."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from contacts.grouping.engine import group
from contacts.grouping.keys import KNOWN_SCHEMA
from contacts.grouping.rules import key_kinds
from contacts.models import GroupingRun, SystemRef
from contacts.services.grouping_delta import find_changes
from contacts.services.grouping_input import GroupingInput, read_input, read_standing
from contacts.services.grouping_model import active_version, freeze, is_due, load_model, store_model
from contacts.services.grouping_state import Pending, known_prints, read_pending
from contacts.services.grouping_terms import Basis, basis_of, standing_basis
from contacts.services.matching_rules import rules_in_force

# Beyond these a run over everything costs less than one over the changes.
MANY_CHANGES = 20_000
LARGEST_SHARE = 0.25


@dataclass(frozen=True)
class Found:
    """The groups of `refs`, beside where these stand (`standing`), and the links to be written.

    `links` are all links there should be, or, of a run over the changes, all with an end in `fresh`, while
    `redecided` are others that stand and are decided otherwise now. `joinable`: those that made the groups.
    `keys`: the prints and keys of refs that changed. `poisoned`: ignored keys by kind.
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
    fresh: frozenset[int] | None = None
    redecided: pa.Table | None = None
    poisoned: Mapping[str, int] | None = None

    @property
    def is_full(self) -> bool:
        """Whether all System Refs were looked at."""
        return self.fresh is None

    @property
    def decided_pairs(self) -> set[tuple[int, int]]:
        """The pairs that people decided about."""
        decisions = self.basis.terms.decisions
        return {*decisions.must, *decisions.never}


def find_among_changes(*, now: datetime) -> Found | None:
    """What the changes since the last run come to; None where only a full run will do, or costs less."""
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
        fresh=found.fresh,
        redecided=found.redecided,
    )


def find_among_all(*, now: datetime, dry_run: bool) -> Found:
    """What all System Refs come to. Freezes a new model where one is due; a dry run keeps none."""
    pending = read_pending()
    given = read_input()
    basis = _basis(given, now=now, dry_run=dry_run)
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
        poisoned=Counter(grouping.poisoned["kind"].to_pylist()),
    )


def _is_much(pending: Pending) -> bool:
    count = len(pending.ref_ids)
    return count > MANY_CHANGES and count > SystemRef.objects.count() * LARGEST_SHARE


def _basis(given: GroupingInput, *, now: datetime, dry_run: bool) -> Basis:
    """By the model in force, or by a new one where that does not fit; rules of the managers' own need keys
    whose bad ones the model must know."""
    rules = rules_in_force()
    standing = None if is_due(given.refs.num_rows) else active_version()
    if standing is not None:
        basis = basis_of(standing, load_model(standing), rules)
        if basis.terms.knows_its_keys:
            return basis
    kinds = key_kinds(rules.rules)
    model = freeze(given.refs, default_country=given.default_country, extra_kinds=kinds)
    version = None if dry_run else store_model(model, now=now)
    return basis_of(version, model, rules)


def _was_made_with(basis: Basis) -> bool:
    """Whether the prints that stand were made with what this run goes by; else all are made anew."""
    last = GroupingRun.objects.last_full()
    return last is not None and last.finished_at is not None and last.basis == basis.fingerprint
