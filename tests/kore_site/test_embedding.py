"""The TDM within a CRM's frame: its pages alone, and only of the origins that the settings name."""

import pytest

from contacts.permissions import SystemRight, grant
from kore_site.roles import SALES_REPS

from ..factories import MappingFactory, SystemRefFactory, TicketSystemFactory, UserFactory
from .test_settings import ask_settings

pytestmark = pytest.mark.django_db

CRM = "https://club.lightning.example"


@pytest.fixture
def fan() -> int:
    """The GroupID of a fan in the one system there is."""
    return MappingFactory(system_ref=SystemRefFactory(system=TicketSystemFactory(code="MLB"))).contact_id


@pytest.fixture
def rep(client, fan):
    user = UserFactory(role=SALES_REPS)
    from_system = TicketSystemFactory._meta.model.objects.get()
    grant(user, SystemRight.VIEW, on=from_system)
    client.force_login(user)
    return user


def ancestors(response) -> str:
    policy = response.headers["Content-Security-Policy"].split(";")
    return next(part.strip() for part in policy if part.strip().startswith("frame-ancestors"))


@pytest.mark.usefixtures("rep")
def test_nobody_frames_a_page_unless_the_settings_say_so(client, fan):
    for path in ("/tdm/", f"/tdm/{fan}/", "/admin/"):
        response = client.get(path)

        assert ancestors(response) == "frame-ancestors 'none'"
        assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.usefixtures("rep")
def test_a_named_crm_frames_the_pages_of_the_tdm_and_no_others(client, fan, settings):
    settings.CRM_FRAME_ORIGINS = [CRM]

    for path in ("/tdm/", f"/tdm/{fan}/", "/tdm/write-backs/"):
        response = client.get(path)
        assert ancestors(response) == f"frame-ancestors {CRM}"
        assert "X-Frame-Options" not in response.headers
    for path in ("/admin/", "/admin/login/", f"/admin/contacts/contact/{fan}/change/"):
        response = client.get(path)
        assert ancestors(response) == "frame-ancestors 'none'"
        assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.usefixtures("rep")
def test_a_framed_page_has_no_sidebar_as_the_browser_says_or_as_was_asked(client, fan):
    page = f"/tdm/{fan}/"

    assert 'id="nav-sidebar"' in client.get(page).text
    assert 'id="nav-sidebar"' not in client.get(page, headers={"Sec-Fetch-Dest": "iframe"}).text
    assert 'id="nav-sidebar"' in client.get(page).text
    assert 'id="nav-sidebar"' not in client.get(page, {"framed": "1"}).text
    assert 'id="nav-sidebar"' not in client.get("/tdm/").text
    assert 'id="nav-sidebar"' in client.get("/tdm/", {"framed": "0"}).text


def test_cookies_go_into_another_sites_frame_over_https_alone_and_only_where_a_crm_is_named(tmp_path):
    asked = "(settings.CRM_FRAME_ORIGINS, getattr(settings, 'SESSION_COOKIE_SAMESITE', ''), "
    asked += "getattr(settings, 'CSRF_COOKIE_SAMESITE', ''), settings.SESSION_COOKIE_SECURE)"

    nobody = ask_settings(asked, VAR_DIR=str(tmp_path))
    named = ask_settings(asked, VAR_DIR=str(tmp_path), CRM_FRAME_ORIGINS=CRM)

    assert nobody.stdout.strip() == "([], '', '', False)"
    assert named.stdout.strip() == f"(['{CRM}'], 'None', 'None', True)"
