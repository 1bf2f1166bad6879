"""``scimgw credentials`` against a real gateway."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from scimgw.commands.credentials import warn_of_expiry

NOW = datetime(2026, 5, 1, tzinfo=UTC)
# RFC 7517, appendix A.1.
PUBLIC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "kid": "1",
}


def test_issue_prints_the_token_once(scimgw, host, tenant):
    ran = scimgw("credentials", "issue", tenant, "--label", "Entra", "--expires", "90", "--json")

    issued = ran.json
    listed = scimgw("credentials", "list", tenant, "--json")
    assert ran.status == 0
    assert issued["token"].startswith("scimgw_")
    assert issued["scim_url"] == f"{host.url}/scim/{tenant}"
    assert [c["credential_id"] for c in listed.json["credentials"]] == [issued["credential_id"]]
    assert listed.json["credentials"][0]["label"] == "Entra"
    assert issued["token"] not in listed.out


def test_expires_counts_days(scimgw, tenant):
    issued = scimgw("credentials", "issue", tenant, "--expires", "90", "--json").json

    lifetime = datetime.fromisoformat(issued["expires"]) - datetime.fromisoformat(issued["created"])
    assert lifetime == timedelta(days=90)


def test_issue_for_people_says_that_the_secret_is_shown_once(scimgw, tenant):
    ran = scimgw("credentials", "issue", tenant)

    assert "scimgw_" in ran.out
    assert "this once" in ran.err


def test_a_read_scope_is_asked_for_by_name(scimgw, tenant):
    assert (
        scimgw("credentials", "issue", tenant, "--scope", "scim.read", "--json").json["scope"] == "scim.read"
    )


def test_an_oauth_client_gets_id_secret_and_token_url(scimgw, host, tenant):
    issued = scimgw("credentials", "issue", tenant, "--kind", "oauth-client", "--json").json

    assert issued["client_id"]
    assert issued["client_secret"]
    assert issued["token_url"] == f"{host.url}/oauth2/{tenant}/token"
    assert issued["scim_url"] == f"{host.url}/scim/{tenant}"


def test_a_jwk_credential_takes_one_key_or_a_set(scimgw, tenant, tmp_path):
    for number, content in enumerate((PUBLIC_KEY, {"keys": [PUBLIC_KEY]})):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(content))
        issued = scimgw("credentials", "issue", tenant, "--kind", "jwk", "--jwks", str(file), "--json").json
        assert issued["client_id"]
        assert "client_secret" not in issued


def test_keys_belong_to_the_kind_jwk(scimgw, tenant, tmp_path):
    file = tmp_path / "key.json"
    file.write_text(json.dumps(PUBLIC_KEY))

    assert scimgw("credentials", "issue", tenant, "--jwks", str(file)).status == 2
    assert scimgw("credentials", "issue", tenant, "--kind", "jwk").status == 2


def test_a_file_without_json_is_refused(scimgw, tenant, tmp_path):
    file = tmp_path / "key.json"
    file.write_text("-----BEGIN PUBLIC KEY-----")

    assert scimgw("credentials", "issue", tenant, "--kind", "jwk", "--jwks", str(file)).status == 2


def test_list_is_a_table_for_people(scimgw, tenant):
    issued = scimgw("credentials", "issue", tenant, "--label", "Entra", "--json").json

    table = scimgw("credentials", "list", tenant).out

    assert issued["credential_id"] in table
    assert "Entra" in table
    assert "never" in table


@pytest.mark.parametrize("option", [("--expires", "0"), ("--kind", "password"), ("--scope", "admin")])
def test_what_cannot_be_issued_is_a_wrong_command(scimgw, tenant, option):
    assert scimgw("credentials", "issue", tenant, *option).status == 2


def test_revoke_ends_a_credential_and_may_be_repeated(scimgw, tenant):
    issued = scimgw("credentials", "issue", tenant, "--json").json

    first = scimgw("credentials", "revoke", tenant, issued["credential_id"])
    second = scimgw("credentials", "revoke", tenant, issued["credential_id"])

    listed = scimgw("credentials", "list", tenant, "--json").json["credentials"]
    assert (first.status, second.status) == (0, 0)
    assert [c["state"] for c in listed] == ["revoked"]


def test_revoking_what_is_not_there_fails(scimgw, tenant):
    ran = scimgw("credentials", "revoke", tenant, "0123456789abcdef")

    assert ran.status == 1
    assert "no such credential" in ran.err


def test_rotate_leaves_both_live_for_the_overlap(scimgw, tenant):
    old = scimgw("credentials", "issue", tenant, "--json").json

    ran = scimgw("credentials", "rotate", tenant, old["credential_id"], "--overlap", "3", "--json")

    new = ran.json
    listed = {
        c["credential_id"]: c for c in scimgw("credentials", "list", tenant, "--json").json["credentials"]
    }
    assert ran.status == 0
    assert new["token"] != old["token"]
    assert {c["state"] for c in listed.values()} == {"active"}
    ends = datetime.fromisoformat(listed[old["credential_id"]]["expires"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=3)) < timedelta(minutes=5)


def test_list_warns_before_an_expiry_on_standard_error(scimgw, tenant):
    scimgw("credentials", "issue", tenant, "--label", "short", "--expires", "5")

    ran = scimgw("credentials", "list", tenant, "--json")

    assert "short" in ran.err
    assert "rotate" in ran.err
    assert json.loads(ran.out)


def credential(**changes: object) -> dict[str, object]:
    end = (NOW + timedelta(days=30)).isoformat()
    return {
        "credential_id": "c1",
        "state": "active",
        "expires": end,
        "label": "",
        "rotated_from": "",
    } | changes


@pytest.mark.parametrize(
    ("credentials", "warned"),
    [
        ([credential()], True),
        ([credential(expires=(NOW + timedelta(days=31)).isoformat())], False),
        ([credential(state="revoked")], False),
        ([credential(expires=None)], False),
        ([credential(), credential(credential_id="c2", rotated_from="c1", expires=None)], False),
        ([credential(), credential(credential_id="c2", rotated_from="c1", state="revoked")], True),
    ],
)
def test_a_warning_is_for_what_ends_within_30_days_without_a_follower(credentials, warned):
    assert bool(warn_of_expiry(credentials, NOW)) is warned
