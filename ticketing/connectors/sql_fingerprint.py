"""What tells one database from all others, however it is addressed; asked of sources and of our own alike."""

import os

# The server's start is known to the microsecond; of two servers on one machine the ports differ.
POSTGRES_FINGERPRINT = (
    "SELECT concat_ws(':', 'postgresql', current_database(), current_setting('port'),"
    " extract(epoch FROM pg_postmaster_start_time()))"
)


def sqlite_fingerprint(path: str) -> str:
    """Of a database in a file, by whatever name or link it is opened."""
    try:
        found = os.stat(path)
    except OSError:
        return f"sqlite:{os.path.realpath(path)}"
    return f"sqlite:{found.st_dev}:{found.st_ino}"
