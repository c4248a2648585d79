"""What every error of the Anthropic SDK, and of the HTTP client below it, is called here."""

from __future__ import annotations

import anthropic

from core.ai.providers.failures import HTTP_KINDS, told_no_credit
from core.ai.providers.hosts import Host
from core.ai.providers.sdk import inner_error, sdk_translated
from core.errors import (
    ProviderError,
    ProviderLacksModel,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejectedRequest,
    ProviderTimeout,
    ProviderUnavailable,
)

KINDS: dict[type[Exception], type[ProviderError]] = {
    **HTTP_KINDS,
    anthropic.AuthenticationError: ProviderRefusedKey,
    anthropic.PermissionDeniedError: ProviderRefusedKey,
    anthropic.CredentialsError: ProviderRefusedKey,
    anthropic.IdentityTokenFileError: ProviderRefusedKey,
    anthropic.OrganizationOnHoldError: ProviderRefusedKey,
    anthropic.OrganizationTypeNotSupportedError: ProviderRefusedKey,
    anthropic.ParentOrganizationRequiredError: ProviderRefusedKey,
    anthropic.ClaudeCodeKeyCreatorNotMemberError: ProviderRefusedKey,
    anthropic.CMEKKeyDisabledError: ProviderRefusedKey,
    anthropic.CMEKKeyNetworkBlockedError: ProviderRefusedKey,
    anthropic.RateLimitError: ProviderRateLimited,
    anthropic.RampLimitExceededError: ProviderRateLimited,
    anthropic.ContractSpendLimitReachedError: ProviderRateLimited,
    anthropic.EnforcedSpendLimitReachedError: ProviderRateLimited,
    anthropic.PaymentRequiredError: ProviderRateLimited,
    anthropic.LinkedOrganizationBillingUnavailableError: ProviderRateLimited,
    anthropic.LinkedOrganizationSpendLimitReachedError: ProviderRateLimited,
    anthropic.BadRequestError: ProviderRejectedRequest,
    anthropic.NotFoundError: ProviderLacksModel,
    anthropic.ConflictError: ProviderRejectedRequest,
    anthropic.PreconditionFailedError: ProviderRejectedRequest,
    anthropic.ContentTooLargeError: ProviderRejectedRequest,
    anthropic.UnprocessableEntityError: ProviderRejectedRequest,
    anthropic.RequestHeaderFieldsTooLargeError: ProviderRejectedRequest,
    anthropic.ClaudeCodeVersionTooOldError: ProviderRejectedRequest,
    anthropic.RequestBodyEncodingInvalidError: ProviderRejectedRequest,
    anthropic.RequestBodyEncodingUnsupportedError: ProviderRejectedRequest,
    anthropic.RequestBodyTooLargeAfterDecodingError: ProviderRejectedRequest,
    anthropic.SandboxEgressRestrictedError: ProviderRejectedRequest,
    anthropic.RequestTimeoutError: ProviderTimeout,
    anthropic.GatewayTimeoutError: ProviderTimeout,
    anthropic.APITimeoutError: ProviderTimeout,
    anthropic.ClientClosedRequestError: ProviderUnavailable,
    anthropic.InternalServerError: ProviderUnavailable,
    anthropic.HTTPNotImplementedError: ProviderUnavailable,
    anthropic.ServiceUnavailableError: ProviderUnavailable,
    anthropic.CMEKContextUnavailableError: ProviderUnavailable,
    anthropic.CMEKKeyUnreachableError: ProviderUnavailable,
    anthropic.OverloadedError: ProviderUnavailable,
    anthropic.APIConnectionError: ProviderUnavailable,
    anthropic.APIResponseValidationError: ProviderUnavailable,
    anthropic.APIWebhookValidationError: ProviderUnavailable,
    anthropic.APIStatusError: ProviderUnavailable,
    anthropic.APIError: ProviderUnavailable,
    anthropic.RetryableError: ProviderUnavailable,
    anthropic.AnthropicError: ProviderUnavailable,
}
"""Each foreign class and our kind for it; a class that is not here has that of its nearest parent."""

FOREIGN = tuple(KINDS)
"""Everything that may be raised while the SDK works."""

STATUS_OF_TYPE: dict[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "timeout_error": 408,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
}
"""The status that an error inside a stream would have had before it began."""
_TOO_LOW = "credit balance is too low"
"""How an account without credit is told apart, which the vendor otherwise calls a bad request."""


def translated(error: Exception, host: Host, *, has_begun: bool) -> ProviderError:
    """Our error for a foreign one. After the first token every failure is a break."""
    if not has_begun and _TOO_LOW in str(inner_error(error).get("message")):
        return told_no_credit(host)
    return sdk_translated(error, host, KINDS, has_begun=has_begun)
