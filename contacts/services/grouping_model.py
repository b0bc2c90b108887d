"""Keeps the frozen grouping model: freezes a new version when one is due, gives back the active one."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef

from contacts.bulk import insert_rows
from contacts.columnar import read_table
from contacts.grouping.candidates import BAD_KEY_SCHEMA, KeyKind
from contacts.grouping.model import FREQUENCY_SCHEMA, Model, freeze_model
from contacts.models import BadKey, GroupingRun, Link, ModelVersion, TermFrequency

# A version serves until there are twice or half as many refs as it was frozen for: the prior is 1.4 / N.
MOST_GROWTH = 2.0


def active_version() -> ModelVersion | None:
    """The version in force, if it can be used: its hashes were made with the key this deployment has now."""
    version = ModelVersion.objects.filter(is_active=True).first()
    if version and version.settings.get("key_check") != _key_check():
        return None
    return version


def is_due(population: int) -> bool:
    """Whether a new version has to be frozen before a run over so many refs."""
    version = active_version()
    if version is None:
        return True
    frozen_for = max(version.population, 1)
    return not frozen_for / MOST_GROWTH <= max(population, 1) <= frozen_for * MOST_GROWTH


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


def freeze(refs: pa.Table, *, default_country: str, extra_kinds: Iterable[KeyKind] = ()) -> Model:
    """What these refs teach, as the model after the newest version; nothing is stored.

    `extra_kinds`: the kinds of key that the managers' own rules need (grouping.rules.key_kinds).
    """
    newest = ModelVersion.objects.aggregate(newest=Max("number"))["newest"] or 0
    return freeze_model(
        refs,
        version=newest + 1,
        hash_key=_hash_key(),
        default_country=default_country,
        extra_kinds=extra_kinds,
        memory_limit=settings.GROUPING_MEMORY,
        threads=settings.GROUPING_THREADS,
    )


@transaction.atomic
def store_model(model: Model, *, now: datetime) -> ModelVersion:
    """Keep a frozen model and put it in force. The key of its hashes stays out of the database."""
    values = json.loads(model.to_json())
    del values["hash_key"]
    ModelVersion.objects.filter(is_active=True).update(is_active=False)
    version = ModelVersion.objects.create(
        number=model.version,
        is_active=True,
        population=model.population,
        settings=values | {"key_check": _key_check()},
        created_at=now,
    )
    insert_rows(TermFrequency, ["model_version", *FREQUENCY_SCHEMA.names], _rows(version, model.frequencies))
    insert_rows(BadKey, ["model_version", *BAD_KEY_SCHEMA.names], _rows(version, model.bad_keys))
    return version


@transaction.atomic
def prune_models() -> int:
    """Drop versions that nothing names any more, and what older ones learnt; returns how many went.

    A version that a link or a run names keeps its row: its weights explain them.
    """
    idle = ModelVersion.objects.filter(is_active=False).exclude(
        Exists(Link.objects.filter(model_version=OuterRef("pk")))
    )
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
