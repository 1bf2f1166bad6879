"""Attacks on tokens: each must end in ``InvalidJwt``, whatever the token claims."""

import contextlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from tenants.jwt_checks import (
    JWT_LENGTH_MAX,
    KID_LENGTH_MAX,
    LEEWAY_SECONDS,
    InvalidJwt,
    check_claims,
    check_signature,
    get_text,
    get_time,
    parse_jwt,
)
from tests.oauth.forge import ec_key, encode, forge, public_jwk, public_key, public_pem, rsa_key

OURS = ec_key("ours")
OURS_RSA = rsa_key("ours")
ATTACKER = ec_key("attacker")
ATTACKER_RSA = rsa_key("attacker")
ALL = frozenset({"ES256", "RS256", "PS256"})
CLAIMS = {"iss": "https://issuer", "aud": "us", "exp": 2_000.0, "sub": "x"}


def check(token, private_key=OURS, algorithms=ALL):
    check_signature(parse_jwt(token), public_key(private_key), algorithms)


@pytest.mark.parametrize(
    ("private_key", "alg"),
    [(OURS, "ES256"), (OURS_RSA, "RS256"), (OURS_RSA, "PS256")],
    ids=["ES256", "RS256", "PS256"],
)
def test_good_token_passes(private_key, alg):
    token = forge(private_key, CLAIMS, alg=alg, header={"kid": "k", "typ": "JWT"})

    check(token, private_key)

    assert parse_jwt(token).claims == CLAIMS
    assert parse_jwt(token).kid == "k"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_unsigned_token_is_refused(alg):
    """RFC 8725 §3.1."""
    unsigned = forge(None, CLAIMS, alg=alg, sign_as="none")

    for token in (unsigned, unsigned + "AAAA"):
        with pytest.raises(InvalidJwt):
            check(token)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("private_key", [OURS, OURS_RSA], ids=["EC", "RSA"])
def test_hmac_with_the_public_key_is_refused(alg, private_key):
    """RFC 8725 §2.1: the public key is known to everyone."""
    jwk = json.dumps(public_jwk(private_key)).encode()
    for secret in (public_pem(private_key), public_pem(private_key).strip(), jwk):
        with pytest.raises(InvalidJwt):
            check(forge(secret, CLAIMS, alg=alg), private_key)
        with pytest.raises(InvalidJwt):
            check(forge(secret, CLAIMS, alg="RS256", sign_as=alg), private_key)


@pytest.mark.parametrize(
    ("key", "alg"),
    [(ATTACKER, "ES256"), (ATTACKER_RSA, "RS256"), (ATTACKER_RSA, "PS256")],
    ids=["ES256", "RS256", "PS256"],
)
def test_token_of_another_key_is_refused(key, alg):
    with pytest.raises(InvalidJwt):
        check(forge(key, CLAIMS, alg=alg))
    with pytest.raises(InvalidJwt):
        check(forge(key, CLAIMS, alg=alg), OURS_RSA)


def test_key_in_the_token_is_not_looked_at():
    """RFC 8725 §3.10: jwk, jku, x5u and x5c are the attacker's own words."""
    certificate = encode(b"certificate")
    for header in (
        {"jwk": public_jwk(ATTACKER)},
        {"jwk": ECAlgorithm.to_jwk(ATTACKER, as_dict=True)},
        {"jku": "https://attacker.example/keys"},
        {"x5u": "https://attacker.example/certificate"},
        {"x5c": [certificate]},
        {"x5t": certificate, "x5t#S256": certificate},
        {"kid": "https://attacker.example/keys"},
    ):
        with pytest.raises(InvalidJwt):
            check(forge(ATTACKER, CLAIMS, header=header))


def test_signature_of_other_text_is_refused():
    head, body, signature = forge(OURS, CLAIMS).split(".")
    other_head, other_body, _ = forge(OURS, {**CLAIMS, "sub": "admin"}, header={"kid": "y"}).split(".")
    for token in (
        f"{other_head}.{body}.{signature}",
        f"{head}.{other_body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{encode(bytes(64))}",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.{signature}AAAA",
    ):
        with pytest.raises(InvalidJwt):
            check(token)


def test_zero_signature_is_refused():
    """CVE-2022-21449: r and s of zero once passed for any text."""
    head, body, _ = forge(OURS, CLAIMS).split(".")
    der = utils.encode_dss_signature(0, 0)
    for signature in (bytes(64), der, bytes(32) + b"\x01" * 32):
        with pytest.raises(InvalidJwt):
            check(f"{head}.{body}.{encode(signature)}")


def test_key_narrows_the_algorithm_and_so_does_the_caller():
    """RFC 8725 §3.1: one key, one algorithm; the caller's list comes on top."""
    token = forge(OURS_RSA, CLAIMS, alg="PS256")

    check(token, OURS_RSA)
    with pytest.raises(InvalidJwt):
        check(token, OURS_RSA, frozenset({"RS256"}))
    with pytest.raises(InvalidJwt):
        check(forge(OURS_RSA, CLAIMS, alg="RS512", sign_as="RS512"), OURS_RSA)
    with pytest.raises(InvalidJwt):
        check(forge(ec.generate_private_key(ec.SECP384R1()), CLAIMS, alg="ES384"), OURS)


@pytest.mark.parametrize("alg", [None, 1, [], ["ES256"], {"ES256": 1}, True])
def test_algorithm_of_a_wrong_type_is_refused(alg):
    head = json.dumps({"alg": alg}).encode()
    with pytest.raises(InvalidJwt):
        check(forge(OURS, CLAIMS, sign_as="ES256", header=head))


def test_header_without_algorithm_is_refused():
    with pytest.raises(InvalidJwt):
        check(forge(OURS, CLAIMS, sign_as="ES256", header=b"{}"))


@pytest.mark.parametrize(
    "header", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"b64": False, "crit": ["b64"]}, {"b64": True}]
)
def test_extension_is_refused(header):
    """RFC 7515 §4.1.11, RFC 7797."""
    with pytest.raises(InvalidJwt):
        check(forge(OURS, CLAIMS, header=header))


@pytest.mark.parametrize("kid", [1, None, [], {}, "x" * (KID_LENGTH_MAX + 1)])
def test_odd_kid_is_refused(kid):
    with pytest.raises(InvalidJwt):
        parse_jwt(forge(OURS, CLAIMS, header={"kid": kid}))


@pytest.mark.parametrize(
    "kid", ["../../etc/passwd", "' OR 1=1 --", "\x00", "http://[::1]/", "k" * KID_LENGTH_MAX, "é"]
)
def test_kid_is_only_compared(kid):
    assert parse_jwt(forge(OURS, CLAIMS, header={"kid": kid})).kid == kid


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        (b'{"alg":"ES256","alg":"none"}', CLAIMS),
        (b'{"alg":"ES256"}', b'{"sub":"a","sub":"b"}'),
        (b'{"alg":"ES256"}', b'{"exp":1,"exp":9999999999}'),
        (b'{"alg":"ES256"}', b'{"act":{"sub":"a","sub":"b"}}'),
    ],
)
def test_member_named_twice_is_refused(header, claims):
    """RFC 7519 §4, RFC 8725 §2.4: readers differ in which one counts."""
    with pytest.raises(InvalidJwt):
        parse_jwt(forge(OURS, claims, sign_as="ES256", header=header))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"1",
        b'"text"',
        b"null",
        b"{",
        b"{}{}",
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b"\xff\xfe{}",
        b'{"a":' + b"[" * 5_000,
        b'{"a":' + b"9" * 5_000 + b"}",
    ],
)
def test_payload_that_is_no_object_is_refused(payload):
    with pytest.raises(InvalidJwt):
        parse_jwt(forge(OURS, payload))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        "e30.e30.e30.",
        " e30.e30.e30",
        "e30.e30.e30\n",
        "e30=.e30.e30",
        "e3 0.e30.e30",
        "é.e30.e30",
        "{}.{}.{}",
        json.dumps({"payload": "e30", "signatures": []}),
    ],
)
def test_text_that_is_no_compact_jws_is_refused(text):
    with pytest.raises(InvalidJwt):
        parse_jwt(text)


def test_length_is_bounded():
    room = JWT_LENGTH_MAX - len(forge(OURS, {"a": ""}))
    padding = "x" * (room * 3 // 4 - 2)

    assert len(forge(OURS, {"a": padding})) > JWT_LENGTH_MAX - 8
    parse_jwt(forge(OURS, {"a": padding}))
    with pytest.raises(InvalidJwt, match="too long"):
        parse_jwt(forge(OURS, {"a": padding + "x" * 12}))


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text):
    with contextlib.suppress(InvalidJwt):
        parse_jwt(text)


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_are_checked_or_refused(head, body, signature):
    with pytest.raises(InvalidJwt):
        check(f"{encode(head)}.{encode(body)}.{encode(signature)}")


def expect(claims, **other):
    check_claims(claims, **{"issuer": "https://issuer", "audiences": ("us",), "now": 1_000.0, **other})


def test_good_claims_pass():
    expect(CLAIMS)
    expect({**CLAIMS, "nbf": 1_000, "iat": 1_000})
    expect({**CLAIMS, "aud": ["us"]})
    expect({**CLAIMS, "exp": 1_000.5})


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://issuer/"},
        {"iss": "https://attacker"},
        {"iss": ["https://issuer"]},
        {"iss": None},
        {"aud": "them"},
        {"aud": "US"},
        {"aud": ""},
        {"aud": []},
        {"aud": ["us", "them"]},
        {"aud": ["us", "us"]},
        {"aud": {"us": 1}},
        {"aud": [["us"]]},
        {"aud": None},
        {"exp": None},
        {"exp": "2000"},
        {"exp": True},
        {"exp": [2_000]},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 1_000 - LEEWAY_SECONDS},
        {"exp": 0},
        {"exp": -1},
        {"nbf": 1_000 + LEEWAY_SECONDS + 1},
        {"nbf": "0"},
        {"nbf": None},
        {"nbf": float("-inf")},
        {"iat": 1_000 + LEEWAY_SECONDS + 1},
        {"iat": False},
    ],
    ids=str,
)
def test_claim_that_says_otherwise_is_refused(change):
    with pytest.raises(InvalidJwt):
        expect({**CLAIMS, **change})


@pytest.mark.parametrize("name", ["iss", "aud", "exp"])
def test_missing_claim_is_refused(name):
    with pytest.raises(InvalidJwt, match=name):
        expect({key: value for key, value in CLAIMS.items() if key != name})


def test_leeway_has_two_sides():
    expect({**CLAIMS, "exp": 1_000 - LEEWAY_SECONDS + 1})
    expect({**CLAIMS, "nbf": 1_000 + LEEWAY_SECONDS, "iat": 1_000 + LEEWAY_SECONDS})


@pytest.mark.parametrize("value", [None, "", 1, [], ["x"]])
def test_text_claim_must_be_text(value):
    with pytest.raises(InvalidJwt):
        get_text({"sub": value}, "sub")


def test_huge_number_is_no_time():
    """``1e999`` is JSON, and infinite in Python."""
    with pytest.raises(InvalidJwt):
        get_time(json.loads('{"exp": 1e999}'), "exp")


def test_token_is_not_printed():
    token = forge(OURS, CLAIMS)
    jwt = parse_jwt(token)

    assert token.split(".")[2] not in repr(jwt)
    with pytest.raises(InvalidJwt) as caught:
        check_signature(parse_jwt(forge(ATTACKER, {"sub": "canary-55"})), public_key(OURS), ALL)
    assert "canary" not in str(caught.value)
