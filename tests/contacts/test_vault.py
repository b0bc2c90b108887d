"""Credentials at rest: opened only with their key, unchanged, in their place."""

import os
import stat

import pytest

from contacts.vault import CannotOpen, add_key, drop_old_keys, is_sealed_by_newest, seal, unseal

PLACE = "ticketing_sourcesecret:password:7"


@pytest.fixture(autouse=True)
def key_file(settings, tmp_path):
    settings.CREDENTIAL_KEY_FILE = str(tmp_path / "keys")
    return tmp_path / "keys"


def test_what_was_sealed_is_opened_in_its_place():
    assert unseal(seal("hüsh", place=PLACE), place=PLACE) == "hüsh"


def test_the_same_secret_is_never_sealed_the_same_way():
    assert seal("hush", place=PLACE) != seal("hush", place=PLACE)


def test_a_secret_that_was_moved_or_changed_is_not_opened():
    sealed = seal("hush", place=PLACE)

    with pytest.raises(CannotOpen):
        unseal(sealed, place="ticketing_sourcesecret:password:8")
    with pytest.raises(CannotOpen):
        unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), place=PLACE)


def test_without_its_key_file_nothing_is_opened_and_no_key_is_made_up(key_file):
    sealed = seal("hush", place=PLACE)
    key_file.unlink()

    with pytest.raises(CannotOpen, match="key file is gone"):
        unseal(sealed, place=PLACE)
    assert not key_file.exists()


def test_only_the_owner_reads_the_key_file(key_file):
    seal("hush", place=PLACE)

    assert stat.S_IMODE(os.stat(key_file).st_mode) == 0o600


def test_after_a_rotation_older_secrets_open_until_their_key_is_dropped():
    sealed = seal("hush", place=PLACE)
    add_key()
    assert unseal(sealed, place=PLACE) == "hush"
    assert not is_sealed_by_newest(sealed)
    assert is_sealed_by_newest(seal("hush", place=PLACE))

    assert drop_old_keys() == 1

    with pytest.raises(CannotOpen):
        unseal(sealed, place=PLACE)
