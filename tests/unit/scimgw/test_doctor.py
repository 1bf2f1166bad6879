"""``scimgw doctor``: each problem is found from where it shows, and comes with what to do next."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from scimgw.commands.doctor import SKEW_WARNING, judge_clock
from scimgw.finding import Level
from scimgw.reachability import CERTIFICATE_WARNING, check_url, judge_certificate
from tests.keyvault.certificates import ServerCertificate, make_server_certificate
from tests.unit.scimgw.scim_server import listening

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def levels(ran) -> dict[str, str]:
    return {finding["check"]: finding["level"] for finding in ran.json["findings"]}


def test_a_sound_gateway_has_nothing_to_do(scimgw, host):
    ran = scimgw("doctor", "--json")

    assert ran.status == 0
    assert ran.json["ok"] is True
    assert ran.json["url"] == host.url
    assert set(levels(ran).values()) <= {"ok", "warning"}
    assert levels(ran).keys() >= {
        *("address", "health", "operator", "clock here"),
        *("settings", "clock", "table scim", "secret pepper", "signing keys", "tenants"),
    }


def test_people_get_a_table(scimgw):
    ran = scimgw("doctor")

    assert ran.status == 0
    assert "What to do" in ran.out
    assert "table scim" in ran.out


def test_a_gateway_that_is_not_there_is_told(run):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ran = run("doctor", "--json", SCIMGW_URL=url, SCIMGW_OPERATOR_TOKEN="t")

    assert ran.status == 1
    assert (levels(ran)["health"], levels(ran)["operator"]) == ("failing", "failing")


def test_who_is_not_signed_in_still_learns_the_rest(run, host):
    """/health and the address need no token."""
    ran = run("doctor", "--json", SCIMGW_URL=host.url)

    assert ran.status == 1
    assert levels(ran) == {"address": "ok", "health": "ok", "operator": "failing"}


def test_a_refused_operator_is_told_what_is_needed(scimgw):
    ran = scimgw("doctor", "--json", SCIMGW_OPERATOR_TOKEN="wrong")

    (operator,) = [finding for finding in ran.json["findings"] if finding["check"] == "operator"]
    assert ran.status == 1
    assert operator["level"] == "failing"
    assert "ScimGateway.Operator" in operator["next_step"]


def test_what_health_and_the_gateway_say_is_passed_on(run):
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/health":
            return web.json_response({"status": "failing", "problems": ["Set the pepper."]}, status=503)
        told = {"check": "new", "level": "odd", "detail": "D", "next_step": "N"}
        return web.json_response({"time": datetime.now(UTC).isoformat(), "findings": [told]})

    with listening(answer) as url:
        ran = run("doctor", "--json", SCIMGW_URL=url, SCIMGW_OPERATOR_TOKEN="t")

    found = {finding["check"]: finding for finding in ran.json["findings"]}
    assert ran.status == 1
    assert found["health"]["detail"] == "Set the pepper."
    assert (found["new"]["level"], found["new"]["next_step"]) == ("warning", "N")


def test_the_public_url_is_checked_too(run):
    """Customers use it, and the operator perhaps another."""

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/health":
            return web.json_response({"status": "ok"})
        told = {"time": datetime.now(UTC).isoformat(), "public_url": "http://scim.invalid", "findings": []}
        return web.json_response(told)

    with listening(answer) as url:
        ran = run("doctor", "--json", SCIMGW_URL=url, SCIMGW_OPERATOR_TOKEN="t")

    assert ran.status == 1
    assert levels(ran)["public address"] == "failing"


def test_an_older_gateway_is_told_apart_from_a_wrong_token(run):
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.json_response({"status": "ok"}, status=200 if request.path == "/health" else 404)

    with listening(answer) as url:
        ran = run("doctor", "--json", SCIMGW_URL=url, SCIMGW_OPERATOR_TOKEN="t")

    assert levels(ran)["release"] == "failing"


@pytest.mark.parametrize(
    ("told", "level"),
    [
        (NOW, "ok"),
        (NOW + SKEW_WARNING, "ok"),
        (NOW + SKEW_WARNING + SECOND, "warning"),
        (NOW - SKEW_WARNING - SECOND, "warning"),
    ],
)
def test_this_machines_clock_is_compared_with_the_gateways(told, level):
    assert judge_clock(told.isoformat(), NOW, NOW).level == level


def test_a_gateway_without_a_time_is_a_warning():
    assert judge_clock("", NOW, NOW).level is Level.WARNING


# --- names and certificates ---


@contextmanager
def tls_server(certificate: ServerCertificate) -> Iterator[str]:
    """Do handshakes until the block ends."""
    context = certificate.server_context()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except (OSError, ssl.SSLError):
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> ServerCertificate:
    return make_server_certificate(tmp_path_factory.mktemp("tls"), ["localhost"])


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_trusted_certificate_is_told_with_its_end(certificate, monkeypatch):
    """It lives for a day: the warning comes with the date."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    with tls_server(certificate) as url:
        address, found = check_url(url)

    assert address.level is Level.OK
    assert found.level is Level.WARNING
    assert f"{datetime.now(UTC) + timedelta(days=1):%Y-%m}" in found.detail
    assert found.next_step


def test_a_certificate_that_nobody_trusts_is_failing(certificate):
    with tls_server(certificate) as url:
        found = check_url(url)[-1]

    assert (found.check, found.level) == ("certificate", Level.FAILING)


def test_a_certificate_for_another_name_is_failing(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    with tls_server(certificate) as url:
        found = check_url(url.replace("localhost", "127.0.0.1"))[-1]

    assert (found.check, found.level) == ("certificate", Level.FAILING)


def test_a_server_without_tls_is_failing(host):
    found = check_url(host.url.replace("http:", "https:"))[-1]

    assert (found.check, found.level) == ("certificate", Level.FAILING)


def test_a_name_without_address_is_failing():
    """RFC 6761 §6.4: nothing is below .invalid."""
    (found,) = check_url("https://gateway.invalid")

    assert (found.check, found.level) == ("address", Level.FAILING)


def test_a_proxy_in_between_is_said(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")

    assert check_url("https://gateway.invalid")[0].level is Level.WARNING


@pytest.mark.parametrize(
    ("left", "level"), [(CERTIFICATE_WARNING, Level.OK), (CERTIFICATE_WARNING - SECOND, Level.WARNING)]
)
def test_a_certificate_that_ends_soon_is_warned_of(left, level):
    assert judge_certificate(NOW + left, "TLSv1.3", NOW).level is level


# --- the rows of a tenant ---


def test_the_rows_of_a_tenant_in_order(scimgw, tenant):
    ran = scimgw("doctor", "storage", tenant, "--json")

    assert ran.status == 0
    assert (ran.json["ok"], ran.json["repair"], ran.json["count"]) == (True, False, 0)


def test_a_repair_is_asked_for_by_its_option_only(run):
    asked = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(await request.json())
        finding = {"meaning": "M", "subject": "S", "detail": "", "repaired": asked[-1]["repair"]}
        told = {"ok": asked[-1]["repair"], "repair": asked[-1]["repair"], "seconds": 1, "count": 2}
        return web.json_response({"tenant_id": "t", "findings": [finding], **told})

    tenant_id = "3d0f6c1e-6a54-4f0e-9a3e-0c7d7f2f1a01"
    with listening(answer) as url:
        environment = {"SCIMGW_URL": url, "SCIMGW_OPERATOR_TOKEN": "t"}
        looked = run("doctor", "storage", tenant_id, **environment)
        mended = run("doctor", "storage", tenant_id, "--repair", **environment)

    assert asked == [{"repair": False}, {"repair": True}]
    assert (looked.status, mended.status) == (1, 0)
    assert "--repair" in looked.err
    assert "1 more" in looked.err
    assert "mended" in mended.out
