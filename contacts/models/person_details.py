"""PersonDetails: the fields that describe a person, the same in every system and on the golden record."""

from django.db import models


class PersonDetails(models.Model):
    """What is known of a person. A blank is an empty string: it says nothing, and is never evidence."""

    title = models.CharField(max_length=60, blank=True, default="")
    first_name = models.CharField(max_length=150, blank=True, default="")
    last_name = models.CharField(max_length=150, blank=True, default="")
    email = models.CharField("e-mail", max_length=254, blank=True, default="")
    phone = models.CharField(max_length=40, blank=True, default="")
    mobile = models.CharField(max_length=40, blank=True, default="")
    company = models.CharField(max_length=200, blank=True, default="")
    address1 = models.CharField("address", max_length=200, blank=True, default="")
    address2 = models.CharField("address, second line", max_length=200, blank=True, default="")
    city = models.CharField(max_length=120, blank=True, default="")
    postcode = models.CharField(max_length=20, blank=True, default="")
    country = models.CharField(max_length=2, blank=True, default="", help_text="ISO 3166, two letters.")
    date_of_birth = models.DateField(null=True, blank=True)
    language = models.CharField(max_length=35, blank=True, default="", help_text="BCP 47, such as en-GB.")
    external_customer_id = models.CharField("external customer ID", max_length=100, blank=True, default="")

    class Meta:
        abstract = True

    @property
    def full_name(self) -> str:
        """First and last name; empty where neither is known."""
        return f"{self.first_name} {self.last_name}".strip()


def name_of(field: str) -> str:
    """What a detail field is called on every screen."""
    return str(getattr(PersonDetails._meta.get_field(field), "verbose_name"))  # noqa: B009  (typed as relations too)


# In the order in which every screen and file lists them.
DETAIL_FIELDS: tuple[str, ...] = tuple(field.name for field in PersonDetails._meta.local_fields)
