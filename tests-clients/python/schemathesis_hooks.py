"""What schemathesis is told about this API beyond its OpenAPI document, with the reason for each.

Loaded by schemathesis itself (`SCHEMATHESIS_HOOKS`); `schemathesis_run.py` says which client and model.
"""

import datetime
import json
import os
import re
import uuid

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData

import common
from signed_requests import Signed

MODEL = os.environ["INVESTORD_MODEL"]
SIGNED = Signed(common.Client.load(os.environ["INVESTORD_CLIENT"], os.environ["INVESTORD_URL"]))

# The auth hook makes these from the finished request; a made-up one only ever gets 401.
MADE_BY_THE_HOOK = ("ClientId", "Authorization", "Signature", "SignatureInput", "SignatureVersion")

schemathesis.auth.set_from_requests(SIGNED)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The document as this tenant's client would read it: its operating model, and no headers that the hook makes."""
    components = raw_schema["components"]
    for name in MADE_BY_THE_HOOK:
        del components["parameters"][name]
    references = {f"#/components/parameters/{name}" for name in MADE_BY_THE_HOOK}
    for item in raw_schema["paths"].values():
        for operation in item.values():
            operation["parameters"] = [
                parameter
                for parameter in operation["parameters"]
                if parameter.get("$ref") not in references and parameter.get("name") != "upvest-client-id"
            ]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                keep_model(content, components["schemas"])


def keep_model(content: dict, schemas: dict) -> None:
    """Of bodies for different operating models only those that this tenant may send, and the examples that are such."""
    variants = content["schema"].get("anyOf", [])
    model = lambda variant: schemas.get(variant.get("$ref", "").rsplit("/", 1)[-1], {}).get("x-operating-model")
    if not any(model(variant) for variant in variants):
        return
    content["schema"]["anyOf"] = [variant for variant in variants if model(variant) in (MODEL, None)]
    if MODEL == "TOL":
        content["examples"].pop("byol", None)


# --- values that JSON Schema cannot describe ------------------------------------------

TODAY = datetime.date.today()
# A birth date is not in the future and not before 1900. The oldest dates that others may have are no problem.
DATES = st.dates(datetime.date(1900, 1, 1), TODAY).map(str)
# A URL has a host; `format: uri` alone would also be `urn:x`. A DNS name, so that it can be a webhook's.
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True)
URLS = st.builds(lambda host, path: f"https://{host}.example/{path}", NAMES, NAMES)
schemathesis.openapi.format("date", DATES)
schemathesis.openapi.format("uri", URLS)


# --- things that exist ----------------------------------------------------------------


def made(method: str, path: str, body=None) -> dict:
    answer = SIGNED.call(method, path, body)
    if answer.status_code >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer.json()


def example(name: str):
    return json.loads((common.EXAMPLES / f"{name}.json").read_text())


def world() -> dict[str, str]:
    """A user with one of each, by the names of the path parameters."""
    user = made("POST", "/users", common.TOL_USER)["id"]
    group = made("POST", "/account_groups", {"user_id": user, "type": "PERSONAL"})["id"]
    account = {"user_id": user, "account_group_id": group, "type": "TRADING"}
    made("POST", f"/users/{user}/tax_residencies", example("set-tax-residencies"))
    passport = example("create-identifier-passport")
    return {
        "user_id": user,
        "account_group_id": group,
        "account_id": made("POST", "/accounts", account)["id"],
        "check_id": made("POST", f"/users/{user}/checks", example("create-check-kyc"))["id"],
        "identifier_id": made("POST", f"/users/{user}/identifiers", passport)["id"],
        # To an address at which nobody listens: a test event ends at once.
        "webhook_id": made("POST", "/webhooks", {"title": "t", "url": "http://127.0.0.1:1/", "type": ["USER"]})["id"],
        "endpoint_id": made("POST", "/events-acceptor-service/endpoints", "")["id"],
    }


WORLD = world()
# Whatever is closed or deleted is another, so that the first stays of use to the other operations.
VICTIMS = world()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Three ids of four are those of things that exist: a made-up one only ever gets 404. Every key is a new one."""
    negative = lambda location: case.meta is not None and case.meta.is_negative_at(location)
    known = VICTIMS if case.operation.method.upper() == "DELETE" else WORLD
    if not negative(ParameterLocation.PATH):
        for name, value in (case.path_parameters or {}).items():
            if name in known and hash_of(value) % 4:
                case.path_parameters[name] = known[name]
    if not negative(ParameterLocation.BODY) and isinstance(case.body, dict):
        for name in ("user_id", "account_group_id"):
            if name in case.body and hash_of(case.body[name]) % 4:
                case.body[name] = WORLD[name]
    # The example of the document with another body is another request under an old key: 422.
    if not negative(ParameterLocation.HEADER) and "idempotency-key" in (case.headers or {}):
        case.headers["idempotency-key"] = str(uuid.uuid4())
    # Nobody waits for deliveries: that alone would take 20 seconds each time.
    if case.operation.path.endswith("/endpoints/{endpoint_id}"):
        query = dict(case.query or {})
        if not negative(ParameterLocation.QUERY) or query.get("wait", "") in ("", None):
            query["wait"] = 0
        case.query = query


def hash_of(value) -> int:
    return sum(str(value).encode())


# --- what is refused although the document allows it ----------------------------------

# Which identifiers a country has, and their form, is no matter of JSON Schema: 400 names the member.
OF_AN_IDENTIFIER = re.compile(r"(identifiers\[\d+\]\.)?(type|identifier|identifier_standard|issuing_country)|identifiers\[\d+\]")
# What day it is JSON Schema does not know: nobody is born in the future.
OF_A_BIRTH = re.compile("birth_date")
# A cursor stands in the place of an offset, and is a position that an answer has named.
OF_A_PAGE = re.compile("cursor")
# Of a country there is one tax residency.
OF_A_RESIDENCY = re.compile(r"tax_residencies\[\d+\]\.country")
ALLOWED = {
    "POST /users/{user_id}/identifiers": OF_AN_IDENTIFIER,
    "PATCH /users/{user_id}/identifiers/{identifier_id}": OF_AN_IDENTIFIER,
    "POST /investord/reporting": re.compile(f"{OF_AN_IDENTIFIER.pattern}|{OF_A_BIRTH.pattern}"),
    "POST /users": OF_A_BIRTH,
    "POST /users/{user_id}/data_change_requests": OF_A_BIRTH,
    "POST /investord/users/{user_id}/data_change_requests/preview": OF_A_BIRTH,
    "POST /users/{user_id}/tax_residencies": OF_A_RESIDENCY,
    "GET /users": OF_A_PAGE,
    "GET /accounts": OF_A_PAGE,
    "GET /account_groups": OF_A_PAGE,
    # A position that lies beyond the last event is that of another register.
    "GET /investord/events": re.compile("after"),
    # The group of another user, and a number that another group has.
    "POST /accounts": re.compile("account_group_id"),
    "POST /account_groups": re.compile("securities_account_number"),
}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether it is a failure: not if a rule refuses that only words can say, and names the member."""
    allowed = ALLOWED.get(case.operation.label)
    if allowed is None or not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    return not all(allowed.fullmatch(fault["field"]) for fault in response.json()["errors"])
