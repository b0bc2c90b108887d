"""BusinessUnit: a part of the organisation that may have to be kept apart from the others."""

from django.db import models


class BusinessUnit(models.Model):
    """A team, venue or company. Ticket systems belong to one; isolation follows it."""

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)

    def __str__(self) -> str:
        return self.name
