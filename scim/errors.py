"""Failures that the SCIM client gets to see and that scim2-models has no exception for."""

from typing import Final

from scim2_models import SCIMException

# What a client is asked to wait when nobody knows better, in seconds: a throttled partition of the table
# service recovers within a few.
RETRY_AFTER_SECONDS_DEFAULT: Final = 5


class Throttled(SCIMException):
    """The storage cannot take the request now; the same request will succeed later (RFC 6585 §4).

    Attributes:
        retry_after_seconds: What ``Retry-After`` asks the client to wait, 1 or more.
    """

    status = 429
    _default_detail = "Too many requests for this tenant; try again later"

    def __init__(self, retry_after_seconds: float = RETRY_AFTER_SECONDS_DEFAULT) -> None:
        super().__init__()
        self.retry_after_seconds = max(1, round(retry_after_seconds))
