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


def test_signed_out_a_frame_offers_the_sign_in_in_a_tab_of_its_own_as_that_may_not_be_framed(
    client, fan, settings
):
    settings.CRM_FRAME_ORIGINS = [CRM]

    framed = client.get(f"/tdm/{fan}/", headers={"Sec-Fetch-Dest": "iframe"})
    alone = client.get(f"/tdm/{fan}/")

    assert framed.status_code == 403
    assert ancestors(framed) == f"frame-ancestors {CRM}"
    assert 'href="/admin/login/?next=/tdm/" target="_blank"' in framed.text
    assert alone.url.startswith("/admin/login/")


def test_a_disabled_account_in_a_frame_is_as_good_as_signed_out(client, rep, fan):
    rep.is_active = False
    rep.save()

    assert "Sign in to Kore" in client.get(f"/tdm/{fan}/", {"framed": "1"}).text


@pytest.mark.usefixtures("rep")
def test_what_is_not_there_or_not_allowed_within_the_tdm_leads_back_into_it_and_not_out_of_the_frame(client):
    not_there = client.get("/tdm/999999999/")
    not_allowed = client.post("/tdm/write-backs/", {"settle": "drop 1"})
    elsewhere = client.get("/admin/contacts/contact/999999999/change/")

    assert [not_there.status_code, not_allowed.status_code] == [404, 404]
    assert '<a href="/tdm/">Find a fan</a>' in not_there.text
    assert 'href="/admin/"' not in not_there.text
    assert "Back to the fan" not in not_there.text
    assert '<a href="/admin/">To the overview</a>' in elsewhere.text
