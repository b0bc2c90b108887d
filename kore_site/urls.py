"""One line per app."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from kore_site import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("healthz/", health.web, name="healthz"),
    path("healthz/tasks/", health.tasks, name="healthz_tasks"),
]
