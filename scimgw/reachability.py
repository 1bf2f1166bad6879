"""Whether a URL can be reached as identity providers reach it: its name, and its certificate."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from scimgw.finding import Finding, Level
from scimgw.loopback import is_loopback

CONNECT_SECONDS_MAX = 10.0
HTTPS_PORT = 443
# A certificate that ends within this time has not been renewed by whatever renews it.
CERTIFICATE_WARNING = timedelta(days=21)


def check_url(url: str) -> list[Finding]:
    """Look up the host's name and check the certificate that it shows; nothing for this machine."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or HTTPS_PORT
    if parts.scheme != "https":
        if is_loopback(url):
            return [Finding("address", Level.OK, "This machine: no name and no certificate are needed.")]
        step = "Use the https URL; identity providers refuse any other."
        return [Finding("address", Level.FAILING, f"{url} is not https.", step)]
    if "https" in getproxies() and not proxy_bypass(host):
        step = "Run `scimgw doctor` where no proxy stands in between."
        return [Finding("address", Level.WARNING, "A proxy is in between: nothing is known.", step)]
    try:
        addresses = sorted(
            {str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        )
    except OSError as error:
        step = "Add the record to the DNS zone, or correct the URL."
        return [Finding("address", Level.FAILING, f"{host} has no address: {error}.", step)]
    return [
        Finding("address", Level.OK, f"{host} is {', '.join(addresses)}."),
        _check_certificate(host, port),
    ]


def _check_certificate(host: str, port: int) -> Finding:
    """Do the handshake that Entra does: TLS 1.2 or later, and a chain that machines trust."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with (
            socket.create_connection((host, port), CONNECT_SECONDS_MAX) as connection,
            context.wrap_socket(connection, server_hostname=host) as encrypted,
        ):
            certificate: Any = encrypted.getpeercert()
            version = encrypted.version()
    except ssl.SSLCertVerificationError as error:
        step = "Bind a certificate for this name, with its whole chain, to the app's custom domain."
        return Finding("certificate", Level.FAILING, f"It is not trusted: {error.verify_message}.", step)
    except (OSError, ssl.SSLError) as error:
        step = "Check that something listens there, and that it takes TLS 1.2 or later."
        return Finding("certificate", Level.FAILING, f"No TLS connection: {error}.", step)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    return judge_certificate(ends, str(version), datetime.now(UTC))


def judge_certificate(ends: datetime, version: str, now: datetime) -> Finding:
    """Judge a trusted certificate by its end. Pure."""
    detail = f"{version}; it ends on {ends:%Y-%m-%d}."
    if ends - now < CERTIFICATE_WARNING:
        return Finding(
            "certificate", Level.WARNING, detail, "Renew it: see why that did not happen by itself."
        )
    return Finding("certificate", Level.OK, detail)
