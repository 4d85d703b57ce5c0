"""A client that knows only RFC 9421: PyPI http-message-signatures 3.0.0.

Ed25519, and ECDSA P-256 with SHA-256 and the raw `r||s` form; the label is the library's own
(`pyhms`), the `alg` parameter comes with and without, so does the version header.
"""

import base64
import datetime
import hashlib
import json
import uuid

import requests
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

import common
from common import TIMEOUT, Client, equal, refused, succeeded

ALGORITHMS = {"ed25519": algorithms.ED25519, "p256": algorithms.ECDSA_P256_SHA256}


class KeyFile(HTTPSignatureKeyResolver):
    def __init__(self, key: common.Key):
        self.key = key

    def resolve_private_key(self, key_id: str) -> bytes:
        equal(key_id, self.key.id, "key id")
        return self.key.pem


class Rfc9421Client:
    def __init__(self, client: Client, key: str, include_alg: bool, version_header: bool, target_uri: bool = False):
        self.client = client
        self.key = client.keys[key]
        self.include_alg = include_alg
        self.version_header = version_header
        self.target_uri = target_uri
        self.access_token = None
        self.signer = HTTPMessageSigner(signature_algorithm=ALGORITHMS[key], key_resolver=KeyFile(self.key))

    def prepare(self, method: str, target: str, headers: dict[str, str], body: bytes | None = None):
        fields = {"accept": "application/json", "upvest-client-id": self.client.id, "upvest-api-version": "1"}
        if self.access_token:
            fields["authorization"] = f"Bearer {self.access_token}"
        if body is not None:
            digest = base64.b64encode(hashlib.sha512(body).digest()).decode()
            fields["content-digest"] = f"sha-512=:{digest}:"
            fields["content-length"] = str(len(body))
        fields |= headers
        request = requests.Request(method, self.client.url + target, headers=fields, data=body).prepare()

        if self.target_uri:
            covered = ["@method", "@authority", "@target-uri"]
        else:
            covered = ["@method", "@path"] + (["@query"] if "?" in target else [])
        covered += sorted(fields)
        if self.version_header:  # sent, never covered
            request.headers["upvest-signature-version"] = "15"
        now = datetime.datetime.now(datetime.UTC)
        self.signer.sign(
            request,
            key_id=self.key.id,
            created=now,
            expires=now + datetime.timedelta(seconds=60),
            nonce=str(uuid.uuid4()),
            include_alg=self.include_alg,
            covered_component_ids=covered,
            use_existing_digest=body is not None,
        )
        return request

    @staticmethod
    def send(request) -> requests.Response:
        with requests.Session() as session:
            return session.send(request, timeout=TIMEOUT)

    def fetch_token(self) -> None:
        form = requests.Request(
            "POST",
            self.client.url,
            data={
                "grant_type": "client_credentials",
                "client_id": self.client.id,
                "client_secret": self.client.secret,
                "scope": " ".join(self.client.scopes),
            },
        ).prepare()
        response = self.send(
            self.prepare(
                "POST",
                "/auth/token",
                {"content-type": "application/x-www-form-urlencoded"},
                form.body.encode(),
            )
        )
        self.access_token = common.token(succeeded(response, "token"), self.client.scopes)

    def get(self, target: str) -> requests.Response:
        return self.send(self.prepare("GET", target, {}))

    def prepare_create(self, body: dict):
        return self.prepare(
            "POST",
            "/users",
            {"content-type": "application/json", "idempotency-key": str(uuid.uuid4())},
            json.dumps(body, ensure_ascii=False).encode(),
        )


def token_create_read_list(client: Rfc9421Client, body: dict) -> None:
    client.fetch_token()
    user = succeeded(client.send(client.prepare_create(body)), "create user")
    common.user(user, body)
    equal(succeeded(client.get(f"/users/{user['id']}"), "get user"), user, "read user")
    equal(common.find_listed(lambda query: client.get(f"/users?{query}"), user["id"]), user, "listed user")


def refusals(client: Rfc9421Client) -> None:
    client.fetch_token()

    refused(client.get(f"/users/{common.UNKNOWN_USER}"), 404, "not_found", "unknown user")

    request = client.prepare_create(common.BYOL_USER)
    request.body = request.body.replace(b'"Karl"', b'"Carl"')
    refused(client.send(request), 401, "unauthorised", "body changed after signing")

    request = client.prepare("GET", "/users?limit=1", {})
    request.url = request.url.replace("limit=1", "limit=2")
    refused(client.send(request), 401, "unauthorised", "query changed after signing")

    request = client.prepare("GET", "/users?limit=1", {})
    succeeded(client.send(request), "list users")
    refused(client.send(request), 401, "unauthorised", "the same signature a second time")


def main() -> None:
    args = common.arguments(__doc__)
    byol = Client.load(args.byol_client, args.url)
    tol = Client.load(args.tol_client, args.url)

    def cases():
        name = "http-message-signatures 3.0.0 (PyPI)"
        for key in ALGORITHMS:
            for include_alg in (True, False):
                for version_header in (True, False):
                    options = "with alg, " if include_alg else "no alg, "
                    options += "with version header" if version_header else "no version header"

                    def flow(key=key, include_alg=include_alg, version_header=version_header):
                        client = Rfc9421Client(byol, key, include_alg, version_header)
                        token_create_read_list(client, common.BYOL_USER)

                    yield f"{name}, {key}, {options}: token, create, read, list", flow

            def target_uri(key=key):
                client = Rfc9421Client(byol, key, True, True, target_uri=True)
                token_create_read_list(client, common.BYOL_USER)

            yield f"{name}, {key}, @target-uri instead of @path: token, create, read, list", target_uri

            def tol_flow(key=key):
                token_create_read_list(Rfc9421Client(tol, key, False, True), common.TOL_USER)

            yield f"{name}, {key}, TOL: token, create, read, list", tol_flow
            yield f"{name}, {key}: refusals", lambda key=key: refusals(Rfc9421Client(byol, key, True, True))

    common.run_cases(cases())


if __name__ == "__main__":
    main()
