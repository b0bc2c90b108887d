"""What the TDM says of a Submit, of a source that takes some fields and not others."""

import pytest

from contacts.models import SystemRef
from ticketing.services.submit import submit
from ticketing.tdm.words import said_of

from ..factories import NOW

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("local_sources")
def test_a_source_that_takes_other_fields_is_said_not_to_take_this_one(connection, rep):
    ann = SystemRef.objects.get(system=connection.system)

    submitted = submit(ann, {"company": "Marlow Ltd"}, seen=None, by=rep, now=NOW)

    assert said_of(submitted) == (
        "Company changed. BOX does not take company from here; change it there yourself. The task is filed."
    )
