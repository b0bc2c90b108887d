"""Secrets at rest: credentials encrypted with a key of their own, each bound to the place where it lies."""

import base64
import json
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class CannotOpen(Exception):
    """A secret cannot be decrypted: its key is not in the key file, or it is not what was sealed there."""


def seal(text: str, *, place: str) -> bytes:
    """The text encrypted with the newest key; whoever opens it has to name the same `place`."""
    key_id, key = _newest(_keys(may_make=True))
    nonce = os.urandom(_NONCE_BYTES)
    return bytes.fromhex(key_id) + nonce + AESGCM(key).encrypt(nonce, text.encode(), place.encode())


def unseal(sealed: bytes | memoryview, *, place: str) -> str:
    """The text that was sealed for this place. Raises CannotOpen."""
    key_id, nonce, rest = _parts(bytes(sealed))
    key = _keys(may_make=False).get(key_id)
    if key is None:
        raise CannotOpen(f"The key file has no key {key_id}: restore it, or give the secret again.")
    try:
        return AESGCM(key).decrypt(nonce, rest, place.encode()).decode()
    except InvalidTag:
        raise CannotOpen("The stored secret is damaged or was moved: give it again.") from None


def is_sealed_by_newest(sealed: bytes | memoryview) -> bool:
    """Whether the secret needs no new sealing after a rotation."""
    return _parts(bytes(sealed))[0] == _newest(_keys(may_make=True))[0]


def add_key() -> str:
    """Add a key, with which everything is sealed from now on; returns its id. Older ones still open."""
    keys = _keys(may_make=True)
    key_id = _new_id(keys)
    _write(_key_file(), {**keys, key_id: AESGCM.generate_key(256)})
    return key_id


def drop_old_keys() -> int:
    """Forget every key but the newest; call it once nothing is sealed by them. Returns how many."""
    keys = _keys(may_make=True)
    key_id, key = _newest(keys)
    _write(_key_file(), {key_id: key})
    return len(keys) - 1


def _parts(sealed: bytes) -> tuple[str, bytes, bytes]:
    behind = _KEY_ID_BYTES + _NONCE_BYTES
    return sealed[:_KEY_ID_BYTES].hex(), sealed[_KEY_ID_BYTES:behind], sealed[behind:]


def _key_file() -> Path:
    return Path(settings.CREDENTIAL_KEY_FILE)


def _keys(*, may_make: bool) -> dict[str, bytes]:
    """The keys by id, oldest first, read each time: another process may have added one."""
    path = _key_file()
    try:
        held = json.loads(path.read_text())
    except FileNotFoundError:
        if not may_make:
            raise CannotOpen(f"The key file is gone: {path.name}. Restore it from the backup.") from None
        return _make(path)
    return {key_id: base64.b64decode(key) for key_id, key in held.items()}


def _newest(keys: dict[str, bytes]) -> tuple[str, bytes]:
    return list(keys.items())[-1]


def _new_id(keys: dict[str, bytes]) -> str:
    while (key_id := secrets.token_hex(_KEY_ID_BYTES)) in keys:
        pass
    return key_id


def _make(path: Path) -> dict[str, bytes]:
    """A first key, unless another process was first; either way the one on disk is used."""
    _write(path, {_new_id({}): AESGCM.generate_key(256)}, only_if_new=True)
    return _keys(may_make=False)


def _write(path: Path, keys: dict[str, bytes], *, only_if_new: bool = False) -> None:
    """Write the file whole or not at all, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({key_id: base64.b64encode(key).decode() for key_id, key in keys.items()}))
    if not only_if_new:
        draft.replace(path)
        return
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
