"""The nouns: systems, their records of people, the golden record over them, and every decision about it."""

from contacts.models.business_unit import BusinessUnit
from contacts.models.case import Case, CaseComment, CaseRef
from contacts.models.contact import Contact, GroupAlias
from contacts.models.crm_details import CrmDetails
from contacts.models.golden_pin import GoldenPin
from contacts.models.gone_ref import GoneRef
from contacts.models.group_change import GroupChange
from contacts.models.group_decision import GroupDecision
from contacts.models.group_request import GroupRequest, RequestRef
from contacts.models.grouping_run import GroupingRun
from contacts.models.grouping_state import AppliedDecision, GroupedRef, PendingRef
from contacts.models.held_line import HeldLine, HeldRef
from contacts.models.held_value import HeldValue
from contacts.models.history import FieldChange
from contacts.models.job import Job, RejectedRow
from contacts.models.kept_figures import KeptFigures
from contacts.models.link import Link
from contacts.models.mapping import Mapping, Move
from contacts.models.model_version import BadKey, ModelEstimate, ModelVersion, TermFrequency
from contacts.models.organisation import Organisation
from contacts.models.person_details import PersonDetails
from contacts.models.primary_rule import PrimaryRule, PrimaryRuleList, PrimaryRuleSystem, PrimaryRun
from contacts.models.queue_object import QueueObject
from contacts.models.related_name import RelatedName, RelatedNamePrint
from contacts.models.review_answer import AnswerMember, ReviewAnswer
from contacts.models.rights_log import RefusedAttempt, RightsRecord
from contacts.models.row_print import RowPrint, SystemRefPrint
from contacts.models.rule_set import RuleSet, RuleTrial
from contacts.models.system_ref import SystemRef
from contacts.models.ticket_system import (
    TicketSystem,
    TicketSystemGroupObjectPermission,
    TicketSystemUserObjectPermission,
)

__all__ = [
    "AnswerMember",
    "AppliedDecision",
    "BadKey",
    "BusinessUnit",
    "Case",
    "CaseComment",
    "CaseRef",
    "Contact",
    "CrmDetails",
    "FieldChange",
    "GoldenPin",
    "GoneRef",
    "GroupAlias",
    "GroupChange",
    "GroupDecision",
    "GroupRequest",
    "GroupedRef",
    "GroupingRun",
    "HeldLine",
    "HeldRef",
    "HeldValue",
    "Job",
    "KeptFigures",
    "Link",
    "Mapping",
    "ModelEstimate",
    "ModelVersion",
    "Move",
    "Organisation",
    "PendingRef",
    "PersonDetails",
    "PrimaryRule",
    "PrimaryRuleList",
    "PrimaryRuleSystem",
    "PrimaryRun",
    "QueueObject",
    "RefusedAttempt",
    "RejectedRow",
    "RelatedName",
    "RelatedNamePrint",
    "RequestRef",
    "ReviewAnswer",
    "RightsRecord",
    "RowPrint",
    "RuleSet",
    "RuleTrial",
    "SystemRef",
    "SystemRefPrint",
    "TermFrequency",
    "TicketSystem",
    "TicketSystemGroupObjectPermission",
    "TicketSystemUserObjectPermission",
]
