"""Credentials: several live, each with its end, revoked within seconds, and no secret anywhere."""

import asyncio
from datetime import timedelta

import pytest

from tenants.cache import FRESH_SECONDS
from tenants.credential import CredentialKind
from tenants.credentials import (
    LIVE_MAX,
    CredentialNotActive,
    CredentialNotFound,
    CredentialOrder,
    TooManyCredentials,
)
from tenants.secret_format import Prefix, parse_secret, render_secret
from tenants.secret_versions import REFRESH_SECONDS
from tenants.secrets import SecretNotFound
from tenants.tenant import Scope
from tenants.usage import USED_STEP

A = "0f8fad5b-d9cb-469f-a165-70867728950e"
B = "1f8fad5b-d9cb-469f-a165-70867728950e"
YEAR = timedelta(days=365)
CLIENT = CredentialOrder(CredentialKind.OAUTH_CLIENT)
KEYS = {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "BB"}]}


async def issue(credentials, tenant_id=A, order=None):
    return await credentials.issue(tenant_id, order or CredentialOrder(), "operator")


def rotate(credentials, credential_id, *, overlap=timedelta(days=7), jwks=None):
    return credentials.rotate(
        A, credential_id, overlap=overlap, lifetime=YEAR, jwks=jwks or {}, issued_by="operator"
    )


async def test_an_issued_token_is_accepted_in_its_tenant_on_every_instance(credentials, make_credentials):
    issued = await issue(credentials, order=CredentialOrder(label="prod", scope=Scope.SCIM_READ))

    for instance in (credentials, make_credentials()):
        credential = await instance.check_secret_token(A, issued.secret)
        assert credential.credential_id == issued.credential.credential_id
        assert (credential.label, credential.scope, credential.issued_by) == ("prod", "scim.read", "operator")
        assert await instance.check_secret_token(B, issued.secret) is None
        await instance.finish()


async def test_the_row_holds_no_part_of_the_secret(credentials, credentials_table):
    issued = await issue(credentials)
    await credentials.check_secret_token(A, issued.secret)
    await credentials.finish()
    [row] = await credentials_table.rows(A)

    secret = parse_secret(issued.secret).secret
    assert secret not in str(row)
    assert secret not in repr(issued) + repr(await credentials.find_all(A))
    assert row["digest"] not in repr(await credentials.find_all(A))


async def test_wrong_secrets_are_refused(credentials):
    issued = await issue(credentials)
    credential_id = issued.credential.credential_id
    forged = render_secret(Prefix.SECRET_TOKEN, A, credential_id, bytes(32))
    unknown = render_secret(Prefix.SECRET_TOKEN, A, "0" * 16, bytes(32))
    wrong_prefix = issued.secret.replace("scimgw_", "scimgws_")

    for token in (forged, unknown, wrong_prefix, issued.secret[:-1], "", "x"):
        assert await credentials.check_secret_token(A, token) is None


async def test_a_digest_copied_into_another_row_is_worth_nothing(credentials, credentials_table):
    """Who can write the table, but has no pepper, cannot make his own token valid elsewhere."""
    mine = await issue(credentials, B)
    [row] = await credentials_table.rows(B)
    copied = {name: value for name, value in row.items() if name not in {"etag", "RowKey", "PartitionKey"}}
    await credentials_table.create(A, mine.credential.credential_id, copied)

    assert await credentials.check_secret_token(B, mine.secret) is not None
    assert await credentials.check_secret_token(A, mine.secret) is None


async def test_several_are_live_at_once(credentials):
    issued = [await issue(credentials) for _ in range(3)]

    for one in issued:
        assert await credentials.check_secret_token(A, one.secret) is not None


async def test_live_ones_are_limited_and_dead_ones_do_not_count(credentials):
    issued = [await issue(credentials) for _ in range(LIVE_MAX)]
    with pytest.raises(TooManyCredentials):
        await issue(credentials)
    await issue(credentials, B)
    await credentials.revoke(A, issued[0].credential.credential_id)

    await issue(credentials)


async def test_a_credential_ends_at_its_expiry(credentials, time):
    issued = await issue(credentials, order=CredentialOrder(lifetime=timedelta(days=1)))
    time.move(days=1, seconds=-1)
    assert await credentials.check_secret_token(A, issued.secret) is not None
    time.move(seconds=1)

    assert await credentials.check_secret_token(A, issued.secret) is None


async def test_a_revocation_acts_here_at_once_and_everywhere_within_the_cache_time(
    credentials, make_credentials, time
):
    issued = await issue(credentials)
    other = make_credentials()
    await other.check_secret_token(A, issued.secret)
    await other.finish()
    await credentials.revoke(A, issued.credential.credential_id)

    assert await credentials.check_secret_token(A, issued.secret) is None
    time.move(seconds=FRESH_SECONDS)
    assert await other.check_secret_token(A, issued.secret) is None


async def test_revoking_again_keeps_the_first_time(credentials, time):
    issued = await issue(credentials)
    await credentials.revoke(A, issued.credential.credential_id)
    revoked = time.now()
    time.move(hours=1)
    await credentials.revoke(A, issued.credential.credential_id)

    assert (await credentials.get(A, issued.credential.credential_id)).revoked == revoked


@pytest.mark.parametrize("credential_id", ["0" * 16, "", "x", "a'b", "0" * 17, "a/b", "\x00"])
async def test_an_unknown_or_impossible_id_is_not_found(credentials, credential_id):
    with pytest.raises(CredentialNotFound):
        await credentials.revoke(A, credential_id)
    assert await credentials.find_oauth_client(A, credential_id) is None


async def test_another_tenants_credential_is_not_found(credentials):
    issued = await issue(credentials, B)

    with pytest.raises(CredentialNotFound):
        await credentials.revoke(A, issued.credential.credential_id)


async def test_a_rotation_has_no_gap_and_ends_the_old_one(credentials, time):
    old = await issue(credentials, order=CredentialOrder(label="prod", scope=Scope.SCIM_READ))
    new = await rotate(credentials, old.credential.credential_id)

    assert new.credential.rotated_from == old.credential.credential_id
    assert (new.credential.label, new.credential.scope) == ("prod", Scope.SCIM_READ)
    for issued in (old, new):
        assert await credentials.check_secret_token(A, issued.secret) is not None
    time.move(days=7)
    assert await credentials.check_secret_token(A, old.secret) is None
    assert await credentials.check_secret_token(A, new.secret) is not None


async def test_a_rotation_never_prolongs_the_old_one(credentials, time):
    old = await issue(credentials, order=CredentialOrder(lifetime=timedelta(days=2)))
    await rotate(credentials, old.credential.credential_id)

    kept = await credentials.get(A, old.credential.credential_id)
    assert kept.expires == old.credential.expires


async def test_a_rotation_without_overlap_acts_at_once(credentials):
    """The answer to a leaked secret."""
    old = await issue(credentials)
    await rotate(credentials, old.credential.credential_id, overlap=timedelta(0))

    assert await credentials.check_secret_token(A, old.secret) is None


async def test_a_dead_credential_is_not_rotated(credentials):
    old = await issue(credentials)
    await credentials.revoke(A, old.credential.credential_id)

    with pytest.raises(CredentialNotActive):
        await rotate(credentials, old.credential.credential_id)
    assert len(await credentials.find_all(A)) == 1


# --- OAuth clients ---


async def test_a_client_secret_is_checked_for_its_own_client_only(credentials):
    one, two = await issue(credentials, order=CLIENT), await issue(credentials, order=CLIENT)
    client_id = one.credential.credential_id

    found = await credentials.check_client_secret(A, client_id, one.secret)
    assert found.credential_id == client_id
    assert await credentials.check_client_secret(A, client_id, two.secret) is None
    assert await credentials.check_client_secret(A, two.credential.credential_id, one.secret) is None
    assert await credentials.check_client_secret(B, client_id, one.secret) is None
    assert await credentials.check_client_secret(A, client_id, "wrong") is None


async def test_a_client_secret_is_no_bearer_token_and_a_token_no_client_secret(credentials):
    client, token = await issue(credentials, order=CLIENT), await issue(credentials)

    assert await credentials.check_secret_token(A, client.secret) is None
    assert await credentials.find_oauth_client(A, token.credential.credential_id) is None
    assert await credentials.check_client_secret(A, token.credential.credential_id, token.secret) is None


async def test_an_active_client_is_found_and_a_dead_one_is_not(credentials, time):
    client = await issue(credentials, order=CLIENT)
    jwk = await issue(credentials, order=CredentialOrder(CredentialKind.JWK, jwks=KEYS))

    assert (await credentials.find_oauth_client(A, client.credential.credential_id)).kind == "oauth-client"
    assert (await credentials.find_oauth_client(A, jwk.credential.credential_id)).jwks == KEYS
    assert jwk.secret == ""
    assert await credentials.find_oauth_client(B, client.credential.credential_id) is None
    await credentials.revoke(A, client.credential.credential_id)
    assert await credentials.find_oauth_client(A, client.credential.credential_id) is None
    time.move(days=365)
    assert await credentials.find_oauth_client(A, jwk.credential.credential_id) is None


async def test_a_client_with_keys_rotates_to_new_keys_or_keeps_its_own(credentials):
    old = await issue(credentials, order=CredentialOrder(CredentialKind.JWK, jwks=KEYS))
    other = {"keys": [{"kty": "RSA", "n": "AA", "e": "AQAB"}]}

    kept = await rotate(credentials, old.credential.credential_id)
    changed = await rotate(credentials, old.credential.credential_id, jwks=other)

    assert (kept.credential.jwks, changed.credential.jwks) == (KEYS, other)


# --- last used ---


async def used(credentials, issued):
    await credentials.finish()
    return (await credentials.get(A, issued.credential.credential_id)).used


async def test_last_used_is_written_once_an_hour_whatever_the_load(
    credentials, make_credentials, credentials_table, time
):
    issued = await issue(credentials)
    other = make_credentials()
    assert await used(credentials, issued) is None
    first = time.now()
    for _ in range(50):
        await credentials.check_secret_token(A, issued.secret)
        await credentials.finish()
        await other.check_secret_token(A, issued.secret)
        await other.finish()
        time.move(seconds=60)

    assert credentials_table.calls.count("merge") == 1
    assert await used(credentials, issued) == first
    time.move(hours=1)
    await credentials.check_secret_token(A, issued.secret)
    assert await used(credentials, issued) == time.now()
    assert timedelta(hours=1) == USED_STEP


async def test_a_refused_token_is_no_use(credentials, credentials_table):
    issued = await issue(credentials)
    await credentials.revoke(A, issued.credential.credential_id)
    await credentials.check_secret_token(A, issued.secret)

    assert await used(credentials, issued) is None


async def test_noting_a_use_never_undoes_a_revocation(credentials, make_credentials, time):
    issued = await issue(credentials)
    other = make_credentials()
    await other.find_oauth_client(A, issued.credential.credential_id)  # remembers the active row
    await credentials.revoke(A, issued.credential.credential_id)
    await other.check_secret_token(A, issued.secret)
    await other.finish()

    kept = await credentials.get(A, issued.credential.credential_id)
    assert kept.revoked is not None
    assert kept.used is None


async def test_an_access_token_marks_its_client_as_used(credentials, time):
    client = await issue(credentials, order=CLIENT)
    credentials.note_use(await credentials.find_oauth_client(A, client.credential.credential_id))

    assert await used(credentials, client) == time.now()


# --- the pepper ---


async def test_a_pepper_rotation_keeps_every_credential_and_moves_those_in_use(
    credentials, secret_store, rotate_pepper, time
):
    in_use, idle = await issue(credentials), await issue(credentials)
    [old] = await secret_store.versions("pepper")
    new = rotate_pepper()
    time.move(seconds=REFRESH_SECONDS)
    fresh = await issue(credentials)
    assert await credentials.check_secret_token(A, in_use.secret) is not None
    await credentials.finish()

    versions = {c.credential_id: c.pepper_version for c in await credentials.find_all(A)}
    assert versions[in_use.credential.credential_id] == new.version
    assert versions[fresh.credential.credential_id] == new.version
    assert versions[idle.credential.credential_id] == old.version

    time.move(seconds=FRESH_SECONDS)
    assert await credentials.check_secret_token(A, in_use.secret) is not None
    assert await credentials.check_secret_token(A, idle.secret) is not None


async def test_a_withdrawn_pepper_ends_what_was_made_with_it(
    credentials, make_credentials, secret_store, rotate_pepper, time
):
    """What an operator does after a leak of the pepper: rotate, wait an hour, disable the old version."""
    issued = await issue(credentials)
    [old] = await secret_store.versions("pepper")
    rotate_pepper()
    secret_store.update("pepper", old.version, enabled=False)

    assert await make_credentials().check_secret_token(A, issued.secret) is None


async def test_without_a_pepper_nothing_is_issued(credentials, secret_store, credentials_table):
    [old] = await secret_store.versions("pepper")
    secret_store.update("pepper", old.version, enabled=False)

    with pytest.raises(SecretNotFound):
        await issue(credentials)
    assert await credentials_table.rows(A) == []


async def test_a_hundred_requests_at_once_read_a_credential_once(credentials, credentials_table):
    issued = await issue(credentials)
    credentials_table.calls.clear()
    checks = (credentials.check_secret_token(A, issued.secret) for _ in range(100))
    assert None not in await asyncio.gather(*checks)

    assert credentials_table.calls.count("get") == 1
