"""Entra's endpoints for signing in, on this machine, over TLS: what msal talks to.

OpenID configuration, device codes (RFC 8628), authorization codes by form_post with PKCE (RFC 7636), refresh
tokens, and the keys. Faults on demand. Who signs in is decided here, not by a person.
"""

import base64
import hashlib
import html
import json
import secrets
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.oauth.forge import forge, kid_of, public_jwk, rsa_key

OBJECT_ID = "77777777-1111-4222-8333-444444444444"
USER_NAME = "operator@vendor.example"


class Authority:
    """State of the server.

    Attributes:
        url: ``https://localhost:PORT``.
        roles: App roles in the access tokens.
        pending: How often a device code is answered with ``authorization_pending``.
        refuses: An OAuth error in place of every token.
        grants: ``grant_type`` of each token request.
        token_seconds: How long an access token lives.
    """

    def __init__(self, context: ssl.SSLContext, directory_id: str, client_id: str) -> None:
        self.directory_id, self.client_id = directory_id, client_id
        self.roles = ["ScimGateway.Operator"]
        self.pending = 0
        self.refuses = ""
        self.grants: list[str] = []
        self.token_seconds = 3_600
        self.challenges: dict[str, str] = {}
        self.key = rsa_key("operators")
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                authority.get(self)

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                form = parse_qs(self.rfile.read(length).decode())
                authority.post(self, {name: values[0] for name, values in form.items()})

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"https://localhost:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def issuer(self) -> str:
        return f"{self.url}/{self.directory_id}/v2.0"

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        oauth2 = f"{self.url}/{self.directory_id}/oauth2/v2.0"
        if parts.path.endswith("/openid-configuration"):
            configuration = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{oauth2}/authorize",
                "token_endpoint": f"{oauth2}/token",
                "device_authorization_endpoint": f"{oauth2}/devicecode",
                "jwks_uri": f"{self.url}/{self.directory_id}/discovery/v2.0/keys",
            }
            answer(handler, configuration)
        elif parts.path.endswith("/keys"):
            answer(handler, {"keys": [public_jwk(self.key)]})
        elif parts.path.endswith("/authorize"):
            self._authorize(handler, {name: values[0] for name, values in parse_qs(parts.query).items()})
        else:
            answer(handler, {"error": "not_found"}, 404)

    def _authorize(self, handler: BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        """Answer as a page that posts itself back (OAuth 2.0 Form Post Response Mode)."""
        assert query["response_mode"] == "form_post"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self.challenges[code] = query["code_challenge"] + "\n" + query.get("nonce", "")
        fields = "".join(
            f'<input name="{name}" value="{html.escape(value)}">'
            for name, value in {"code": code, "state": query["state"]}.items()
        )
        page = f'<form method="post" action="{html.escape(query["redirect_uri"])}">{fields}</form>'
        answer(handler, page.encode(), media_type="text/html")

    def post(self, handler: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        if handler.path.endswith("/devicecode"):
            flow = {"device_code": "the-device-code", "user_code": "AB12", "interval": 1, "expires_in": 60}
            flow |= {"verification_uri": f"{self.url}/device", "message": f"Enter AB12 at {self.url}/device."}
            answer(handler, flow)
            return
        grant = form["grant_type"]
        self.grants.append(grant)
        error = self.refuses or self._check(grant, form)
        if error:
            answer(handler, {"error": error, "error_description": f"AADSTS1: {error}.\r\nTrace: 1"}, 400)
            return
        nonce = self.challenges.pop(form.get("code", ""), "\n").split("\n")[1]
        answer(handler, self.render_tokens(nonce))

    def _check(self, grant: str, form: dict[str, str]) -> str:
        if form["client_id"] != self.client_id:
            return "unauthorized_client"
        if grant.endswith("device_code"):
            self.pending -= 1
            return "authorization_pending" if self.pending >= 0 else ""
        if grant == "authorization_code":
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            sent = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            known = self.challenges.get(form["code"], "").split("\n")[0]
            return "" if sent == known else "invalid_grant"
        return "" if form.get("refresh_token") == "the-refresh-token" else "invalid_grant"

    def render_tokens(self, nonce: str = "") -> dict[str, Any]:
        now = int(time.time())
        user = {"oid": OBJECT_ID, "tid": self.directory_id, "preferred_username": USER_NAME, "sub": "s"}
        times = {"iat": now, "nbf": now, "exp": now + self.token_seconds}
        identity = {**user, **times, "iss": self.issuer, "aud": self.client_id, "ver": "2.0"}
        client_info = json.dumps({"uid": OBJECT_ID, "utid": self.directory_id}).encode()
        return {
            "token_type": "Bearer",
            "scope": f"{self.client_id}/.default openid profile offline_access",
            "expires_in": self.token_seconds,
            "access_token": self._sign({**identity, "roles": self.roles}),
            "refresh_token": "the-refresh-token",
            "id_token": self._sign({**identity, **({"nonce": nonce} if nonce else {})}),
            "client_info": base64.urlsafe_b64encode(client_info).rstrip(b"=").decode(),
        }

    def _sign(self, claims: dict[str, Any]) -> str:
        return forge(self.key, claims, alg="RS256", header={"kid": kid_of(self.key), "typ": "JWT"})


def answer(
    handler: BaseHTTPRequestHandler, body: Any, status: int = 200, media_type: str = "application/json"
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", media_type)
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw)
