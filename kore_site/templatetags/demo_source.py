"""Whether a connection is the demonstration's live source."""

from django import template

from kore_site.demo.live_source import is_shop

register = template.Library()
register.filter("is_demo_shop", is_shop)
