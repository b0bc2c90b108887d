"""Who is at the screen: the admin's pages let nobody in who is not signed in."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest


def user_of(request: HttpRequest) -> User:
    """The user of a page that the admin site has let through."""
    return cast(User, request.user)
