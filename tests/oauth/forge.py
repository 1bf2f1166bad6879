"""Tokens as an attacker writes them: any header, any claims, any key, any bytes."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import get_default_algorithms

from tenants.jwks import PublicKey, algorithms_of, render_jwk, thumbprint


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(private_key: Any, algorithm: str, message: bytes) -> bytes:
    if algorithm == "none":
        return b""
    if algorithm.startswith("HS"):
        return hmac.digest(private_key, message, "sha" + algorithm[2:])
    return get_default_algorithms()[algorithm].sign(message, private_key)


def forge(
    private_key: Any,
    claims: Mapping[str, Any] | bytes,
    *,
    alg: str = "ES256",
    sign_as: str = "",
    header: Mapping[str, Any] | bytes | None = None,
) -> str:
    """Write a compact JWS.

    Args:
        private_key: What signs it; bytes for an HMAC, nothing for ``none``.
        claims: Claims set, or the very bytes of the payload.
        alg: What the header says.
        sign_as: What really signs, if it is something else.
        header: Further members, or the very bytes of the header.
    """
    head = header if isinstance(header, bytes) else json.dumps({"alg": alg, **(header or {})}).encode()
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    message = f"{encode(head)}.{encode(body)}"
    return f"{message}.{encode(sign(private_key, sign_as or alg, message.encode()))}"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of its own for each name; kept, for they take long to make."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_jwk(private_key: Any, **members: Any) -> dict[str, Any]:
    jwk = render_jwk(private_key.public_key())
    return {"kid": thumbprint(jwk), "use": "sig", **jwk, **members}


def public_key(private_key: Any) -> PublicKey:
    key = private_key.public_key()
    return PublicKey(thumbprint(render_jwk(key)), key, algorithms_of(key))


def kid_of(private_key: Any) -> str:
    return thumbprint(render_jwk(private_key.public_key()))


def pem_of(private_key: Any) -> str:
    return private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(private_key: Any) -> bytes:
    return private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def thumbprint_of_certificate(raw: bytes) -> str:
    return encode(hashlib.sha256(raw).digest())
