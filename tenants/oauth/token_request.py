"""From the bytes of a token request to what it asks and how its client authenticates. Pure.

RFC 6749 §2.3.1 (secrets), §3.2 (parameters), §4.4.2 (this grant), RFC 7523 §2.2 (assertions).
"""

import base64
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from tenants.oauth.errors import InvalidClient, InvalidRequest, InvalidScope, UnsupportedGrantType

CONTENT_TYPE = "application/x-www-form-urlencoded"
GRANT_TYPE = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

# Longest body, in bytes, and most parameters. A federated request has five, with an assertion of up to 8 KiB.
BODY_BYTES_MAX = 16_384
PARAMETERS_MAX = 32

# RFC 6749 §3.3: tokens of printable ASCII without quotation mark and backslash, one space between them.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*\Z")

# What must never stand in a URL, where logs keep it (RFC 6749 §2.3.1).
_SECRET_PARAMETERS = frozenset({"client_secret", "client_assertion"})


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """``client_secret_basic`` or ``client_secret_post``."""

    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientAssertion:
    """``private_key_jwt``, or an assertion that another issuer made for the client.

    ``client_id`` may be empty: the assertion names the client (RFC 7521 §4.2).
    """

    client_id: str
    assertion: str = field(repr=False)


type ClientAuthentication = ClientSecret | ClientAssertion


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A well-formed token request.

    Attributes:
        client: How the client authenticates; not checked yet.
        scopes: What it asks for; empty where it leaves that to us.
    """

    client: ClientAuthentication
    scopes: tuple[str, ...] = ()


def parse_token_request(
    *, content_type: str, authorization: str, query: Mapping[str, str], body: bytes
) -> TokenRequest:
    """Parse a token request.

    Args:
        content_type: The header's value, or nothing.
        authorization: The header's value, or nothing.
        query: The URL's parameters.
        body: The body.

    Raises:
        InvalidRequest, UnsupportedGrantType, InvalidScope: As RFC 6749 §5.2 says.
        InvalidClient: There is no client authentication, or it has a form that we do not know.
    """
    if _SECRET_PARAMETERS & query.keys():
        raise InvalidRequest("Client credentials must not be sent in the URL. Replace this secret.")
    parameters = _parse_form(content_type, body)
    grant_type = parameters.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("The parameter grant_type is missing.")
    if grant_type != GRANT_TYPE:
        raise UnsupportedGrantType(f"The only grant_type here is {GRANT_TYPE}.")
    scopes = _parse_scope(parameters.get("scope", ""))
    return TokenRequest(_parse_client(authorization, parameters), scopes)


def _parse_form(content_type: str, body: bytes) -> Mapping[str, str]:
    """Return the parameters; those without a value count as left out (RFC 6749 §3.2)."""
    if content_type.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise InvalidRequest(f"The Content-Type must be {CONTENT_TYPE}.")
    if len(body) > BODY_BYTES_MAX:
        raise InvalidRequest(f"The body is longer than {BODY_BYTES_MAX} bytes.")
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
        )
    except ValueError:
        raise InvalidRequest("The body is no form of at most 32 parameters in UTF-8.") from None
    counts = Counter(name for name, _ in pairs)
    if len(counts) != len(pairs):
        raise InvalidRequest("A parameter is repeated.")
    return {name: value for name, value in pairs if value}


def _parse_scope(scope: str) -> tuple[str, ...]:
    if scope and not _SCOPE.match(scope):
        raise InvalidScope("The scope is malformed.")
    return tuple(scope.split(" ")) if scope else ()


def _parse_client(authorization: str, parameters: Mapping[str, str]) -> ClientAuthentication:
    client_id = parameters.get("client_id", "")
    has_assertion = "client_assertion" in parameters or "client_assertion_type" in parameters
    if bool(authorization) + ("client_secret" in parameters) + has_assertion > 1:
        raise InvalidRequest("The client must authenticate in one way only.")
    if authorization:
        client = _parse_basic(authorization)
        if client_id not in {"", client.client_id}:
            raise InvalidRequest("The body names another client than the Authorization header.")
        return client
    if has_assertion:
        return _parse_assertion(client_id, parameters)
    if "client_secret" not in parameters:
        raise InvalidClient("The request has no client authentication.")
    if not client_id:
        raise InvalidRequest("The parameter client_id is missing.")
    return ClientSecret(client_id, parameters["client_secret"])


def _parse_basic(authorization: str) -> ClientSecret:
    """Read HTTP Basic credentials, whose halves are form-encoded (RFC 6749 §2.3.1).

    Clients that do not encode them are understood too: our ids and secrets hold nothing that it changes.
    """
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("The Authorization header must be of the scheme Basic.")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = pair.partition(":")
        client = ClientSecret(unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict"))
    except ValueError:
        raise InvalidClient(cause="malformed Basic credentials") from None
    if not colon:
        raise InvalidClient(cause="malformed Basic credentials")
    return client


def _parse_assertion(client_id: str, parameters: Mapping[str, str]) -> ClientAssertion:
    if "client_assertion" not in parameters or "client_assertion_type" not in parameters:
        raise InvalidRequest("client_assertion and client_assertion_type must come together.")
    if parameters["client_assertion_type"] != ASSERTION_TYPE:
        raise InvalidClient(f"The only client_assertion_type here is {ASSERTION_TYPE}.")
    return ClientAssertion(client_id, parameters["client_assertion"])
