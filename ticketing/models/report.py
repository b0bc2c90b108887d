"""KeptReport: the sums behind a report over one set of systems, where counting them took long."""

from django.db import models


class KeptReport(models.Model):
    """Sums alone, of nobody in particular; read only for exactly this question over this set of systems."""

    key = models.CharField(max_length=64, unique=True, help_text="Names the question and its systems.")
    question = models.JSONField(help_text="As ticketing.services.kept_reports writes it.")
    is_narrow = models.BooleanField(help_text="Asked with filters: dropped by the night, not counted anew.")
    rows = models.JSONField()
    as_of = models.DateTimeField()
    until = models.DateTimeField(help_text="From when on the sums are too old to be shown.")
    asked_on = models.DateField(help_text="The last day on which somebody looked.")

    def __str__(self) -> str:
        return f"report as of {self.as_of}"
