"""A receiver of webhooks that verifies every delivery with what others wrote.

* draft 15 and RFC 9421: PyPI http-message-signatures 3.0.0; of the algorithm (ECDSA P-521, SHA-512) it gets only what
  `cryptography` has, in DER for the draft and as `r||s` for the RFC;
* draft 6: by the rule that the vendor publishes, with nothing but `cryptography`: bare names in the lines of the signed
  text, which is rebuilt from `signature-input`, and `digest`.

Then every byte is altered, and nothing verifies any more. What the signing proxy does when it listens is done with
signatures of draft 6 and of draft 15.
"""

import base64
import binascii
import dataclasses
import datetime
import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import requests
from cryptography.exceptions import InvalidSignature as WrongSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP521R1,
    EllipticCurvePublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA512
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    InvalidSignature,
    MappingKeyResolver,
)

import common
from common import TIMEOUT, Client, equal, expect, is_uuid, succeeded
from draft6_client import OldProxy
from rfc9421_client import Rfc9421Client
from upvest_client import Api

PATIENCE = 30  # seconds until something has been delivered
COORDINATE = 66  # bytes of a coordinate of P-521, and of r and s
SENT_HEADERS = ("accept", "content-length", "content-type")


# --- deliveries -------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Delivery:
    """A request as it came; what the library reads of a request are `method`, `url` and `headers`."""

    method: str
    origin: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def url(self) -> str:
        return self.origin + self.target

    @property
    def headers(self) -> "Delivery":
        return self

    def items(self):
        return self.fields

    def header(self, name: str) -> str:
        values = [value for own, value in self.fields if own.lower() == name]
        equal(len(values), 1, f"lines of {name}")
        return values[0]

    def having(self, name: str, value: str) -> "Delivery":
        fields = tuple((own, value if own.lower() == name else old) for own, old in self.fields)
        return dataclasses.replace(self, fields=fields)

    def without(self, name: str) -> "Delivery":
        fields = tuple(field for field in self.fields if field[0].lower() != name)
        return dataclasses.replace(self, fields=fields)

    @property
    def events(self) -> list[dict]:
        content = json.loads(self.body)
        equal(list(content), ["payload"], "members of the body")
        expect(isinstance(content["payload"], list) and content["payload"], "payload is no list, or empty")
        return content["payload"]

    @property
    def covered(self) -> list[str]:
        return re.fullmatch(r'sig1=\("([^()]*)"\);.*', self.header("signature-input"))[1].split('" "')


class Receiver:
    """A small server that keeps what comes; each path belongs to one case."""

    answer = b"thank you, \xc3\xa4"

    def __init__(self):
        self.deliveries: list[Delivery] = []
        self.failing: set[str] = set()  # targets that answer 500, once
        self.arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                fields = tuple(self.headers.items())
                with receiver.arrived:
                    receiver.deliveries.append(Delivery(self.command, receiver.origin, self.path, fields, body))
                    status = 500 if self.path in receiver.failing else 200
                    receiver.failing.discard(self.path)
                    receiver.arrived.notify_all()
                self.send_response(status)
                self.send_header("content-type", "text/plain; charset=utf-8")
                self.send_header("content-length", str(len(receiver.answer)))
                self.send_header("x-receiver", "yes")
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, target: str) -> list[Delivery]:
        with self.arrived:
            return [one for one in self.deliveries if one.target == target]

    def wait(self, target: str, done) -> list[Delivery]:
        with self.arrived:
            if not self.arrived.wait_for(lambda: done(self.at(target)), PATIENCE):
                raise common.Failure(f"{target}: waited too long, {len(self.at(target))} deliveries")
        return self.at(target)


# --- verification -----------------------------------------------------------------


class P521Der(HTTPSignatureAlgorithm):
    algorithm_id = "ecdsa-p521-sha512"

    def __init__(self, public_key=None, private_key=None):
        self.public_key = public_key

    def verify(self, signature: bytes, message: bytes) -> None:
        self.public_key.verify(signature, message, ECDSA(SHA512()))


class P521Raw(P521Der):
    def verify(self, signature: bytes, message: bytes) -> None:
        if len(signature) != 2 * COORDINATE:
            raise ValueError(f"{len(signature)} bytes")
        r, s = (int.from_bytes(half) for half in (signature[:COORDINATE], signature[COORDINATE:]))
        super().verify(encode_dss_signature(r, s), message)


class Library:
    """PyPI http-message-signatures, which compares the digest with the body too."""

    digest = "content-digest"

    def __init__(self, algorithm: type[HTTPSignatureAlgorithm]):
        self.algorithm = algorithm

    def verify(self, delivery: Delivery, keys: dict) -> None:
        HTTPMessageVerifier(
            signature_algorithm=self.algorithm,
            key_resolver=MappingKeyResolver(public_keys=keys, private_keys={}),
        ).verify(
            delivery,
            max_age=datetime.timedelta(seconds=60),
            require_components=("@method", "@path", "content-type", "content-length", self.digest),
            body=delivery.body,
        )


class PublishedRule:
    """Draft 6 as the vendor tells its receivers."""

    digest = "digest"
    parameters = re.compile(
        r'sig1=(?P<base>\((?P<names>"[a-z@-]+"(?: "[a-z@-]+")*)\)'
        r';keyid="(?P<keyid>[^"]*)";created=(?P<created>\d+);expires=(?P<expires>\d+);nonce="(?P<nonce>[^"]+)")'
    )

    def verify(self, delivery: Delivery, keys: dict) -> None:
        found = self.parameters.fullmatch(delivery.header("signature-input"))
        signature = re.fullmatch(r"sig1=:([A-Za-z0-9+/]+={0,2}):", delivery.header("signature"))
        if not found or not signature:
            raise InvalidSignature("malformed")
        if not int(found["created"]) - 5 <= time.time() <= int(found["expires"]):
            raise InvalidSignature("not now")
        names = [name.strip('"') for name in found["names"].split(" ")]
        if not {"@method", "@path", "content-type", "content-length", self.digest} <= set(names):
            raise InvalidSignature("covers too little")
        parts = urlsplit(delivery.url)
        derived = {"@method": delivery.method, "@path": parts.path, "@query": "?" + parts.query}
        lines = [f"{name}: {derived[name] if name in derived else delivery.header(name)}" for name in names]
        base = "\n".join([*lines, f"@signature-params: {found['base']}"])
        if found["keyid"] not in keys:
            raise InvalidSignature("unknown key")
        keys[found["keyid"]].verify(base64.b64decode(signature[1], validate=True), base.encode(), ECDSA(SHA512()))
        digest = base64.b64encode(hashlib.sha256(delivery.body).digest()).decode()
        if delivery.header("digest") != f"SHA-256={digest}":
            raise InvalidSignature("digest")


VERSIONS = {
    "draft-6": ("draft 6 by the published rule", PublishedRule()),
    "draft-15": ("draft 15 by http-message-signatures 3.0.0 (PyPI)", Library(P521Der)),
    "rfc9421": ("RFC 9421 by http-message-signatures 3.0.0 (PyPI)", Library(P521Raw)),
}


def verifies(verifier, delivery: Delivery, keys: dict) -> bool:
    try:
        verifier.verify(delivery, keys)
    except (InvalidSignature, WrongSignature, binascii.Error, common.Failure):
        return False
    return True


def published_keys(answer: dict) -> dict:
    """The keys of `GET /auth/verify_keys` by their id."""
    keys = {}
    equal(list(answer), ["keys"], "members of the keys")
    for key in answer["keys"]:
        equal(set(key), {"kid", "kty", "crv", "x", "y"}, "members of a key")
        equal((key["kty"], key["crv"], len(key["x"]), len(key["y"])), ("EC", "P-521", 88, 88), "a key")
        expect(is_uuid(key["kid"]), f"kid is no UUID: {key['kid']!r}")
        x, y = (int.from_bytes(base64.urlsafe_b64decode(key[name])) for name in ("x", "y"))
        keys[key["kid"]] = EllipticCurvePublicNumbers(x, y, SECP521R1()).public_key()
    expect(keys, "there is no key")
    return keys


# --- what a customer does ---------------------------------------------------------


class Customer:
    """The vendor's own package for the calls, and a receiver."""

    def __init__(self, client: Client, receiver: Receiver):
        self.api = Api(client, "p521")
        self.receiver = receiver

    def keys(self) -> dict:
        return published_keys(succeeded(self.api.call("GET", "/auth/verify_keys"), "keys"))

    def subscribe(self, target: str, version: str, most_bytes: int = 10240, **more) -> dict:
        config = {"delay": "1s", "max_package_size": most_bytes}
        if version != "draft-6":  # which is what everybody gets who does not ask
            config |= {"signature": version}
        body = {"title": target[:100], "url": self.receiver.origin + target, "enabled": True, "config": config} | more
        webhook = created(self.api.call("POST", "/webhooks", json=body), "create webhook")
        rest = {name: value for name, value in webhook.items() if name not in ("id", "created_at", "updated_at")}
        equal(rest, {"type": ["ALL"]} | body, "webhook")
        return webhook

    def unsubscribe(self, webhook: dict) -> None:
        gone(self.api.call("DELETE", f"/webhooks/{webhook['id']}"), "delete webhook")

    def create_user(self, **more) -> dict:
        return succeeded(self.api.create(common.BYOL_USER | more), "create user")


def created(response, what: str) -> dict:
    equal(response.status_code, 201, f"{what}: status, {response.text[:2000]}")
    common.headers(response, "application/json")
    return response.json()


def gone(response, what: str) -> None:
    equal((response.status_code, response.content), (204, b""), f"{what}: {response.text[:2000]}")


def check_form(delivery: Delivery, version: str, webhook_id: str) -> None:
    """What the reference says about a delivery, whatever its signature."""
    equal(delivery.method, "POST", "method")
    for name, value in (("accept", "application/json"), ("content-type", "application/json")):
        equal(delivery.header(name), value, name)
    equal(delivery.header("content-length"), str(len(delivery.body)), "content-length")
    digest = VERSIONS[version][1].digest
    (other,) = {"digest", "content-digest"} - {digest}
    expect(all(name.lower() != other for name, _ in delivery.fields), f"there is a {other}, too")
    query = ["@query"] if "?" in delivery.target else []
    equal(delivery.covered, ["@method", "@path", *query, *SENT_HEADERS, digest], "components")
    events = delivery.events
    for event in events:
        equal(set(event), {"id", "created_at", "type", "object", "webhook_id"}, "members of an event")
        expect(is_uuid(event["id"]), f"id of an event: {event['id']!r}")
        common.timestamp(event["created_at"], "created_at of an event")
        equal(event["webhook_id"], webhook_id, "webhook_id")
    times = [datetime.datetime.fromisoformat(event["created_at"]) for event in events]
    equal(times, sorted(times), "order of the events")


def told(deliveries: list[Delivery]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"].get("id")) for one in deliveries for event in one.events]


def new_users(users: list[dict]) -> list[tuple[str, str]]:
    return [(kind, user["id"]) for user in users for kind in ("USER.CREATED", "USER.ACTIVATED")]


def every_delivery(customer: Customer, version: str) -> None:
    """Packages of one event and of many, one that is sent again, and letters of all kinds."""
    verifier = VERSIONS[version][1]
    target = f"/hooks/{version}/a%20b%C3%A4?tenant=x%2Fy&list=1,2;3&empty="
    webhook = customer.subscribe(target, version)
    customer.receiver.failing.add(target)
    names = ("Schmidt", "Müller-Łukasiewicz", "王小", 'A "B" \\')
    users = [customer.create_user(birth_name=name) for name in names]
    # The first is refused, and comes again with another signature.
    first, *rest = customer.receiver.wait(target, lambda all: told(all[1:]) == new_users(users))
    equal(rest[0].body, first.body, "the same package again")
    expect(rest[0].header("signature") != first.header("signature"), "the same signature again")
    single = customer.subscribe(target + "single", version, type=["USER"], most_bytes=100)
    user = customer.create_user()
    alone = customer.receiver.wait(target + "single", lambda all: told(all) == new_users([user]))
    equal([len(one.events) for one in alone], [1, 1], "events larger than the limit")
    all_of_it = customer.receiver.wait(target, lambda all: told(all[1:]) == new_users([*users, user]))
    keys = customer.keys()
    for webhook, deliveries in ((webhook, all_of_it), (single, alone)):
        for delivery in deliveries:
            check_form(delivery, version, webhook["id"])
            verifier.verify(delivery, keys)
        customer.unsubscribe(webhook)
    nonces = {one.header("signature-input") for one in [*all_of_it, *alone]}
    equal(len(nonces), len(all_of_it) + len(alone), "different signatures")


def every_address(customer: Customer, version: str) -> None:
    """Paths and queries as receivers have them, by `GET /webhooks/{id}/test`, which shows the receiver's answer."""
    keys = customer.keys()
    targets = ["/", "/hooks", "/hooks?", "/a//b/", "/%7Euser/%E2%82%AC;v=1/@:!$&'()*+,=", "/ä?q=ä 'x'&&=?/"]
    for target in targets:
        target = target.replace("/", f"/{version}/", 1)
        webhook = customer.subscribe(target, version, enabled=False)
        answer = succeeded(customer.api.call("GET", f"/webhooks/{webhook['id']}/test"), "test event")
        equal((answer["url"], answer["outcome"]), (webhook["url"], "delivered"), "where and what")
        response = answer["response"]
        equal((response["status"], response["body"]), (200, Receiver.answer.decode()), "the receiver's answer")
        equal(response["headers"]["x-receiver"], "yes", "headers of the receiver's answer")
        delivery = customer.receiver.deliveries[-1]
        expect(delivery.target.startswith(f"/{version}/"), f"sent to {delivery.target}")
        check_test_event(delivery, version, webhook, keys)
        # And without the answer.
        before = len(customer.receiver.deliveries)
        common.accepted(customer.api.call("POST", f"/webhooks/{webhook['id']}/test"), "test event")
        customer.receiver.wait(delivery.target, lambda _: len(customer.receiver.deliveries) > before)
        check_test_event(customer.receiver.deliveries[-1], version, webhook, keys)
        customer.unsubscribe(webhook)


def check_test_event(delivery: Delivery, version: str, webhook: dict, keys: dict) -> None:
    check_form(delivery, version, webhook["id"])
    (event,) = delivery.events
    equal((event["type"], event["object"]), ("WEBHOOK.TEST", {}), "test event")
    VERSIONS[version][1].verify(delivery, keys)


# --- alterations ------------------------------------------------------------------


def texts(text: str):
    """The text with each of its letters altered, left out, and doubled."""
    for at, letter in enumerate(text):
        yield text[:at] + chr(ord(letter) ^ 1) + text[at + 1 :]
        yield text[:at] + text[at + 1 :]
        yield text[:at] + letter + text[at:]


def signed_bytes(value: str) -> bytes | None:
    """What a `signature` says, with any padding; `None` if it is malformed."""
    found = re.fullmatch(r"sig1=:([A-Za-z0-9+/]+)=*:", value)
    try:
        return base64.b64decode(found[1] + "=" * (-len(found[1]) % 4), validate=True) if found else None
    except binascii.Error:
        return None


def alterations(delivery: Delivery):
    """(what was altered, the delivery after it), for each byte of all that has to be protected."""
    for at in range(len(delivery.body)):
        body = bytearray(delivery.body)
        body[at] ^= 1
        yield f"byte {at} of the body", dataclasses.replace(delivery, body=bytes(body))
    for body in (b"", delivery.body[:-1], delivery.body + b"\n", b" " + delivery.body):
        yield "length of the body", dataclasses.replace(delivery, body=body)
    for target in texts(delivery.target):
        yield f"target: {target}", dataclasses.replace(delivery, target=target)
    for method in ("PUT", "GET", "POS", "post"):
        yield f"method: {method}", dataclasses.replace(delivery, method=method)
    headers = [name for name in delivery.covered if not name.startswith("@")]
    for name in headers:
        for value in texts(delivery.header(name)):
            yield f"{name}: {value}", delivery.having(name, value)
    for name in [*headers, "signature", "signature-input"]:
        yield f"no {name}", delivery.without(name)
    yield from altered_parameters(delivery)
    yield from altered_signatures(delivery)


def altered_parameters(delivery: Delivery):
    value = delivery.header("signature-input")
    for altered in texts(value):
        # A blank more after a semicolon or between names changes nothing of what a structured field says.
        if " ".join(altered.split()) != value:
            yield f"signature-input: {altered}", delivery.having("signature-input", altered)
    quoted = [f'"{name}"' for name in delivery.covered]
    for name in quoted:
        fewer = value.replace(f"{name} ", "").replace(f" {name}", "")
        yield f"{name} not covered", delivery.having("signature-input", fewer)
        twice = value.replace(name, f"{name} {name}")
        yield f"{name} twice", delivery.having("signature-input", twice)
    turned = value.replace(" ".join(quoted), " ".join(reversed(quoted)))
    yield "another order", delivery.having("signature-input", turned)
    for parameter in re.findall(r";[^;]*", value):
        yield f"no {parameter}", delivery.having("signature-input", value.replace(parameter, ""))


def altered_signatures(delivery: Delivery):
    value = delivery.header("signature")
    signature = signed_bytes(value)
    for altered in texts(value):
        # The padding means nothing, nor do some bits of the last letter before it (RFC 8941 section 4.2.7).
        if signed_bytes(altered) != signature:
            yield f"signature: {altered}", delivery.having("signature", altered)
    for at in range(len(signature)):
        for bit in (1, 128):
            other = bytearray(signature)
            other[at] ^= bit
            text = base64.b64encode(bytes(other)).decode()
            yield f"byte {at} of the signature", delivery.having("signature", f"sig1=:{text}:")


def nothing_altered(customer: Customer, version: str) -> None:
    verifier = VERSIONS[version][1]
    target = f"/altered/{version}/a%20b?c=%C3%A4&d=2"
    webhook = customer.subscribe(target, version)
    customer.create_user()
    delivery = customer.receiver.wait(target, len)[0]
    keys = customer.keys()
    verifier.verify(delivery, keys)
    count = 0
    for what, altered in alterations(delivery):
        expect(altered != delivery, f"{what}: nothing was altered")
        expect(not verifies(verifier, altered, keys), f"{what}: verifies")
        count += 1
    expect(count > len(delivery.body) + 1000, f"only {count} alterations")
    # Somebody else's key under the same id, and the other versions.
    (key_id,) = re.findall('keyid="([^"]*)"', delivery.header("signature-input"))
    stranger = generate_private_key(SECP521R1()).public_key()
    expect(not verifies(verifier, delivery, keys | {key_id: stranger}), "verifies with another key")
    for other, (_, foreign) in VERSIONS.items():
        equal(verifies(foreign, delivery, keys), other == version, f"taken for {other}")
    # It was not the time that has passed.
    verifier.verify(delivery, keys)
    customer.unsubscribe(webhook)


# --- what the signing proxy does when it listens ----------------------------------

ENDPOINTS = "/events-acceptor-service/endpoints"
JSON = {"content-type": "application/json"}


def send(client, method: str, target: str, body: object = None) -> requests.Response:
    if body is None:
        return client.send(client.prepare(method, target, {}))
    return client.send(client.prepare(method, target, JSON, json.dumps(body).encode()))


def listen(client, customer: Customer, version: str) -> None:
    """The six steps, in their order; `client` signs, and what it collects is verified like what is sent."""
    bearer = client.prepare("GET", "/events-acceptor-service/health", {"authorization": "Bearer "})
    equal(client.send(bearer).status_code, 200, "health before there is a token")
    client.fetch_token()
    endpoint = created(send(client, "POST", ENDPOINTS, ""), "open an endpoint")
    equal(set(endpoint), {"id", "url"}, "members of an endpoint")
    config = {"delay": "1s", "max_package_size": 12400}
    wanted = {"title": "Listener", "url": endpoint["url"], "type": ["ALL"], "config": config}
    webhook = created(send(client, "POST", "/webhooks", wanted), "create webhook")
    equal(webhook["enabled"], False, "enabled")
    changes = wanted | {"enabled": True}
    if version != "draft-6":
        changes["config"] = config | {"signature": version}
    changed = succeeded(send(client, "PATCH", f"/webhooks/{webhook['id']}", changes), "enable webhook")
    equal(changed, webhook | changes | {"updated_at": changed["updated_at"]}, "webhook")

    users = [customer.create_user(), customer.create_user(last_name="Müller")]
    keys, deliveries = customer.keys(), []
    while told(deliveries) != new_users(users):
        collected = succeeded(client.get(f"{ENDPOINTS}/{endpoint['id']}"), "collect")
        expect(collected, f"nothing to collect after {told(deliveries)}")
        deliveries += [handed_over(one, endpoint["url"]) for one in collected]
    for delivery in deliveries:
        check_form(delivery, version, webhook["id"])
        VERSIONS[version][1].verify(delivery, keys)
    altered = dataclasses.replace(deliveries[0], body=deliveries[0].body.replace(b"Karl", b"Carl"))
    expect(not verifies(VERSIONS[version][1], altered, keys), "an altered one verifies")
    equal(succeeded(client.get(f"{ENDPOINTS}/{endpoint['id']}?wait=0"), "collect again"), [], "once")

    gone(send(client, "DELETE", f"/webhooks/{webhook['id']}"), "delete webhook")
    gone(send(client, "DELETE", f"{ENDPOINTS}/{endpoint['id']}"), "close the endpoint")
    common.refused(client.get(f"{ENDPOINTS}/{endpoint['id']}"), 404, "not_found", "collect from what is closed")


def handed_over(one: dict, url: str) -> Delivery:
    """A collected delivery, as the request that the proxy makes of it."""
    equal(set(one), {"headers", "payload", "created_at"}, "members of what is collected")
    common.timestamp(one["created_at"], "created_at")
    parts = urlsplit(url)
    fields = tuple((name, value) for name, values in one["headers"].items() for value in values)
    return Delivery("POST", f"{parts.scheme}://{parts.netloc}", parts.path, fields, one["payload"].encode())


def key_access(customer: Customer) -> None:
    """The keys are no public page: whoever asks signs, and has a scope for webhooks."""
    expect(customer.keys() == customer.keys(), "other keys")
    plain = requests.get(f"{customer.api.client.url}/auth/verify_keys", timeout=TIMEOUT)
    common.refused(plain, 400, "missing_client_id", "keys for a stranger")
    of_users = Api(dataclasses.replace(customer.api.client, scopes=["users:admin"]), "p521")
    common.refused(of_users.call("GET", "/auth/verify_keys"), 403, "forbidden", "keys without the scope")


def main() -> None:
    args = common.arguments(__doc__)
    byol = Client.load(args.byol_client, args.url)
    listener = dataclasses.replace(byol, scopes=["webhooks:admin"])
    customer = Customer(byol, Receiver())
    listeners = (
        ("draft 6", lambda: OldProxy(listener, "p521")),
        ("draft 15", lambda: Rfc9421Client(listener, "ed25519", include_alg=False, version_header=True)),
    )

    def cases():
        for version, (name, _) in VERSIONS.items():
            for what, case in (
                ("every delivery verifies", every_delivery),
                ("test events verify, to every form of address", every_address),
                ("nothing verifies with any byte altered", nothing_altered),
            ):
                yield f"webhooks, {name}: {what}", lambda case=case, version=version: case(customer, version)
        for signed, client in listeners:
            for version, (name, _) in VERSIONS.items():

                def flow(client=client, version=version):
                    listen(client(), customer, version)

                yield f"webhooks, proxy that listens with {signed}, {name}: six steps", flow
        yield "webhooks: keys are for who may have webhooks", lambda: key_access(customer)

    common.run_cases(cases())


if __name__ == "__main__":
    main()
