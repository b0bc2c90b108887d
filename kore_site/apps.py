"""The project as an app: the admin site, and roles applied when their permissions exist."""

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate
from django.utils import timezone


class KoreAdminConfig(AdminConfig):
    default_site = "kore_site.admin_site.KoreAdminSite"


class KoreSiteConfig(AppConfig):
    name = "kore_site"
    verbose_name = "Kore"

    def ready(self) -> None:
        from kore_site.roles import apply_roles  # noqa: PLC0415  (models are not loaded before ready)

        # `contacts` stands last in INSTALLED_APPS: by then every app's permissions and tables exist.
        contacts = apps.get_app_config("contacts")
        post_migrate.connect(apply_roles, sender=contacts)
        post_migrate.connect(_ensure_schedules, sender=contacts)


def _ensure_schedules(**_: Any) -> None:
    from sync.services.schedules import ensure_schedules  # noqa: PLC0415

    ensure_schedules(now=timezone.now())
