"""What the environment decides: no production start without a key; an embedded product keeps its own."""

import os
import re
import runpy
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POSTGRES = "postgres://nobody@127.0.0.1:1/nothing"


def ask_settings(expression: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Print an expression over the settings, in a process that knows only this environment."""
    return subprocess.run(
        [sys.executable, "-c", f"from kore_site import settings; print({expression})"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_production_start_stops_with_a_sentence_when_there_is_no_secret_key(tmp_path):
    start = ask_settings("settings.SECRET_KEY", DATABASE_URL=POSTGRES, VAR_DIR=str(tmp_path))

    assert start.returncode != 0
    assert "SECRET_KEY is not set. With DATABASE_URL set, Kore runs as production" in start.stderr
    assert list(tmp_path.glob("secret_key*")) == []


def test_a_key_in_the_environment_wins_and_is_not_written_down(tmp_path):
    start = ask_settings("settings.SECRET_KEY", SECRET_KEY="from outside", VAR_DIR=str(tmp_path))

    assert start.stdout == "from outside\n"
    assert list(tmp_path.glob("secret_key*")) == []


def test_the_embedded_product_makes_a_key_once_keeps_it_and_shows_it_to_its_owner_only(tmp_path):
    folder = tmp_path / "a folder with spaces"

    first = ask_settings("settings.SECRET_KEY", VAR_DIR=str(folder))
    second = ask_settings("settings.SECRET_KEY", VAR_DIR=str(folder))

    kept = folder / "secret_key"
    assert len(first.stdout.strip()) >= 50
    assert first.stdout == second.stdout == kept.read_text() + "\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_debug_is_off_and_the_database_embedded_unless_the_environment_says_otherwise(tmp_path):
    bare = ask_settings("settings.DEBUG, settings.EMBEDDED", VAR_DIR=str(tmp_path))
    told = ask_settings(
        "settings.DEBUG, settings.EMBEDDED, settings.ALLOWED_HOSTS",
        VAR_DIR=str(tmp_path),
        DATABASE_URL=POSTGRES,
        SECRET_KEY="x",
        DEBUG="1",
        ALLOWED_HOSTS="kore.example.org,www.example.org",
    )

    assert bare.stdout == "False True\n"
    assert told.stdout == "True False ['kore.example.org', 'www.example.org']\n"


@pytest.mark.req("D-26")
def test_access_logs_leave_out_query_strings_and_referers():
    conf = runpy.run_path(str(ROOT / "kore_site" / "gunicorn_conf.py"))

    # %(r)s would be the request line, %(q)s the query, %(f)s the referer, %({name}i)s a header.
    assert set(re.findall(r"%\(([^)]*)\)s", conf["access_log_format"])) == {"t", "h", "m", "U", "s", "b", "M"}
