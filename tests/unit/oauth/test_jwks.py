"""Public keys from others, and ours as others see them."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tenants.jwks import (
    SET_KEYS_MAX,
    InvalidJwk,
    parse_jwks,
    parse_public_jwk,
    parse_registered_jwks,
    render_jwk,
    thumbprint,
)
from tests.oauth.forge import ec_key, public_jwk, rsa_key

# The example of RFC 7638 §3.1.
RFC_7638_KEY = {
    "kty": "RSA",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc"
        "_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQ"
        "R0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bF"
        "TWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    ),
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}


def test_thumbprint_is_that_of_the_rfc():
    """RFC 7638 §3.1."""
    assert thumbprint(RFC_7638_KEY) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    ("private_key", "algorithms"),
    [(ec_key("a"), {"ES256"}), (rsa_key("a"), {"RS256", "PS256"})],
    ids=["EC", "RSA"],
)
def test_key_says_which_algorithms_it_checks(private_key, algorithms):
    key = parse_public_jwk(public_jwk(private_key))

    assert key.algorithms == algorithms
    assert key.key.public_numbers() == private_key.public_key().public_numbers()


def test_alg_of_a_key_narrows_what_it_checks():
    """RFC 7517 §4.4."""
    assert parse_public_jwk(RFC_7638_KEY).algorithms == {"RS256"}


def test_key_without_kid_is_named_by_its_thumbprint():
    jwk = public_jwk(ec_key("a"))
    del jwk["kid"]

    assert parse_public_jwk(jwk).kid == thumbprint(jwk)


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": 1, "y": 2},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": "%%%", "e": "AQAB"},
        {"kty": "RSA", "n": None, "e": None},
        {"kty": ["EC"]},
        public_jwk(ec_key("a"), use="enc"),
        public_jwk(ec_key("a"), key_ops=["sign"]),
        public_jwk(ec_key("a"), alg="RS256"),
        public_jwk(rsa_key("a"), alg="HS256"),
        public_jwk(rsa_key("a"), alg="none"),
        public_jwk(rsa_key("weak", 1024)),
        ECAlgorithm.to_jwk(ec_key("a"), as_dict=True),
        RSAAlgorithm.to_jwk(rsa_key("a"), as_dict=True),
        ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True),
    ],
    ids=lambda jwk: f"{jwk.get('kty')}-{'-'.join(jwk)}"[:60],
)
def test_key_that_we_do_not_use_is_refused(jwk):
    with pytest.raises(InvalidJwk):
        parse_public_jwk(jwk)


def test_refusal_of_a_private_key_does_not_repeat_it():
    jwk = ECAlgorithm.to_jwk(ec_key("a"), as_dict=True)

    with pytest.raises(InvalidJwk) as caught:
        parse_public_jwk(jwk)

    assert jwk["d"] not in str(caught.value)


def test_foreign_set_is_read_without_what_we_cannot_use():
    """RFC 7517 §5: implementations ignore keys that they do not understand."""
    document = {"keys": [{"kty": "OKP"}, public_jwk(ec_key("a")), {"kty": "EC"}, public_jwk(rsa_key("a"))]}

    assert len(parse_jwks(document)) == 2


def test_long_set_is_cut_off():
    document = {"keys": [public_jwk(ec_key("a"))] * (SET_KEYS_MAX + 1)}

    assert len(parse_jwks(document)) == SET_KEYS_MAX


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": [1]}, "keys"])
def test_what_is_no_set_is_refused(document):
    with pytest.raises(InvalidJwk):
        parse_jwks(document)


def test_registered_set_must_be_usable_as_a_whole():
    usable = public_jwk(ec_key("a"))
    another = public_jwk(ec_key("b"))

    assert len(parse_registered_jwks({"keys": [usable, another]}, keys_max=2)) == 2
    for keys in ([], [usable, usable], [usable, {"kty": "OKP"}], [usable, another, public_jwk(rsa_key("a"))]):
        with pytest.raises(InvalidJwk):
            parse_registered_jwks({"keys": keys}, keys_max=2)


@pytest.mark.parametrize("private_key", [ec_key("a"), rsa_key("a")], ids=["EC", "RSA"])
def test_rendered_key_is_public_and_readable_by_the_library(private_key):
    jwk = render_jwk(private_key.public_key())

    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & jwk.keys()
    again = PyJWK(json.loads(json.dumps(jwk)), "ES256" if jwk["kty"] == "EC" else "RS256").key
    assert again.public_numbers() == private_key.public_key().public_numbers()
