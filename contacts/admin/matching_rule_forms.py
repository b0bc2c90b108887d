"""The editor of the matching rules as Django forms: rules, their criteria, the score."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.forms.formsets import DELETION_FIELD_NAME, ORDERING_FIELD_NAME, BaseFormSet, formset_factory

from contacts.grouping.rules import FIELDS, Comparator, Criterion, has_alike
from contacts.services.rule_checks import THRESHOLDS, Problem, model_thresholds

# Blank ones to fill in where there is no script to add them; with script they are taken away at once.
SPARE_RULES = 1
SPARE_CRITERIA = 1
SPARE_CRITERIA_OF_A_NEW_RULE = 3
LAST = 10_000

FIELD_CHOICES = [("", "choose a field"), *((field, field) for field in FIELDS)]
COMPARATOR_CHOICES = [
    (Comparator.NORMALISED.value, "the same"),
    (Comparator.EXACT.value, "the same as typed"),
    (Comparator.FUZZY.value, "alike"),
]
WITHOUT_ALIKE = [field for field in FIELDS if not has_alike(field)]


class CriterionForm(forms.Form):
    """One agreement that a rule asks for."""

    field = forms.ChoiceField(choices=FIELD_CHOICES, error_messages={"required": "Choose a field."})
    comparator = forms.ChoiceField(choices=COMPARATOR_CHOICES, initial=Comparator.NORMALISED.value)
    threshold = forms.FloatField(
        required=False,
        initial=Criterion.threshold,
        widget=forms.NumberInput(attrs={"step": "0.01", "min": "0.5", "max": "1"}),
        error_messages={"invalid": "A number between 0.5 and 1."},
    )
    blank_is_no_objection = forms.BooleanField(required=False)

    def has_changed(self) -> bool:
        return _is_filled(self, "field", "blank_is_no_objection")

    def kept(self) -> dict[str, Any]:
        """The criterion as services take it."""
        given = self.cleaned_data
        threshold = given["threshold"]
        return {
            "field": given["field"],
            "comparator": given["comparator"],
            "threshold": Criterion.threshold if threshold is None else threshold,
            "blank_is_no_objection": given["blank_is_no_objection"],
        }


class RuleForm(forms.Form):
    """One rule without its criteria; `name` is what its links keep, blank for a new one."""

    name = forms.CharField(required=False, widget=forms.HiddenInput)
    title = forms.CharField(required=False, max_length=200)
    names_must_agree = forms.BooleanField(required=False)
    is_active = forms.BooleanField(required=False, initial=True)

    criteria: BaseFormSet

    def has_changed(self) -> bool:
        return _is_filled(self, "name", "title", "names_must_agree")

    def shown_criteria(self) -> list[forms.Form]:
        """The criterion forms in the order of the page."""
        return sorted(self.criteria.forms, key=_place)


class ScoreForm(forms.Form):
    """The score's switch and its thresholds; a blank one is the model's, which stands there in grey."""

    is_active = forms.BooleanField(required=False)
    join_weight = forms.FloatField(required=False)
    join_household = forms.FloatField(required=False)
    review_weight = forms.FloatField(required=False)
    review_household = forms.FloatField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        of_model = model_thresholds()
        for name in THRESHOLDS:
            self.fields[name].widget.attrs |= {"step": "0.1", "placeholder": f"{of_model[name]:g}"}


_RULES = formset_factory(RuleForm, extra=0, can_order=True, can_delete=True, max_num=200, absolute_max=200)
_CRITERIA = formset_factory(
    CriterionForm, extra=0, can_order=True, can_delete=True, max_num=200, absolute_max=200
)


class RuleEditor:
    """All forms of the page, bound with `data` or filled with `rules` and `score` as they are kept.

    It works without script: a few rows stand blank to be filled in, and a place is a number.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        rules: Sequence[Mapping[str, Any]] = (),
        score: Mapping[str, Any] | None = None,
        based_on: int,
    ) -> None:
        self.based_on = based_on
        self.score = ScoreForm(data, prefix="score", initial=score)
        initial = None if data is not None else [_rule_initial(rule) for rule in rules]
        self.formset = _formset(_RULES, data, "rules", initial, spare=SPARE_RULES)
        for form in self.formset.forms:
            given = form.initial.get("criteria")
            spare = SPARE_CRITERIA if given else SPARE_CRITERIA_OF_A_NEW_RULE
            form.criteria = _formset(_CRITERIA, data, f"{form.prefix}-criteria", given, spare=spare)
        self.problems: list[str] = []

    def is_valid(self) -> bool:
        """Whether every part was understood; whether it makes rules, the service says."""
        criteria = [form.criteria.is_valid() for form in self._kept_forms()]
        return all([self.formset.is_valid(), self.score.is_valid(), *criteria])

    def kept_rules(self) -> list[dict[str, Any]]:
        """The rules in their order, as services take them; only of a valid editor."""
        return [
            {
                "name": form.cleaned_data.get("name", ""),
                "title": form.cleaned_data.get("title", ""),
                "criteria": [criterion.kept() for criterion in _in_order(form.criteria)],
                "names_must_agree": form.cleaned_data.get("names_must_agree", False),
                "is_active": form.cleaned_data.get("is_active", True),
            }
            for form in self._kept_forms()
        ]

    def kept_score(self) -> dict[str, Any]:
        """The score as services take it; only of a valid editor."""
        return dict(self.score.cleaned_data)

    def point_out(self, problems: Iterable[Problem]) -> None:
        """Put what the service refused at the very place."""
        rules = self._kept_forms()
        for problem in problems:
            if problem.rule is None:
                if problem.field:
                    self.score.add_error(problem.field, problem.message)
                else:
                    self.problems.append(problem.message)
            elif problem.criterion is None:
                rules[problem.rule].add_error(problem.field or None, problem.message)
            else:
                criterion = _in_order(rules[problem.rule].criteria)[problem.criterion]
                criterion.add_error(problem.field, problem.message)

    @property
    def shown_rules(self) -> list[RuleForm]:
        """The rule forms in the order of the page."""
        return sorted(self.formset.forms, key=_place)

    def blank_rule(self) -> RuleForm:
        """What script makes a new rule from; __rule__ stands for its number."""
        form = RuleForm(prefix="rules-__rule__", empty_permitted=True, use_required_attribute=False)
        self.formset.add_fields(form, None)
        form.criteria = _CRITERIA(prefix=f"{form.prefix}-criteria")
        return form

    def blank_criterion(self) -> CriterionForm:
        """What script makes a new criterion from; __rule__ and __prefix__ stand for the numbers."""
        return _CRITERIA(prefix="rules-__rule__-criteria").empty_form

    def _kept_forms(self) -> list[RuleForm]:
        forms_ = [form for form in self.formset.forms if not _is_deleted(form)]
        return sorted((form for form in forms_ if form.has_changed() or _in_order(form.criteria)), key=_place)


def _rule_initial(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rule[name] for name in ("name", "title", "names_must_agree", "is_active", "criteria")}


def _formset(kind: Any, data: Any, prefix: str, initial: Any, *, spare: int) -> Any:
    """A formset whose forms all may be left blank: rows go and come, and a gap is no row."""
    if data is not None:
        return kind(data, prefix=prefix)
    made = kind(prefix=prefix, initial=initial or None)
    made.extra = spare
    return made


def _is_filled(form: forms.Form, *names: str) -> bool:
    """Whether a row is one: something was written into it, or script gave it a place."""
    return bool({*names, ORDERING_FIELD_NAME} & set(form.changed_data))


def _place(form: forms.Form) -> int:
    """Where the form says it stands; those that say nothing come last."""
    said = str(form[ORDERING_FIELD_NAME].value() or "")
    return int(said) if said.isdecimal() else LAST


def _is_deleted(form: forms.Form) -> bool:
    return str(form[DELETION_FIELD_NAME].value()).lower() in ("on", "true", "1")


def _in_order(criteria: BaseFormSet) -> list[Any]:
    kept = (form for form in criteria.forms if form.has_changed() and not _is_deleted(form))
    return sorted(kept, key=_place)
