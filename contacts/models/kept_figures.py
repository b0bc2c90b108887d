"""KeptFigures: the overview's figures over one set of systems, as the night has counted them."""

from django.db import models


class KeptFigures(models.Model):
    """Counts alone, of nobody in particular; read only for exactly this set of systems."""

    set_of_systems = models.CharField(max_length=64, unique=True)
    figures = models.JSONField()
    until = models.DateTimeField(help_text="From when on they are too old to be shown.")

    def __str__(self) -> str:
        return f"figures until {self.until}"
