"""What the background cluster does: imports, dry runs, estimates, primary rules; each task may run twice."""

from django.utils import timezone

from contacts.services import case_mail, estimate, jobs, placement, primary_runs, rule_trials


def check_import(*, job_id: int) -> None:
    """Read the uploaded file and count what it would come to."""
    jobs.check_import(job_id, clock=timezone.now)


def write_import(*, job_id: int) -> None:
    """Write the file that was confirmed."""
    jobs.write_import(job_id, clock=timezone.now)
    place_new_refs()


def try_rules(*, trial_id: int) -> None:
    """Say what proposed matching rules would change."""
    rule_trials.run_trial(trial_id, clock=timezone.now)


def estimate_model(*, estimate_id: int) -> None:
    """Learn the weights of the grouping model, as a person asked for it."""
    estimate.run_estimate(estimate_id, clock=timezone.now)


def apply_primary_rules(*, run_id: int) -> str:
    """Apply the primary rules, as a person asked for it by day."""
    return primary_runs.apply_filed_run(run_id, now=timezone.now())


def resume_jobs() -> int:
    """Take up imports, dry runs and estimates that a killed process left behind; by schedule."""
    return (
        jobs.resume_imports(clock=timezone.now)
        + rule_trials.resume_trials(clock=timezone.now)
        + estimate.resume_estimates(clock=timezone.now)
    )


def mail_cases() -> int:
    """Tell the service desk of the cases that wait for it; asked for by each, and by schedule."""
    return case_mail.mail_cases(now=timezone.now())


def place_new_refs() -> int:
    """Place refs that came in by day; see `contacts.services.placement`."""
    return placement.place_new_refs(now=timezone.now())
