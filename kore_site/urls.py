"""One line per app."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from contacts import views
from kore_site import health, view_as
from kore_site.demo import change as demo_change
from ticketing import views as ticketing_views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("contact/<int:group_id>/", views.contact, name="contact"),
    path("contact/<int:group_id>/primary/", views.choose_primary_by_hand, name="choose_primary"),
    path("contact/<int:group_id>/crm-fields/", views.edit_crm_fields, name="crm_fields"),
    path("tdm/", include("ticketing.tdm.urls")),
    path("reports/", include("ticketing.reports.urls")),
    path("demo/<int:connection_id>/change/", demo_change.change_source, name="demo_change"),
    path("hints/<str:hook_key>/", ticketing_views.hint, name="source_hint"),
    path("view-as/<int:user_id>/", view_as.view_as, name="view_as"),
    path("view-as/stop/", view_as.stop_viewing_as, name="stop_viewing_as"),
    path("healthz/", health.web, name="healthz"),
    path("healthz/tasks/", health.tasks, name="healthz_tasks"),
]
