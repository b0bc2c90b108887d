"""The addresses of the reports."""

from django.urls import path

from ticketing.reports import views

urlpatterns = [
    path("", views.index, name="reports"),
    path("<slug:key>/", views.report, name="report"),
    path("<slug:key>/afresh/", views.count_afresh, name="report_afresh"),
    path("<slug:key>/<slug:kind>/", views.export, name="report_export"),
]
