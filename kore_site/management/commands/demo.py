"""From an empty folder to a running product: a fictional club, its fans, one night, web and cluster."""

import secrets
import string
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.utils import timezone

from kore_site.demo import load, report
from kore_site.demo.files import write_files
from kore_site.demo.live_source import allow_shop, environment
from kore_site.demo.progress import progress
from kore_site.demo.serving import HOST, ChildStopped, PortTaken, check_port, children, serve
from kore_site.demo.staff import hire, set_passwords

_LETTERS = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))
_FOLDER = settings.VAR_DIR / "demo"


class Command(BaseCommand):
    help = "Start Kore with a fictional club: four ticket systems, one of them live, fans and a night."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--refs", type=int, default=5000, help="System Refs to make (default 5000)")
        parser.add_argument("--no-serve", action="store_true", help="stop when the data stands")
        parser.add_argument("--port", type=int, default=8000, help="where to serve (default 8000)")
        parser.add_argument("--password", default="", help="the password of all four users")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["refs"] < 10:
            raise CommandError("--refs: at least 10, please.", returncode=2)
        allow_shop()
        try:
            if not options["no_serve"]:
                check_port(options["port"])
            password = self._prepare(refs=options["refs"], password=options["password"])
            if not options["no_serve"]:
                self._serve(options["port"], password)
            else:
                self._say_how_to_sign_in(password)
        except PortTaken as taken:
            raise CommandError(str(taken), returncode=2) from None
        except (ChildStopped, load.NightFailed, load.PullFailed) as stopped:
            raise CommandError(str(stopped)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped. Start it again, and it goes on.", returncode=130) from None

    def _prepare(self, *, refs: int, password: str) -> str:
        """Bring the database to where it can be shown; returns the users' password, or nothing if unknown."""
        with progress("Database") as line:
            call_command("migrate", verbosity=0)
            line.finish("up to date")
        if load.is_loaded() or load.is_someone_elses():
            self.stdout.write("There is data here already: nothing was loaded.")
            if password:
                self.stdout.write(f"The password of {set_passwords(password)} users was set.")
            return password
        password = password or "".join(secrets.choice(_LETTERS) for _ in range(12))
        self._load(refs=refs, password=password)
        return password

    def _load(self, *, refs: int, password: str) -> None:
        now = timezone.now()
        with progress("The club") as line:
            load.found_club()
            hire(now=now)
            line.finish("4 ticket systems in 2 business units")
        with progress("Files as the systems export them") as line:
            files = write_files(_FOLDER, refs=refs, seed=load.SEED, now=now)
            line.finish(f"{refs:,} System Refs, {sum(d.lines for d in files.deliveries):,} purchases")
        imports, nights = load.live_through(files, now=now)
        set_passwords(password)
        self._print("What came in", report.imports_table(imports))
        self._print("The nights", report.nights_table(nights))
        self._print("The ticket systems", report.systems_table())
        self._print("The golden records", report.contacts_table())
        self._print("The grouping against the truth", report.quality_table(load.evaluate(files)))

    def _print(self, caption: str, text: str) -> None:
        self.stdout.write(f"\n{self.style.MIGRATE_HEADING(caption)}\n{text}")

    def _serve(self, port: int, password: str) -> None:
        web, cluster = children(
            port, manage=settings.BASE_DIR / "manage.py", folder=_FOLDER, environment=environment()
        )

        def when_ready() -> None:
            line.finish("both answer")
            self._say_how_to_sign_in(password)
            address = self.style.SUCCESS(f"http://{HOST}:{port}/")
            self.stdout.write(f"\nKore is running at {address}  (logs: {_FOLDER})\nCtrl-C stops it.")
            self.stdout.flush()

        with progress("Starting web server and cluster") as line:
            serve(web, cluster, port=port, when_ready=when_ready)
        self.stdout.write("Stopped.")

    def _say_how_to_sign_in(self, password: str) -> None:
        self._print("Who may sign in", report.staff_table())
        said = (
            f"password: {password}"
            if password
            else "password: as printed at the first start; --password sets one"
        )
        self.stdout.write(f"\n  {said}")
