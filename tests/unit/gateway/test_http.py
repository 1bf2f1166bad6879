"""What the endpoints read from requests of the Functions."""

import pytest

from gateway.http import find_base_url, find_correlation_id, find_source, split_path
from tests.unit.gateway.conftest import make_request


@pytest.mark.parametrize(
    ("forwarded", "source"),
    [
        ("", ""),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:51234", "192.0.2.1"),
        ("1.2.3.4, 192.0.2.1:51234", "192.0.2.1"),
        ("1.2.3.4,5.6.7.8 , 192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]:443", "[2001:db8::1]"),
        ("2001:db8::1", "2001:db8::1"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_the_source_is_what_the_front_end_saw(forwarded, source):
    """Only the last address is Azure's; the ones before it are whatever the client wrote."""
    assert find_source(make_request("GET", "/", headers={"X-Forwarded-For": forwarded})) == source


def test_the_base_url_is_the_requests_or_the_configured_one():
    request = make_request("GET", "/scim/x?y=z", url="https://gateway.example:444")

    assert find_base_url(request, "") == "https://gateway.example:444"
    assert find_base_url(request, "https://public.example/") == "https://public.example"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/scim/a/Users", ("scim", "a/Users")),
        ("/SCIM/a/Users?x=1", ("scim", "a/Users")),
        ("/scim", ("scim", "")),
        ("/scim/", ("scim", "")),
        ("/scim/%7Ba%7D/x%2Fy", ("scim", "{a}/x/y")),
        ("/scim/%FF", ("scim", "\ufffd")),
    ],
)
def test_the_path_is_split_and_decoded(path, expected):
    assert split_path(make_request("GET", path)) == expected


def test_the_callers_trace_is_kept():
    trace = "0af7651916cd43dd8448eb211c80319c"
    header = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}

    assert find_correlation_id(make_request("GET", "/", headers=header)) == trace


@pytest.mark.parametrize("header", ["", "x", "00-" + "0" * 31 + "-b7ad6b7169203331-01", "00-" + "G" * 32])
def test_a_request_without_a_usable_trace_gets_an_id(header):
    ids = {find_correlation_id(make_request("GET", "/", headers={"traceparent": header})) for _ in range(2)}

    assert len(ids) == 2
    assert {len(found) for found in ids} == {32}
