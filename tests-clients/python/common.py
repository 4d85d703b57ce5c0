"""What the Python client tests share: client files, bodies, checks, the runner of cases."""

import argparse
import datetime
import json
import re
import sys
import time
import tomllib
import traceback
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 30  # seconds for one request

UNKNOWN_USER = "3f0f4a4e-8f6e-4d6c-9d54-0c1d1c1e5a77"

ADDRESS = {
    "address_line1": "Rosenweg 221",
    "address_line2": "apt. 33",
    "city": "Berlin",
    "country": "DE",
    "postcode": "45678",
    "state": "BE",
}

BYOL_USER = {
    "address": ADDRESS,
    "birth_city": "Berlin",
    "birth_country": "DE",
    "birth_date": "1972-09-30",
    "birth_name": "Schmidt",
    "first_name": "Karl",
    "last_name": "Schmidt",
    "nationalities": ["DE", "AU"],
    "postal_address": ADDRESS,
    "salutation": "SALUTATION_MALE",
    "title": "DR",
}

TOL_MEMBERS = {
    "data_privacy_and_sharing_agreement": {
        "confirmed_at": "2020-08-24T14:16:22Z",
        "consent_document_id": "fb1827c3-2b29-47e1-84da-996d09517edc",
    },
    "email": "karl.schmidt@example.com",
    "fatca": {"confirmed_at": "2020-08-24T14:15:22Z", "status": False},
    "phone_number": "4930901820",
    "terms_and_conditions": {
        "confirmed_at": "2020-08-24T14:14:22Z",
        "consent_document_id": "a8a87268-4f3c-4de2-abb9-a553a3bb7608",
    },
}

TOL_USER = BYOL_USER | TOL_MEMBERS

# Bodies of the reference that change a user, and the members of them that are proof and not data.
PROOF = {"issuance_date", "data_download_link", "document_type"}
EXAMPLES = Path(__file__).resolve().parents[2] / "api" / "examples"
TOL_CHANGES = [
    json.loads((EXAMPLES / f"change-{name}.json").read_text()) for name in ("name", "email", "nationality", "address")
]
BYOL_CHANGES = TOL_CHANGES + [json.loads((EXAMPLES / "change-byol.json").read_text())]

# The members without which nobody is created.
BYOL_REQUIRED = {"first_name", "last_name", "birth_date", "nationalities", "address"}
TOL_REQUIRED = BYOL_REQUIRED | {
    "birth_city",
    "birth_country",
    "email",
    "fatca",
    "terms_and_conditions",
    "data_privacy_and_sharing_agreement",
}
OPTIONAL = {"birth_name", "phone_number", "postal_address", "salutation", "title"}


# --- client files -----------------------------------------------------------------


@dataclass
class Key:
    id: str
    file: Path
    passphrase: bytes | None = None

    @property
    def pem(self) -> bytes:
        return self.file.read_bytes()


@dataclass
class Client:
    """An OAuth client with its keys, from a JSON file or from a `profile.toml`."""

    url: str
    id: str
    secret: str
    scopes: list[str]
    keys: dict[str, Key] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str, url: str) -> "Client":
        """Read `{"client_id", "client_secret", "scopes", "keys": {NAME: {"id", "file", "passphrase"?}}}`.

        File names are relative to the file that holds them.
        """
        source = Path(path)
        data = json.loads(source.read_text("utf-8"))
        keys = {
            name: Key(
                key["id"],
                source.parent / key["file"],
                key["passphrase"].encode() if "passphrase" in key else None,
            )
            for name, key in data["keys"].items()
        }
        return cls(url.rstrip("/"), data["client_id"], data["client_secret"], data["scopes"], keys)

    @classmethod
    def load_profile(cls, path: str) -> "Client":
        """Read the profile that `investord dev` writes; its keys are named "0", "1", ..."""
        source = Path(path)
        data = tomllib.loads(source.read_text("utf-8"))
        keys = {
            str(number): Key(key["id"], source.parent / key["private_key_file"])
            for number, key in enumerate(data["key"])
        }
        return cls(data["url"].rstrip("/"), data["client_id"], data["client_secret"], data["scopes"], keys)


def arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", required=True, help="where the server listens, such as http://127.0.0.1:8080")
    parser.add_argument("--byol-client", required=True, metavar="FILE.json", help="a client of a BYOL tenant")
    parser.add_argument("--tol-client", required=True, metavar="FILE.json", help="a client of a TOL tenant")
    parser.add_argument("--profile", metavar="FILE.toml", help="the profile that `investord dev` wrote")
    return parser.parse_args()


# --- checks -----------------------------------------------------------------------


class Failure(AssertionError):
    """A check that did not hold."""


def expect(condition: object, message: str) -> None:
    if not condition:
        raise Failure(message)


def equal(actual: object, expected: object, what: str) -> None:
    if actual != expected:
        raise Failure(f"{what}: expected {expected!r}, got {actual!r}")


def is_uuid(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def media_type(response) -> str:
    return response.headers.get("content-type", "").split(";")[0].strip().lower()


def headers(response, expected_type: str) -> None:
    request_id = response.headers.get("upvest-request-id")
    expect(is_uuid(request_id), f"upvest-request-id is not a UUID: {request_id!r}")
    equal(media_type(response), expected_type, "content-type")


def succeeded(response, what: str):
    """200 with JSON; returns the parsed body."""
    if response.status_code != 200:
        raise Failure(f"{what}: expected 200, got {response.status_code}: {response.text[:2000]}")
    headers(response, "application/json")
    return response.json()


def accepted(response, what: str) -> None:
    """202 with nothing in it."""
    if response.status_code != 202:
        raise Failure(f"{what}: expected 202, got {response.status_code}: {response.text[:2000]}")
    equal(response.content, b"", f"{what}: body")
    expect(is_uuid(response.headers.get("upvest-request-id")), f"{what}: no upvest-request-id")


def until(read, done, what: str):
    """Asks again until it is so; what was answered then."""
    for _ in range(200):
        answer = succeeded(read(), what)
        if done(answer):
            return answer
        time.sleep(0.05)
    raise Failure(f"{what}: waited too long, last answer {answer}")


def refused(response, status: int, slug: str, what: str):
    """A problem of this status and type; returns the parsed body."""
    if response.status_code != status:
        raise Failure(f"{what}: expected {status}, got {response.status_code}: {response.text[:2000]}")
    headers(response, "application/problem+json")
    problem = response.json()
    equal(problem.get("status"), status, f"{what}: status in the problem")
    problem_type = problem.get("type", "")
    expect(urlsplit(problem_type).scheme in ("http", "https"), f"{what}: type is no URL: {problem_type!r}")
    equal(problem_type.rsplit("/", 1)[-1], slug, f"{what}: last segment of type")
    for member in ("title", "detail"):
        text = problem.get(member)
        expect(isinstance(text, str) and text, f"{what}: {member} is missing: {problem!r}")
    equal(problem.get("request_id"), response.headers["upvest-request-id"], f"{what}: request_id")
    return problem


def missing_fields(problem: dict, required: set[str]) -> None:
    """The problem names each of these fields, and none that could be left out."""
    named = {fault["field"].lstrip("$./") for fault in problem.get("errors", [])}
    expect(required <= named, f"errors do not name {sorted(required - named)}: {problem!r}")
    expect(not OPTIONAL & named, f"errors name optional fields {sorted(OPTIONAL & named)}")
    for fault in problem["errors"]:
        expect(fault.get("message"), f"a fault without a message: {fault!r}")
    expect(any(name in problem["detail"] for name in required), f"detail names no field: {problem['detail']!r}")


TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z")


def timestamp(text: object, what: str) -> None:
    """RFC 3339 in UTC with `Z`, at most microseconds without trailing zeros, and just now."""
    expect(isinstance(text, str) and TIMESTAMP.fullmatch(text), f"{what}: {text!r}")
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(text)
    expect(abs(age.total_seconds()) < 300, f"{what} is not about now: {text}")


def user(answer: dict, sent: dict, status: str = "ACTIVE") -> None:
    """The answer has every member that was sent, what the server adds, and the defaults."""
    for name, value in sent.items():
        expect(name in answer, f"{name} did not come back")
        equal(answer[name], value, name)
    expect(is_uuid(answer.get("id")), f"id is not a UUID: {answer.get('id')!r}")
    timestamp(answer.get("created_at"), "created_at")
    timestamp(answer.get("updated_at"), "updated_at")
    equal(answer.get("status"), status, "status")
    for name in ("salutation", "title"):
        equal(answer.get(name), sent.get(name, ""), name)
    equal(answer.get("postal_address", "absent"), sent.get("postal_address", sent["address"]), "postal_address")
    for name in TOL_MEMBERS.keys() | {"birth_city", "birth_country", "birth_name"}:
        expect(name in sent or name not in answer, f"{name} was answered without having been sent")


def identifier(answer: dict, owner: dict, sent: dict) -> None:
    """The answer is what was sent, and what the server adds."""
    rest = dict(answer)
    expect(is_uuid(rest.pop("id", None)), f"id is not a UUID: {answer!r}")
    for name in ("created_at", "updated_at"):
        timestamp(rest.pop(name, None), name)
    equal(rest, sent | {"user_id": owner["id"]}, "identifier")


def meta(page: dict, limit: int, offset: int) -> int:
    """The page's `meta` fits it; returns `total_count`."""
    found = page["meta"]
    equal(found["limit"], limit, "meta.limit")
    equal(found["offset"], offset, "meta.offset")
    equal(found["count"], len(page["data"]), "meta.count")
    equal(found["sort"], "created_at", "meta.sort")
    equal(found["order"], "ASC", "meta.order")
    expect(found["count"] <= limit, f"more than limit: {found!r}")
    expect(found["total_count"] >= offset + found["count"] or not page["data"], f"total_count too small: {found!r}")
    return found["total_count"]


def find_listed(get_page, user_id: str) -> dict:
    """Walk through `GET /users` with `get_page(query)` until the user comes."""
    offset = 0
    while True:
        page = succeeded(get_page(f"limit=1000&offset={offset}"), "list users")
        total = meta(page, 1000, offset)
        for item in page["data"]:
            if item["id"] == user_id:
                return item
        offset += len(page["data"])
        expect(page["data"] and offset < total, f"user {user_id} is not in the list")


def token(answer: dict, scopes: list[str]) -> str:
    """The members of a token answer; returns the token."""
    expect(isinstance(answer["access_token"], str) and answer["access_token"], "access_token")
    expect(re.fullmatch(r"[a-zA-Z0-9\-._~+/]+=*", answer["access_token"]), "access_token has odd characters")
    expect(type(answer["expires_in"]) is int and answer["expires_in"] > 0, "expires_in")
    equal(answer["token_type"], "bearer", "token_type")
    equal(set(answer["scope"].split()), set(scopes), "scope")
    return answer["access_token"]


# --- running ----------------------------------------------------------------------


def run_cases(cases) -> None:
    """Run `(name, function)` pairs; print `ok NAME` or `FAIL NAME: why`; exit 1 on any failure."""
    failed = False
    for name, case in cases:
        try:
            case()
        except Exception as error:  # one case must not hide the others
            failed = True
            if isinstance(error, Failure):
                reason = str(error)
            else:
                reason = f"{type(error).__name__}: {error}"
                traceback.print_exc()
            print(f"FAIL {name}: {' '.join(reason.split())}", flush=True)
        else:
            print(f"ok   {name}", flush=True)
    sys.exit(1 if failed else 0)
