"""What the background cluster does for imports; every task may run twice."""

from django.utils import timezone

from contacts.services import jobs


def check_import(*, job_id: int) -> None:
    """Read the uploaded file and count what it would come to."""
    jobs.check_import(job_id, clock=timezone.now)


def write_import(*, job_id: int) -> None:
    """Write the file that was confirmed."""
    jobs.write_import(job_id, clock=timezone.now)


def resume_jobs() -> int:
    """Take up imports that a killed process left behind; by schedule."""
    return jobs.resume_imports(clock=timezone.now)
