"""The token endpoint's errors, as RFC 6749 §5.2 shapes them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

# RFC 6749 §5.2 asks for it where the client used the Authorization header, RFC 9110 §11.6.1 for every 401.
BASIC_CHALLENGE = 'Basic realm="token endpoint", charset="UTF-8"'


class OAuthError(Exception):
    """A token request that gets no token.

    ``error_description`` may hold printable ASCII without quotation marks and backslashes (RFC 6749 §5.2).
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    error: ClassVar[str] = "invalid_request"

    def __init__(self, description: str, *, cause: str = "") -> None:
        """Keep two texts apart.

        Args:
            description: What the client's developer reads. Never a value from the request.
            cause: What the operator reads in the log. Never sent, and never a secret.
        """
        super().__init__(description)
        self.description = description
        self.cause = cause

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the answer has because of this error."""
        return {}


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated or malformed, or the client authenticates in two ways."""


class MethodNotAllowed(InvalidRequest):
    """RFC 6749 §3.2: the client must use POST."""

    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, allowed: str) -> None:
        super().__init__(f"This URL takes {allowed}.")
        self._allowed = allowed

    @property
    def headers(self) -> Mapping[str, str]:
        """Name the methods that there are (RFC 9110 §15.5.6)."""
        return {"Allow": self._allowed}


class UnsupportedGrantType(OAuthError):
    """Only ``client_credentials`` is supported."""

    error = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    """The authorization endpoint exists for clients that insist on its name in the metadata."""

    error = "unsupported_response_type"


class InvalidScope(OAuthError):
    """The scope is malformed, unknown, or more than the client may have."""

    error = "invalid_scope"


class InvalidClient(OAuthError):
    """Client authentication failed. The same for every reason that only the server knows."""

    status = HTTPStatus.UNAUTHORIZED
    error = "invalid_client"

    def __init__(self, description: str = "Client authentication failed.", *, cause: str = "") -> None:
        super().__init__(description, cause=cause)

    @property
    def headers(self) -> Mapping[str, str]:
        """Challenge for client_secret_basic."""
        return {"WWW-Authenticate": BASIC_CHALLENGE}


class _TryLater(OAuthError):
    """RFC 6749 has no code for this at the token endpoint; the one of §4.1.2.1 says what it is."""

    error = "temporarily_unavailable"

    def __init__(self, description: str, retry_after_seconds: int, *, cause: str = "") -> None:
        super().__init__(description, cause=cause)
        self._retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        """Say when to come back."""
        return {"Retry-After": str(self._retry_after_seconds)}


class TooManyAttempts(_TryLater):
    """Too many failed attempts at one tenant from one source."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Too many failed attempts.", retry_after_seconds)


class TemporarilyUnavailable(_TryLater):
    """Something that we need does not answer. Not the client's fault, and it must not think so."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, cause: str, retry_after_seconds: int = 5) -> None:
        super().__init__("The service is temporarily unavailable.", retry_after_seconds, cause=cause)
