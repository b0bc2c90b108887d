"""The admin's name, its first page and its look."""

from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from unfold.sites import UnfoldAdminSite


class KoreAdminSite(UnfoldAdminSite):
    site_title = "Kore"
    site_header = "Kore"
    index_title = "Overview"
    enable_nav_sidebar = True

    def extra_urls(self) -> list[URLPattern]:
        return [path("refresh/", self.admin_view(self.refresh_overview), name="refresh_overview")]

    def refresh_overview(self, request: HttpRequest) -> HttpResponseBase:
        """Count the overview's figures afresh, for this person's systems."""
        from kore_site.dashboard import forget_overview  # noqa: PLC0415  (the site is made before the models)

        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        forget_overview(request.user)
        return HttpResponseRedirect(reverse("admin:index"))
