"""What the audit log knows to have been done: the closed list of names. A new kind of change adds its line here."""

from __future__ import annotations

from enum import StrEnum


class AuditAction(StrEnum):
    """One kind of change or of security event, as `area.what`."""

    SIGNED_IN = "sign_in.succeeded"
    SIGN_IN_FAILED = "sign_in.failed"
    SIGN_IN_BLOCKED = "sign_in.blocked"
    SIGNED_OUT = "sign_in.ended"
    SESSIONS_ENDED = "sessions.ended"
    SESSION_MOVED = "sessions.moved"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 (a name, no secret)
    PASSWORD_RESET = "password.reset"  # noqa: S105 (a name, no secret)
    IDENTITY_LINKED = "identity.linked"
    TOKEN_MADE = "token.made"  # noqa: S105 (a name, no secret)
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 (a name, no secret)

    USER_MADE = "user.made"
    USER_DEACTIVATED = "user.deactivated"
    USER_REACTIVATED = "user.reactivated"
    USER_ERASED = "user.erased"
    PROFILE_CHANGED = "user.profile_changed"
    OPERATOR_MADE = "user.operator_made"

    INVITED = "invitation.made"
    INVITATION_WITHDRAWN = "invitation.withdrawn"
    MEMBER_JOINED = "member.joined"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    MEMBER_REMOVED = "member.removed"
    MEMBER_LEFT = "member.left"
    MEMBER_CAP_SET = "member.cap_set"
    MEMBER_BUDGET_SET = "member.budget_set"
    MEMBERS_CHANGED = "member.bulk_changed"

    ORGANISATION_MADE = "organisation.made"
    ORGANISATION_CHANGED = "organisation.changed"
    ORGANISATION_BUDGET_SET = "organisation.budget_set"
    POOLING_SET = "organisation.pooling_set"
    PLAN_SET = "plan.set"
    PLAN_FILE_LOADED = "plan.file_loaded"

    PROVIDER_KEY_ADDED = "provider_key.added"
    PROVIDER_KEY_CHANGED = "provider_key.changed"
    PROVIDER_KEY_REVOKED = "provider_key.revoked"
    PROVIDER_KEY_REFUSED = "provider_key.refused"
    SECRETS_ROTATED = "encryption.rotated"

    FLAG_SET = "flag.set"
    FLAG_REMOVED = "flag.removed"
    EXPERIMENT_STARTED = "experiment.started"
    EXPERIMENT_ENDED = "experiment.ended"
    MODEL_CHANGED = "model.changed"
    MODEL_TESTED = "model.tested"

    CREDITS_GRANTED = "credits.granted"
    CREDITS_ADJUSTED = "credits.adjusted"
    CREDITS_PURCHASED = "credits.purchased"
    CREDITS_TAKEN_BACK = "credits.taken_back"
    CREDITS_GIVEN_BACK = "credits.given_back"
    CREDITS_EXPIRED = "credits.expired"
    BOOST_REQUESTED = "boost.requested"
    BOOST_DECIDED = "boost.decided"
    BOOST_ENDED = "boost.ended"

    CHECKOUT_BEGUN = "billing.checkout_begun"
    PORTAL_OPENED = "billing.portal_opened"
    SUBSCRIPTION_CHANGED = "billing.subscription_changed"
    SEATS_CHANGED = "billing.seats_changed"
    BILLING_EVENT_REFUSED = "billing.event_refused"
    BILLING_EVENT_OPERATED = "billing.event_operated"

    ALERT_RULE_SET = "alert.rule_set"
    ALERT_CHANNEL_SET = "alert.channel_set"
    ALERT_CHANNEL_REMOVED = "alert.channel_removed"
    ALERT_CHANNEL_TESTED = "alert.channel_tested"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    WEBHOOK_SET = "webhook.set"
    WEBHOOK_REMOVED = "webhook.removed"

    JOB_REPEATED = "job.repeated"
    TEMPLATE_SET = "template.set"
    TEMPLATE_REMOVED = "template.removed"
    CHECKLIST_SET = "checklist.set"
    CHECKLIST_REMOVED = "checklist.removed"
    VERDICTS_SET = "verdict.settings_set"
    USAGE_EXPORTED = "usage.exported"
    USAGE_PRUNED = "usage.pruned"
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_VERIFIED = "audit.verified"
    DEMO_RESET = "demo.reset"
