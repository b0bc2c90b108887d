"""The addresses of the Ticketing Data Manager."""

from django.urls import path

from ticketing.tdm import conflict_views, contact_views, find_views, write_back_views

app_name = "tdm"

urlpatterns = [
    path("", find_views.find, name="find"),
    path("conflicts/", conflict_views.conflicts, name="conflicts"),
    path("write-backs/", write_back_views.write_backs, name="write_backs"),
    path("<int:group_id>/", contact_views.contact, name="contact"),
    path("<int:group_id>/primary/", contact_views.primary, name="primary"),
    path("<int:group_id>/revert/", contact_views.revert_change, name="revert"),
]
