"""The secret key: from the environment, or made once and kept beside the embedded database."""

import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def read_secret_key(*, given: str, embedded: bool, folder: Path) -> str:
    """The key to sign with.

    A key in the environment always wins. The embedded product (no DATABASE_URL) makes one on its first
    start and keeps it, readable by its owner only, so that sessions outlive a restart.

    Raises ImproperlyConfigured when a production start has none: a key that changes with the machine
    would sign people out and break every signed link without a word.
    """
    if given:
        return given
    if not embedded:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. With DATABASE_URL set, Kore runs as production and needs a SECRET_KEY of "
            'its own; make one with: python -c "import secrets; print(secrets.token_urlsafe(50))"'
        )
    path = folder / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return _make(path)


def _make(path: Path) -> str:
    """Write a new key unless another process was first; either way the key on disk is the one used."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(50))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
