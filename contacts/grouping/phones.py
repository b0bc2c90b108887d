"""How each country writes its telephone numbers: calling code, trunk prefix, way out."""

from collections.abc import Iterable
from functools import lru_cache

import pyarrow as pa
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

# What people type for a country where ISO 3166 wants two letters.
COUNTRY_ALIASES = {
    "UK": "GB",
    "UNITED KINGDOM": "GB",
    "GREAT BRITAIN": "GB",
    "ENGLAND": "GB",
    "SCOTLAND": "GB",
    "WALES": "GB",
    "NORTHERN IRELAND": "GB",
    "GBR": "GB",
    "USA": "US",
    "UNITED STATES": "US",
    "UNITED STATES OF AMERICA": "US",
    "IRELAND": "IE",
    "IRL": "IE",
    "GERMANY": "DE",
    "DEUTSCHLAND": "DE",
    "DEU": "DE",
    "FRANCE": "FR",
    "FRA": "FR",
    "AUSTRALIA": "AU",
    "AUS": "AU",
    "CANADA": "CA",
    "CAN": "CA",
    "SPAIN": "ES",
    "ITALY": "IT",
    "NETHERLANDS": "NL",
}

PLAN_SCHEMA = pa.schema(
    [
        ("country", pa.string()),
        ("iso", pa.string()),
        ("code", pa.string()),
        ("trunk", pa.string()),
        ("way_out", pa.string()),
    ]
)


def numbering_plans(countries: Iterable[str], *, default_country: str) -> pa.Table:
    """One row of PLAN_SCHEMA per country as typed; '' and unknown countries get the default's plan."""
    typed = sorted({"", *countries})
    rows = [{"country": country, **_plan(_iso(country, default_country))} for country in typed]
    return pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)


def codes_with_trunk_zero() -> list[str]:
    """Calling codes after which a typed 0 is the trunk prefix, as in +44 (0) 20."""
    return [
        str(code)
        for code, regions in sorted(COUNTRY_CODE_TO_REGION_CODE.items())
        if _trunk(regions[0]) == "0"
    ]


def _iso(country: str, default_country: str) -> str:
    name = COUNTRY_ALIASES.get(country, country)
    known = PhoneMetadata.metadata_for_region(name, None) is not None
    return name if known else default_country.upper()


@lru_cache(maxsize=512)
def _plan(iso: str) -> dict[str, str]:
    metadata = PhoneMetadata.metadata_for_region(iso, None)
    if metadata is None:
        return {"iso": iso, "code": "", "trunk": "", "way_out": "00"}
    way_out = metadata.preferred_international_prefix or metadata.international_prefix or ""
    return {
        "iso": iso,
        "code": str(metadata.country_code),
        "trunk": metadata.national_prefix or "",
        "way_out": way_out if way_out.isdigit() else "00",
    }


def _trunk(region: str) -> str:
    metadata = PhoneMetadata.metadata_for_region(region, None)
    return (metadata.national_prefix or "") if metadata else ""
