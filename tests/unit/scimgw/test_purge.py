"""``scimgw tenants purge``: only what was named, and only when it is meant."""

from typer.testing import CliRunner

from scimgw.cli import app


def test_a_suspended_tenant_is_purged(scimgw, tenant):
    scimgw("tenants", "suspend", tenant)
    ran = scimgw("tenants", "purge", tenant, "--yes", "--json")

    assert ran.status == 0
    assert (ran.json["tenant_id"], ran.json["state"]) == (tenant, "done")
    assert scimgw("tenants", "show", tenant).status == 1


def test_an_active_tenant_is_not(scimgw, tenant):
    ran = scimgw("tenants", "purge", tenant, "--yes")

    assert (ran.status, ran.out) == (1, "")
    assert "suspend it first" in ran.err


def test_the_name_must_be_typed(scimgw, tenant, host):
    scimgw("tenants", "suspend", tenant)
    environment = {"TERM": "dumb", "SCIMGW_STATE_DIR": str(host.state_dir)}
    ran = CliRunner(env=environment).invoke(app, ["tenants", "purge", tenant], input="contoso\n")

    assert ran.exit_code == 1
    assert "nothing was deleted" in ran.stderr
    assert scimgw("tenants", "show", tenant, "--json").json["purging"] is False
