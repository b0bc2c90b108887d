"""Keeps the frozen grouping model: freezes versions, gives back the one in force, puts another in force."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Exists, Max, OuterRef

from contacts.bulk import insert_rows
from contacts.columnar import read_table
from contacts.grouping.candidates import BAD_KEY_SCHEMA, MOST_GROWTH, KeyKind
from contacts.grouping.model import FREQUENCY_SCHEMA, PRESET_HOUSEHOLD_PRIOR, Model, freeze_model
from contacts.models import (
    BadKey,
    GroupingRun,
    Link,
    ModelVersion,
    Organisation,
    SystemRef,
    TermFrequency,
)
from contacts.permissions import sees_every_system

# Values come and go: after so long the frequencies are learnt anew.
REFRESHED_AFTER = timedelta(days=7)
# What an estimate learnt, and a refresh keeps; frequencies, bad keys and the population are learnt anew.
LEARNT = ("weights", "partners", "rare_holders", "names_suffice", "join_weight", "review_weight")


class CannotActivate(Exception):
    """Says, in words for the person at the screen, why a version was not put in force."""


class MayNotActivate(CannotActivate):
    """The model decides about the records of every system: who changes it may see them all."""

    def __init__(self) -> None:
        super().__init__(
            "The model is the same for every system, so only someone who may see the records of all of them"
            " can change it."
        )


def active_version() -> ModelVersion | None:
    """The version in force, if it can be used: its hashes were made with the key this deployment has now."""
    version = ModelVersion.objects.filter(is_active=True).first()
    if version and version.settings.get("key_check") != _key_check():
        return None
    return version


def waiting_version() -> ModelVersion | None:
    """The newest version that was frozen to follow the one in force, and that no run has been through with.

    A run puts it in force once the brake lets it begin. Not a proposal, which waits for somebody; and none
    from before somebody put another in force.
    """
    frozen = ModelVersion.objects.filter(activated_at=None, is_active=False)
    version = frozen.exclude(source=ModelVersion.Source.ESTIMATE).order_by("-number").first()
    if version is None or version.settings.get("key_check") != _key_check():
        return None
    standing = ModelVersion.objects.filter(is_active=True).first()
    if standing and standing.activated_at and standing.activated_at > version.created_at:
        return None
    return version


def next_version() -> ModelVersion | None:
    """The version by which the next full run goes, while it fits."""
    return waiting_version() or active_version()


def is_due(population: int, *, now: datetime | None = None) -> bool:
    """Whether a new version has to be frozen before a run over so many refs.

    With `now` also whether the last one is older than REFRESHED_AFTER, as the night asks.
    """
    version = next_version()
    if version is None or not _fits(version, population):
        return True
    return now is not None and version.created_at <= now - REFRESHED_AFTER


def _fits(version: ModelVersion, population: int) -> bool:
    """It serves until there are twice or half as many refs as it was frozen for: the prior is 1.4 / N."""
    frozen_for = max(version.population, 1)
    return frozen_for / MOST_GROWTH <= max(population, 1) <= frozen_for * MOST_GROWTH


def load_model(version: ModelVersion) -> Model:
    """The engine's model of a stored version."""
    values = {name: value for name, value in version.settings.items() if name != "key_check"}
    frequencies = read_table(
        'SELECT "column", term_hash, share FROM contacts_termfrequency WHERE model_version_id = %s',
        FREQUENCY_SCHEMA,
        [version.pk],
    )
    bad_keys = read_table(
        "SELECT kind, key_hash, holders FROM contacts_badkey WHERE model_version_id = %s",
        BAD_KEY_SCHEMA,
        [version.pk],
    )
    return Model.from_json(
        json.dumps(values | {"hash_key": _hash_key().hex()}), frequencies=frequencies, bad_keys=bad_keys
    )


def freeze(
    refs: pa.Table, *, default_country: str, extra_kinds: Iterable[KeyKind] = (), like: Model | None = None
) -> Model:
    """What these refs teach, as the model after the newest version; nothing is stored.

    Weights that the version in force had learnt, or those of the model that it is to be `like`, stay.
    `extra_kinds`: the kinds of key that the managers' own rules need (grouping.rules.key_kinds).
    """
    model = freeze_model(
        refs,
        version=_next_number(),
        hash_key=_hash_key(),
        default_country=default_country,
        extra_kinds=extra_kinds,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    )
    if like is not None:
        return _with_learnt_weights(model, json.loads(like.to_json()))
    standing = ModelVersion.objects.filter(is_active=True).first()
    return _with_learnt_weights(model, standing.settings) if standing else model


def _with_learnt_weights(model: Model, before: Mapping[str, Any]) -> Model:
    if not before.get("weights"):
        return model
    kept = {name: before[name] for name in LEARNT if name in before}
    if model.household_prior == PRESET_HOUSEHOLD_PRIOR:  # these refs say nothing of households
        kept["household_prior"] = before["household_prior"]
    return replace(model, **kept)


@transaction.atomic
def store_model(
    model: Model,
    *,
    now: datetime,
    source: ModelVersion.Source | None = None,
    reason: str = "",
    differences: dict[str, Any] | None = None,
    by: User | None = None,
    in_force: bool = True,
) -> ModelVersion:
    """Keep a frozen model, under the next free number, and put it in force unless it is only proposed.

    The key of its hashes stays out of the database.
    """
    _one_at_a_time()
    values = json.loads(model.to_json())
    del values["hash_key"]
    if in_force:
        ModelVersion.objects.filter(is_active=True).update(is_active=False)
    number = max(model.version, _next_number())
    version = ModelVersion.objects.create(
        number=number,
        is_active=in_force,
        population=model.population,
        settings=values | {"version": number, "key_check": _key_check()},
        source=source or (ModelVersion.Source.REFRESH if model.weights else ModelVersion.Source.PRESET),
        reason=reason,
        differences=differences or {},
        by=by,
        created_at=now,
        activated_at=now if in_force else None,
    )
    insert_rows(TermFrequency, ["model_version", *FREQUENCY_SCHEMA.names], _rows(version, model.frequencies))
    insert_rows(BadKey, ["model_version", *BAD_KEY_SCHEMA.names], _rows(version, model.bad_keys))
    return version


def check_may_activate(by: User | AnonymousUser) -> None:
    """Raises MayNotActivate."""
    if not (by.has_perm("contacts.change_modelversion") and sees_every_system(by)):
        raise MayNotActivate


@transaction.atomic
def activate_version(version: ModelVersion, *, by: User | None, now: datetime) -> ModelVersion:
    """Put a kept version in force; the next run is a full one with it. Again changes nothing.

    `by` is None for the operator at the console. Raises CannotActivate.
    """
    if by is not None:
        check_may_activate(by)
    _one_at_a_time()
    version = ModelVersion.objects.select_for_update().get(pk=version.pk)
    if version.is_active:
        return version
    _refuse_unfit(version)
    _put_in_force(version, by=by, now=now)
    return version


@transaction.atomic
def follow(version: ModelVersion, *, now: datetime) -> None:
    """Put the waiting version in force, for a run that begins with it; nothing for any other."""
    _one_at_a_time()
    if version == waiting_version():
        _put_in_force(version, by=None, now=now)


def _put_in_force(version: ModelVersion, *, by: User | None, now: datetime) -> None:
    ModelVersion.objects.filter(is_active=True).update(is_active=False)
    version.is_active, version.activated_at = True, now
    version.by = by or version.by
    version.save(update_fields=["is_active", "activated_at", "by"])


def _refuse_unfit(version: ModelVersion) -> None:
    refs = SystemRef.objects.count()
    if not _fits(version, refs):
        raise CannotActivate(
            f"{version} was made for {version.population:,} System Refs and there are {refs:,} now."
            " Estimate again."
        )
    if version.settings.get("key_check") != _key_check():
        raise CannotActivate(f"The deployment's secret has changed since {version} was made. Estimate again.")
    if version.activated_at and not version.frequencies.exists():
        raise CannotActivate(
            f"What {version} had learnt of frequent values is no longer kept. Estimate again."
        )


def _one_at_a_time() -> None:
    Organisation.load()
    Organisation.objects.select_for_update().get()


def _next_number() -> int:
    return (ModelVersion.objects.aggregate(newest=Max("number"))["newest"] or 0) + 1


@transaction.atomic
def prune_models() -> int:
    """Drop versions that nothing names any more, and what older ones learnt; returns how many went.

    A version that a link or a run names keeps its row: its weights explain them. The newest proposal waits
    for its manager, and what was frozen last for a run.
    """
    proposals = ModelVersion.objects.filter(activated_at=None, source=ModelVersion.Source.ESTIMATE)
    idle = ModelVersion.objects.filter(is_active=False).exclude(
        Exists(Link.objects.filter(model_version=OuterRef("pk")))
    )
    awaited = list(proposals.order_by("-number").values_list("pk", flat=True)[:1])
    if waiting := waiting_version():
        awaited.append(waiting.pk)
    idle = idle.exclude(pk__in=awaited)
    TermFrequency.objects.filter(model_version__in=idle).delete()
    BadKey.objects.filter(model_version__in=idle).delete()
    dropped, _by_model = idle.exclude(
        Exists(GroupingRun.objects.filter(model_version=OuterRef("pk")))
    ).delete()
    return dropped


def _rows(version: ModelVersion, table: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in table.to_batches():
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield (version.pk, *row)


def _hash_key() -> bytes:
    """The key of every keyed hash: of this deployment's secret, hence never in the database."""
    return hmac.new(settings.SECRET_KEY.encode(), b"kore grouping hashes", hashlib.sha256).digest()


def _key_check() -> str:
    """Tells whether the key is still the one a version was frozen with, without giving it away."""
    return hmac.new(_hash_key(), b"kore grouping key check", hashlib.sha256).hexdigest()[:16]
