"""Signs whatever request is about to be sent: RFC 9421 with Ed25519, as an auth hook of `requests`."""

import base64
import hashlib
import time
import uuid
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from common import TIMEOUT, Client

# Headers that decide what a request does: covered whenever they are sent.
DECIDING = ("accept", "content-type", "idempotency-key", "upvest-api-version")


class Signed(requests.auth.AuthBase):
    """Adds client id, access token, digest and signature to a request, and covers them."""

    def __init__(self, client: Client):
        self.client = client
        self.key = client.keys["ed25519"]
        self.private_key = load_pem_private_key(self.key.pem, None)
        self.token = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token is None and urlsplit(request.url).path != "/auth/token":
            self.token = self.fetch_token()
        return self.sign(request)

    def fetch_token(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client.id,
            "client_secret": self.client.secret,
            "scope": " ".join(self.client.scopes),
        }
        answer = self.send(requests.Request("POST", self.client.url + "/auth/token", data=form).prepare())
        answer.raise_for_status()
        return answer.json()["access_token"]

    def send(self, request: requests.PreparedRequest) -> requests.Response:
        with requests.Session() as session:
            return session.send(self.sign(request), timeout=TIMEOUT)

    def call(self, method: str, path: str, body=None) -> requests.Response:
        """Sends a request of our own, with an idempotency key in case it is needed."""
        if self.token is None:
            self.token = self.fetch_token()
        headers = {"idempotency-key": str(uuid.uuid4())}
        return self.send(requests.Request(method, self.client.url + path, json=body, headers=headers).prepare())

    def sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["upvest-client-id"] = self.client.id
        covered = {"@method": request.method, "@path": urlsplit(request.url).path or "/"}
        if urlsplit(request.url).query:
            covered["@query"] = "?" + urlsplit(request.url).query
        if self.token is not None:
            request.headers["authorization"] = f"Bearer {self.token}"
            covered["authorization"] = request.headers["authorization"]
        covered["upvest-client-id"] = self.client.id
        body = request.body.encode() if isinstance(request.body, str) else request.body
        if body:
            digest = base64.b64encode(hashlib.sha512(body).digest()).decode()
            request.headers["content-digest"] = f"sha-512=:{digest}:"
            covered["content-digest"] = request.headers["content-digest"]
        for name in DECIDING:
            value = request.headers.get(name)
            value = value.decode("latin-1") if isinstance(value, bytes) else value
            # What cannot be covered is sent all the same: it is the server that has to refuse it.
            if value is not None and value.isascii():
                covered[name] = value.strip()
        now = int(time.time())
        names = " ".join(f'"{name}"' for name in covered)
        params = f'({names});keyid="{self.key.id}";created={now};expires={now + 60};nonce="{uuid.uuid4()}"'
        lines = [f'"{name}": {value}' for name, value in covered.items()] + [f'"@signature-params": {params}']
        signature = base64.b64encode(self.private_key.sign("\n".join(lines).encode())).decode()
        request.headers["upvest-signature-version"] = "15"
        request.headers["signature-input"] = f"sig1={params}"
        request.headers["signature"] = f"sig1=:{signature}:"
        return request
