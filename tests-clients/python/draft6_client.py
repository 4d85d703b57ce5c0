"""Clients of signature draft 6: no version header, bare names in the signed text, `digest`.

Written by the published rule with nothing but `cryptography`, in the habits of two clients:

* the vendor's Go example: Ed25519, fixed order of components, no `expires`, a `date` that is
  sent as "... UTC" and not covered, no `upvest-api-version`;
* httpsignature-proxy 1.3.8 and older: EC key with SHA-512 and DER, components in random order,
  `accept: */*`, ten-digit nonce, no client id on the token call.
"""

import base64
import hashlib
import json
import random
import secrets
import string
import time
import uuid
from urllib.parse import quote_plus

import requests
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import common
from common import TIMEOUT, Client, equal, refused, succeeded


class Draft6Client:
    """What both have in common; `client_id_on_token` and `sign_parameters` tell them apart."""

    accept = "application/json"
    client_id_on_token = True

    def __init__(self, client: Client, key: str):
        self.client = client
        self.key_id = client.keys[key].id
        self.private_key = load_pem_private_key(client.keys[key].pem, client.keys[key].passphrase)
        self.access_token = None

    def arrange(self, components: dict[str, str]) -> tuple[list[str], str]:
        """The order of the components and the parameters that follow the list."""
        raise NotImplementedError

    def extra_headers(self) -> dict[str, str]:
        return {}

    def prepare(self, method: str, target: str, headers: dict[str, str], body: bytes | None = None):
        path, _, query = target.partition("?")
        fields = {"Accept": self.accept}
        if self.access_token:
            fields["Authorization"] = f"Bearer {self.access_token}"
        if self.access_token or self.client_id_on_token:
            fields["Upvest-Client-Id"] = self.client.id
        if body is not None:
            fields["Content-Length"] = str(len(body))
            fields["Digest"] = "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
        fields |= headers

        components = {"@method": method, "@path": path}
        if query:
            components["@query"] = "?" + query
        components |= {name.lower(): value for name, value in fields.items()}

        order, parameters = self.arrange(components)
        quoted = " ".join(f'"{name}"' for name in order)
        parameters = f"({quoted});{parameters}"
        lines = [f"{name}: {components[name]}" for name in order]
        base = "\n".join([*lines, f"@signature-params: {parameters}"]).encode()
        if isinstance(self.private_key, Ed25519PrivateKey):
            signature = self.private_key.sign(base)
        else:
            signature = self.private_key.sign(base, ECDSA(SHA512()))

        fields |= self.extra_headers()
        fields["Signature"] = f"sig1=:{base64.b64encode(signature).decode()}:"
        fields["Signature-Input"] = f"sig1={parameters}"
        return requests.Request(method, self.client.url + target, headers=fields, data=body).prepare()

    @staticmethod
    def send(request) -> requests.Response:
        with requests.Session() as session:
            return session.send(request, timeout=TIMEOUT)

    def fetch_token(self) -> None:
        # Colons and the blank between the scopes stay as they are, as `curl -d` sends them.
        form = (
            f"client_id={self.client.id}&client_secret={quote_plus(self.client.secret)}"
            f"&grant_type=client_credentials&scope={' '.join(self.client.scopes)}"
        )
        request = self.prepare(
            "POST", "/auth/token", {"Content-Type": "application/x-www-form-urlencoded"}, form.encode()
        )
        self.access_token = common.token(succeeded(self.send(request), "token"), self.client.scopes)

    def get(self, target: str) -> requests.Response:
        return self.send(self.prepare("GET", target, {}))

    def prepare_create(self, body: dict):
        return self.prepare(
            "POST",
            "/users",
            {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())},
            json.dumps(body, ensure_ascii=False).encode(),
        )


class GoExample(Draft6Client):
    order = (
        "@method",
        "@path",
        "@query",
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "digest",
        "idempotency-key",
        "upvest-client-id",
    )

    def arrange(self, components: dict[str, str]) -> tuple[list[str], str]:
        nonce = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))
        parameters = f'keyid="{self.key_id}";created={int(time.time())};nonce="{nonce}"'
        return [name for name in self.order if name in components], parameters

    def extra_headers(self) -> dict[str, str]:
        return {"Date": time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime())}


class OldProxy(Draft6Client):
    accept = "*/*"
    client_id_on_token = False

    def arrange(self, components: dict[str, str]) -> tuple[list[str], str]:
        order = list(components)
        random.shuffle(order)
        created = int(time.time())
        nonce = f"{secrets.randbelow(10**10):010}"
        return order, f'keyid="{self.key_id}";created={created};nonce="{nonce}";expires={created + 60}'


def token_create_read_list(client: Draft6Client, body: dict) -> None:
    client.fetch_token()
    user = succeeded(client.send(client.prepare_create(body)), "create user")
    common.user(user, body)
    equal(succeeded(client.get(f"/users/{user['id']}"), "get user"), user, "read user")
    equal(common.find_listed(lambda query: client.get(f"/users?{query}"), user["id"]), user, "listed user")


def tampered(client: Draft6Client) -> None:
    client.fetch_token()
    request = client.prepare_create(common.BYOL_USER)
    request.body = request.body.replace(b'"Karl"', b'"Carl"')
    refused(client.send(request), 401, "unauthorised", "body changed after signing")


def main() -> None:
    args = common.arguments(__doc__)
    byol = Client.load(args.byol_client, args.url)
    tol = Client.load(args.tol_client, args.url)
    habits = (
        ("draft 6, like the Go example, Ed25519", GoExample, "ed25519"),
        ("draft 6, like httpsignature-proxy 1.3.8, P-521", OldProxy, "p521"),
        ("draft 6, like httpsignature-proxy 1.3.8, P-256", OldProxy, "p256"),
    )

    def cases():
        for name, habit, key in habits:
            for model, client, body in (("BYOL", byol, common.BYOL_USER), ("TOL", tol, common.TOL_USER)):

                def flow(habit=habit, key=key, client=client, body=body):
                    token_create_read_list(habit(client, key), body)

                yield f"{name}, {model}: token, create, read, list", flow
            yield f"{name}: refusals", lambda habit=habit, key=key: tampered(habit(byol, key))

    common.run_cases(cases())


if __name__ == "__main__":
    main()
