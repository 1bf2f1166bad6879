"""The form of a token request: RFC 6749 §2.3, §3.2, §4.4.2 and §5.2, RFC 7523 §2.2."""

import base64
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.oauth.errors import (
    InvalidClient,
    InvalidRequest,
    InvalidScope,
    OAuthError,
    UnsupportedGrantType,
)
from tenants.oauth.token_request import (
    ASSERTION_TYPE,
    BODY_BYTES_MAX,
    CONTENT_TYPE,
    PARAMETERS_MAX,
    ClientAssertion,
    ClientSecret,
    parse_token_request,
)

GRANT = ("grant_type", "client_credentials")
POST = (GRANT, ("client_id", "c"), ("client_secret", "s"))
ASSERTION = (GRANT, ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", "a.b.c"))


def basic(client_id="c", secret="s", scheme="Basic"):
    return f"{scheme} {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"


def parse(pairs=(GRANT,), *, authorization="", content_type=CONTENT_TYPE, query=None, body=None):
    body = urlencode(pairs).encode() if body is None else body
    return parse_token_request(
        content_type=content_type, authorization=authorization, query=query or {}, body=body
    )


def refused(error, *args, **kwargs):
    with pytest.raises(OAuthError) as caught:
        parse(*args, **kwargs)
    assert type(caught.value) is error, caught.value
    return caught.value


def test_secret_may_come_in_the_header():
    """RFC 6749 §2.3.1, client_secret_basic."""
    assert parse(authorization=basic()).client == ClientSecret("c", "s")
    assert parse(authorization=basic(scheme="bAsIc")).client == ClientSecret("c", "s")


def test_secret_may_come_in_the_body():
    """RFC 6749 §2.3.1, client_secret_post: what Microsoft's validator sends."""
    assert parse(POST).client == ClientSecret("c", "s")


def test_header_halves_are_form_encoded():
    """RFC 6749 §2.3.1: encoded first, then joined by a colon and Base64."""
    authorization = basic(quote_plus("a b:ü"), quote_plus("s%+&=:/"))

    assert parse(authorization=authorization).client == ClientSecret("a b:ü", "s%+&=:/")


def test_secret_with_a_colon_that_nobody_encoded_is_understood():
    assert parse(authorization=basic("c", "s:t")).client == ClientSecret("c", "s:t")


def test_body_may_name_the_same_client_as_the_header():
    """msal and others send client_id always."""
    assert parse((GRANT, ("client_id", "c")), authorization=basic()).client == ClientSecret("c", "s")
    refused(InvalidRequest, (GRANT, ("client_id", "d")), authorization=basic())


def test_assertion_may_stand_in_for_a_secret():
    """RFC 7523 §2.2; client_id is optional (RFC 7521 §4.2)."""
    assert parse(ASSERTION).client == ClientAssertion("", "a.b.c")
    assert parse((*ASSERTION, ("client_id", "c"))).client == ClientAssertion("c", "a.b.c")


@pytest.mark.parametrize(
    "content_type",
    [CONTENT_TYPE.upper(), f"{CONTENT_TYPE}; charset=UTF-8", f" {CONTENT_TYPE} ;charset=utf-8;x=y"],
)
def test_content_type_may_have_parameters(content_type):
    assert parse(POST, content_type=content_type).client == ClientSecret("c", "s")


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencodedx"],
)
def test_other_content_type_is_refused(content_type):
    """RFC 6749 §4.4.2."""
    refused(InvalidRequest, POST, content_type=content_type)


@pytest.mark.parametrize("pairs", [(), (("grant_type", ""),), POST[1:]])
def test_missing_or_empty_grant_type_is_an_invalid_request(pairs):
    """RFC 6749 §3.2: without a value means left out."""
    refused(InvalidRequest, pairs)


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "authorization_code",
        "refresh_token",
        "Client_Credentials",
        "client_credentials ",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ],
)
def test_other_grant_is_unsupported(grant_type):
    refused(UnsupportedGrantType, (("grant_type", grant_type), *POST[1:]))


@pytest.mark.parametrize("name", ["grant_type", "client_id", "client_secret", "scope", "anything"])
@pytest.mark.parametrize("second", ["", "same", "other"])
def test_repeated_parameter_is_refused(name, second):
    """RFC 6749 §3.2: also unknown ones, and also with an empty or the same value."""
    first = {"grant_type": "client_credentials"}.get(name, "same")
    rest = [pair for pair in POST if pair[0] != name]
    refused(InvalidRequest, (*rest, (name, first), (name, second)))


def test_unknown_parameters_are_ignored():
    """RFC 6749 §3.2."""
    assert parse((*POST, ("resource", "x"), ("client_info", "1"))).client == ClientSecret("c", "s")


@pytest.mark.parametrize(
    ("pairs", "authorization"),
    [
        (POST, basic()),
        ((GRANT, ("client_secret", "s")), basic()),
        (ASSERTION, basic()),
        ((*ASSERTION, ("client_secret", "s"), ("client_id", "c")), ""),
        ((GRANT, ("client_assertion", "a.b.c")), basic()),
        ((*ASSERTION, ("client_secret", "s")), basic()),
    ],
)
def test_two_ways_at_once_are_refused(pairs, authorization):
    """RFC 6749 §2.3."""
    refused(InvalidRequest, pairs, authorization=authorization)


@pytest.mark.parametrize("pairs", [(GRANT,), (GRANT, ("client_id", "c")), (*POST[:2], ("client_secret", ""))])
def test_no_client_authentication_is_an_invalid_client(pairs):
    """RFC 6749 §5.2: "no client authentication included"."""
    error = refused(InvalidClient, pairs)

    assert error.status == 401
    assert error.headers["WWW-Authenticate"].startswith("Basic ")


def test_secret_without_a_client_is_an_invalid_request():
    refused(InvalidRequest, (GRANT, ("client_secret", "s")))


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer token",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YQ",
        f"Basic {base64.b64encode(b'no-colon').decode()}",
        f"Basic {base64.b64encode(bytes([0xFF, 0x3A, 0xFE])).decode()}",
        f"Basic {base64.b64encode(b'%ff:s').decode()}",
        f"{basic()},{basic()}",
        "Digest username=x",
        basic().replace(" ", "\t"),
    ],
)
def test_broken_or_unknown_header_is_an_invalid_client(authorization):
    """RFC 6749 §5.2: who tried the header gets 401 with a challenge of its scheme."""
    error = refused(InvalidClient, authorization=authorization)

    assert error.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        ((GRANT, ("client_assertion", "a.b.c")), InvalidRequest),
        ((GRANT, ("client_assertion_type", ASSERTION_TYPE)), InvalidRequest),
        ((GRANT, ("client_assertion_type", "urn:x"), ("client_assertion", "a.b.c")), InvalidClient),
    ],
)
def test_half_an_assertion_is_refused(pairs, error):
    refused(error, pairs)


@pytest.mark.parametrize("name", ["client_secret", "client_assertion"])
def test_secret_in_the_url_is_refused(name):
    """RFC 6749 §2.3.1: parameters must not be in the URL; say that the secret is burnt."""
    error = refused(InvalidRequest, POST, query={name: "canary"})

    assert "Replace" in error.description
    assert "canary" not in error.description


def test_other_query_is_left_alone():
    """RFC 6749 §3.2: the endpoint's URL may have a query."""
    assert parse(POST, query={"aadOptscim062020": ""}).client == ClientSecret("c", "s")


@pytest.mark.parametrize(
    ("scope", "scopes"), [("", ()), ("scim", ("scim",)), ("scim scim.read", ("scim", "scim.read"))]
)
def test_scope_may_be_absent_empty_or_a_list(scope, scopes):
    assert parse((*POST, ("scope", scope))).scopes == scopes
    assert parse(POST).scopes == ()


@pytest.mark.parametrize(
    "scope", [" ", " scim", "scim ", "scim  scim.read", 'a"b', "a\\b", "ä", "a\tb", "\x7f"]
)
def test_malformed_scope_is_refused(scope):
    """RFC 6749 §3.3."""
    refused(InvalidScope, (*POST, ("scope", scope)))


@pytest.mark.parametrize("body", [b"\xff", b"a=%ff", b"client_id=%C3%28", "ä=ä".encode("latin-1")])
def test_body_that_is_not_utf8_is_refused(body):
    refused(InvalidRequest, body=body)


def test_number_of_parameters_and_length_are_bounded():
    many = [(f"p{number}", "x") for number in range(PARAMETERS_MAX - len(POST))]
    parse((*POST, *many))
    refused(InvalidRequest, (*POST, *many, ("one-more", "x")))

    padding = BODY_BYTES_MAX - len(urlencode((*POST, ("p", ""))))
    parse((*POST, ("p", "x" * padding)))
    refused(InvalidRequest, (*POST, ("p", "x" * (padding + 1))))


@pytest.mark.parametrize(
    "body", [b"", b"&", b"=", b"&&==&", b"grant_type", b";grant_type=client_credentials"]
)
def test_odd_bodies_are_refused_not_failed_on(body):
    refused(InvalidRequest, body=body)


@given(st.binary(max_size=300), st.text(max_size=80))
def test_any_bytes_are_parsed_or_refused(body, authorization):
    """RFC 6749 §5.2: the description holds printable ASCII without quotation marks and backslashes."""
    description = ""
    try:
        parse(body=body, authorization=authorization)
    except OAuthError as error:
        description = error.description
    assert all(0x20 <= ord(char) <= 0x7E and char not in '"\\' for char in description)


def test_credentials_are_not_printed():
    sent = (GRANT, ("client_id", "c"), ("client_secret", "canary-1"))

    assert "canary" not in repr(parse(sent))
    assert "canary" not in repr(parse((*ASSERTION[:2], ("client_assertion", "canary-2"))))
