"""Who gets in, and that nobody else learns anything."""

import asyncio
import base64
import time as clock
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.authentication import (
    CHALLENGE_INVALID,
    CHALLENGE_MISSING,
    HEADER_LENGTH_MAX,
    Authenticator,
    Form,
    LocalOperator,
    Principal,
    PrincipalKind,
    SecretTokenVerifier,
    Throttled,
    Unauthenticated,
    parse_authorization,
)
from tenants.credential import CredentialKind
from tenants.credentials import CredentialOrder
from tenants.secret_format import Prefix, render_secret
from tenants.tenant import Scope, TenantSettings
from tenants.throttle import FAILURES_BURST, FAILURES_PER_SECOND, Buckets

A = "0f8fad5b-d9cb-469f-a165-70867728950e"
B = "1f8fad5b-d9cb-469f-a165-70867728950e"
OKTA = "2f8fad5b-d9cb-469f-a165-70867728950e"
SUSPENDED = "3f8fad5b-d9cb-469f-a165-70867728950e"
UNKNOWN = "4f8fad5b-d9cb-469f-a165-70867728950e"
OPERATOR_TOKEN = "operator-token"
SOURCE = "192.0.2.1"


def basic(password, user="okta"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# --- the header ---


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Bearer abc", (Form.BEARER, "abc")),
        ("bearer abc", (Form.BEARER, "abc")),
        ("BEARER   abc  ", (Form.BEARER, "abc")),
        ("Bearer a.b-c_d~e+f/g==", (Form.BEARER, "a.b-c_d~e+f/g==")),
        ("abc", (Form.BARE, "abc")),
        (basic("abc"), (Form.BASIC, "abc")),
        (basic("abc", user=""), (Form.BASIC, "abc")),
        (basic("abc").replace("Basic", "bAsIc"), (Form.BASIC, "abc")),
    ],
)
def test_the_forms_of_the_header(header, expected):
    """RFC 7235 §2.1: a scheme's name has no case. Okta sends the other two."""
    assert parse_authorization(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Bearer",  # would be a bare token of that name, were it long enough to be one
        "Bearer ",
        "Bearer a b",
        "Bearer abc,Bearer def",
        "Bearer abc, def",
        "Bearer ä",
        "Bearer a\x00b",
        "Bearer a\nb",
        'Bearer "abc"',
        "Digest username=x",
        "Token abc",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        basic(""),
        basic("a b"),
        "=abc",
    ],
)
def test_other_headers_are_malformed(header):
    parsed = parse_authorization(header)
    assert parsed is None or parsed == (Form.BARE, "Bearer")


def test_the_headers_length_is_bounded_on_both_sides():
    longest = "Bearer " + "a" * (HEADER_LENGTH_MAX - len("Bearer "))
    assert parse_authorization(longest) is not None
    assert parse_authorization(longest + "a") is None


@given(st.text() | st.text().map(lambda text: f"Bearer {text}") | st.text().map(lambda text: f"Basic {text}"))
def test_any_header_has_an_answer(header):
    parsed = parse_authorization(header)
    assert parsed is None or (parsed[1] and parsed[1].isascii())


# --- composition ---


@dataclass
class Setup:
    authenticator: Authenticator
    registry: object
    credentials: object
    tokens: dict
    clock: object

    async def authenticate(self, tenant_id, header, source=SOURCE):
        return await self.authenticator.authenticate(tenant_id, header, source)

    async def refuse(self, tenant_id, header, source=SOURCE):
        """Return what the refused see: everything that differs would tell them something."""
        with pytest.raises(Unauthenticated) as caught:
            await self.authenticator.authenticate(tenant_id, header, source)
        return caught.value.challenge


@pytest.fixture
async def setup(registry, credentials, time):
    tokens = {}
    for tenant_id, changes in {
        A: {},
        B: {},
        OKTA: {"identity_provider": "okta"},
        SUSPENDED: {},
    }.items():
        await registry.create(tenant_id, TenantSettings.model_validate({"name": "Contoso", **changes}))
        tokens[tenant_id] = (await credentials.issue(tenant_id, CredentialOrder(), "operator")).secret
    await registry.change(SUSPENDED, {"state": "suspended"})
    authenticator = Authenticator(
        registry,
        credentials,
        [SecretTokenVerifier(credentials)],
        [LocalOperator(OPERATOR_TOKEN)],
        Buckets(clock=time.monotonic),
    )
    return Setup(authenticator, registry, credentials, tokens, time)


async def test_a_valid_token_is_its_credentials_principal(setup):
    principal = await setup.authenticate(A, f"Bearer {setup.tokens[A]}")

    [credential] = await setup.credentials.find_all(A)
    assert principal == Principal(
        A, credential.credential_id, frozenset({Scope.SCIM}), PrincipalKind.SECRET_TOKEN
    )


async def test_the_scope_is_the_credentials(setup):
    issued = await setup.credentials.issue(A, CredentialOrder(scope=Scope.SCIM_READ), "operator")

    assert (await setup.authenticate(A, f"Bearer {issued.secret}")).scopes == {Scope.SCIM_READ}


async def refused_headers(setup):
    """Each way to be wrong, at tenant A unless another is named."""
    revoked = await setup.credentials.issue(A, CredentialOrder(), "operator")
    await setup.credentials.revoke(A, revoked.credential.credential_id)
    client = await setup.credentials.issue(A, CredentialOrder(CredentialKind.OAUTH_CLIENT), "operator")
    [credential, *_] = await setup.credentials.find_all(A)
    token = setup.tokens[A]
    return {
        "malformed": (A, "Bearer a b"),
        "not ours": (A, "Bearer abc"),
        "mistyped": (A, f"Bearer {token[:-1]}"),
        "unknown credential": (A, f"Bearer {render_secret(Prefix.SECRET_TOKEN, A, '0' * 16, bytes(32))}"),
        "wrong secret": (
            A,
            f"Bearer {render_secret(Prefix.SECRET_TOKEN, A, credential.credential_id, bytes(32))}",
        ),
        "revoked": (A, f"Bearer {revoked.secret}"),
        "client secret": (A, f"Bearer {client.secret}"),
        "another tenant's": (A, f"Bearer {setup.tokens[B]}"),
        "suspended tenant": (SUSPENDED, f"Bearer {setup.tokens[SUSPENDED]}"),
        "suspended tenant, wrong": (SUSPENDED, "Bearer abc"),
        "unknown tenant": (UNKNOWN, f"Bearer {token}"),
        "bare at Entra's": (A, token),
        "basic at Entra's": (A, basic(token)),
        "bare at an unknown": (UNKNOWN, token),
        "other scheme": (A, f"Token {token}"),
    }


async def test_all_refusals_look_the_same(setup):
    """RFC 6750 §3: 401 invalid_token, whether the tenant exists, sleeps, or only the secret is wrong."""
    headers = await refused_headers(setup)
    challenges = {name: await setup.refuse(*header) for name, header in headers.items()}

    assert set(challenges.values()) == {CHALLENGE_INVALID}


@pytest.mark.parametrize("header", [None, ""])
async def test_without_credentials_there_is_no_error_code(setup, header):
    """RFC 6750 §3.1."""
    assert await setup.refuse(A, header) == CHALLENGE_MISSING
    assert "error" not in CHALLENGE_MISSING


async def test_an_expired_token_is_refused(setup):
    setup.clock.move(days=365)
    assert await setup.refuse(A, f"Bearer {setup.tokens[A]}") == CHALLENGE_INVALID


async def test_oktas_forms_are_read_for_okta(setup):
    token = setup.tokens[OKTA]

    for header in (token, f"Bearer {token}", basic(token), basic(token, user="anything")):
        assert (await setup.authenticate(OKTA, header)).tenant_id == OKTA


async def test_a_suspended_tenant_is_let_in_again_when_activated(setup):
    await setup.registry.change(SUSPENDED, {"state": "active"})

    assert await setup.authenticate(SUSPENDED, f"Bearer {setup.tokens[SUSPENDED]}")


# --- operators ---


@pytest.mark.parametrize("tenant_id", [A, SUSPENDED, UNKNOWN])
async def test_an_operator_may_read_every_tenant(setup, tenant_id):
    principal = await setup.authenticate(tenant_id, f"Bearer {OPERATOR_TOKEN}")

    assert principal.kind is PrincipalKind.OPERATOR
    assert principal.scopes == {Scope.SCIM_READ}


async def test_an_operator_signs_in_as_a_bearer_only(setup):
    """Okta's other forms are for tenants' tokens."""
    assert await setup.refuse(OKTA, OPERATOR_TOKEN) == CHALLENGE_INVALID
    assert await setup.refuse(OKTA, basic(OPERATOR_TOKEN)) == CHALLENGE_INVALID


async def test_only_an_operator_is_an_operator(setup):
    async def ask(header):
        return await setup.authenticator.authenticate_operator(header, SOURCE)

    assert (await ask(f"bearer {OPERATOR_TOKEN}")).kind is PrincipalKind.OPERATOR
    for header in (None, "", OPERATOR_TOKEN, basic(OPERATOR_TOKEN), "Bearer x", f"Bearer {setup.tokens[A]}"):
        with pytest.raises(Unauthenticated):
            await ask(header)


async def test_a_verifier_cannot_make_a_principal_of_another_tenant(registry, credentials):
    class Confused:
        async def verify(self, tenant, scheme, token):
            return Principal(B, "x", frozenset({Scope.SCIM}), PrincipalKind.ACCESS_TOKEN)

    await registry.create(A, TenantSettings(name="Contoso"))
    authenticator = Authenticator(registry, credentials, [Confused()])

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(A, "Bearer x", SOURCE)


# --- abuse ---


async def exhaust(setup, tenant_id=A, source=SOURCE):
    for _ in range(FAILURES_BURST):
        await setup.refuse(tenant_id, "Bearer x", source)


async def test_failed_attempts_are_limited_per_tenant_and_source(setup):
    await exhaust(setup)

    with pytest.raises(Throttled) as caught:
        await setup.authenticate(A, "Bearer x")
    assert 1 <= caught.value.retry_after_seconds <= 1 / FAILURES_PER_SECOND
    assert await setup.refuse(A, "Bearer x", "192.0.2.2")
    assert await setup.refuse(B, "Bearer x")
    setup.clock.move(seconds=caught.value.retry_after_seconds)
    assert await setup.refuse(A, "Bearer x")


async def test_an_unknown_tenant_is_limited_like_any_other(setup):
    """A limit that only real tenants have would tell which ones are real."""
    await exhaust(setup, UNKNOWN)

    with pytest.raises(Throttled):
        await setup.authenticate(UNKNOWN, "Bearer x")


async def test_nobody_can_lock_a_tenant_out(setup):
    await exhaust(setup)

    assert await setup.authenticate(A, f"Bearer {setup.tokens[A]}")


async def test_valid_requests_are_not_counted(setup):
    for _ in range(3 * FAILURES_BURST):
        await setup.authenticate(A, f"Bearer {setup.tokens[A]}")
    assert await setup.refuse(A, "Bearer x")


# --- what it costs, and what that tells ---


async def reads(setup, tables, call):
    for table in tables:
        table.calls.clear()
    with pytest.raises(Unauthenticated):
        await call
    return [sorted(table.calls) for table in tables]


async def test_refusals_make_the_same_reads_for_every_tenant(
    setup, tenants_table, credentials_table, make_registry, make_credentials
):
    """Side by side on a cold instance; none that depends on the tenant on a warm one."""
    tables = (tenants_table, credentials_table)
    seen = {}
    for name, tenant_id in {"active": A, "suspended": SUSPENDED, "unknown": UNKNOWN, "okta": OKTA}.items():
        token = render_secret(Prefix.SECRET_TOKEN, tenant_id, "0" * 16, bytes(32))
        for form in (f"Bearer {token}", token, basic(token)):
            credentials = make_credentials()
            cold = Authenticator(
                make_registry(entries=False), credentials, [SecretTokenVerifier(credentials)]
            )
            for warmth in ("cold", "warm"):
                counted = await reads(setup, tables, cold.authenticate(tenant_id, form, SOURCE))
                seen.setdefault((warmth, form.partition(" ")[0][:5]), {})[name] = counted

    for counts in seen.values():
        assert len({str(count) for count in counts.values()}) == 1
    assert seen["cold", "Beare"]["active"] == [["get"], ["get"]]
    assert seen["warm", "Beare"]["active"] == [[], []]


async def test_refusals_take_the_same_time(setup):
    """Generous, since this machine is shared: on a warm instance within 0.5 ms of each other.

    Of the fast attempts: a busy machine makes others slower, and tells nothing by that.
    """
    samples = {"active": [], "suspended": [], "unknown": [], "wrong": []}
    [credential] = await setup.credentials.find_all(A)
    tokens = {
        "active": (A, "0" * 16),
        "suspended": (SUSPENDED, "0" * 16),
        "unknown": (UNKNOWN, "0" * 16),
        "wrong": (A, credential.credential_id),
    }
    for round_number in range(120):
        for name, (tenant_id, credential_id) in tokens.items():
            token = render_secret(Prefix.SECRET_TOKEN, tenant_id, credential_id, bytes(32))
            start = clock.perf_counter()
            await setup.refuse(tenant_id, f"Bearer {token}", f"source {round_number}")
            samples[name].append(clock.perf_counter() - start)

    fast = [sorted(times)[len(times) // 8] for times in samples.values()]
    assert max(fast) - min(fast) < 0.000_5


async def test_many_requests_at_once_are_independent(setup):
    async def ask(number):
        tenant_id = (A, B, OKTA)[number % 3]
        other = (B, OKTA, A)[number % 3]
        if number % 2:
            return await setup.refuse(tenant_id, f"Bearer {setup.tokens[other]}", str(number))
        return (
            await setup.authenticate(tenant_id, f"Bearer {setup.tokens[tenant_id]}")
        ).tenant_id == tenant_id

    answers = await asyncio.gather(*map(ask, range(120)))
    assert set(answers[::2]) == {True}
    assert set(answers[1::2]) == {CHALLENGE_INVALID}
