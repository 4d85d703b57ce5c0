"""The vendor's own package, upvest-investment-api 0.0.1, unmodified, against the server.

`UpvestRequestsAuth` fetches the token and signs (draft 15, ECDSA P-521, DER) every request
that the `requests` library makes.
"""

import json

import requests
from upvest_investment_api import UpvestRequestsAuth, make_idempotency_key

import common
from common import TIMEOUT, Client, equal, expect, refused, succeeded


class Api:
    """The calls a customer of the package writes."""

    def __init__(self, client: Client, key: str):
        self.client = client
        self.token_answers = []
        chosen = client.keys[key]
        self.auth = UpvestRequestsAuth(
            private_key_pem=chosen.pem,
            private_key_passphrase=chosen.passphrase,
            key_id=chosen.id,
            client_id=client.id,
            client_secret=client.secret,
            scopes=client.scopes,
            callback_auth_response=self.token_answers.append,
        )

    def list(self, query: str = "") -> requests.Response:
        query = f"?{query}" if query else ""
        return requests.get(f"{self.client.url}/users{query}", auth=self.auth, timeout=TIMEOUT)

    def get(self, user_id: str) -> requests.Response:
        return requests.get(f"{self.client.url}/users/{user_id}", auth=self.auth, timeout=TIMEOUT)

    def create(self, body: dict, key: str | None = None) -> requests.Response:
        auth = self.auth.with_idempotency_key(key or make_idempotency_key())
        return requests.post(f"{self.client.url}/users", json=body, auth=auth, timeout=TIMEOUT)

    def identifiers(self, user_id: str, identifier_id: str = "") -> requests.Response:
        return self.call("GET", self.path(user_id, identifier_id))

    def identify(self, user_id: str, body: dict) -> requests.Response:
        return self.call("POST", self.path(user_id), json=body)

    def change_identifier(self, user_id: str, identifier_id: str, value: str) -> requests.Response:
        return self.call("PATCH", self.path(user_id, identifier_id), json={"identifier": value})

    @staticmethod
    def path(user_id: str, identifier_id: str = "") -> str:
        return f"/users/{user_id}/identifiers" + (f"/{identifier_id}" if identifier_id else "")

    def call(self, method: str, path: str, **body) -> requests.Response:
        return requests.request(method, self.client.url + path, auth=self.auth, timeout=TIMEOUT, **body)


def token(api: Api) -> None:
    succeeded(api.list("limit=1"), "list users")
    equal(len(api.token_answers), 1, "token requests")
    common.token(succeeded(api.token_answers[0], "token"), api.client.scopes)
    succeeded(api.list("limit=1"), "list users again")
    equal(len(api.token_answers), 1, "token requests: the token is used again")


def create_read_list(api: Api, body: dict) -> None:
    total_before = common.meta(succeeded(api.list(), "list users"), 100, 0)

    key = make_idempotency_key()
    created = api.create(body, key)
    user = succeeded(created, "create user")
    common.user(user, body)

    again = api.create(body, key)
    succeeded(again, "create user, same idempotency key")
    equal(again.content, created.content, "answer to the repeated request")
    expect(
        again.headers["upvest-request-id"] != created.headers["upvest-request-id"],
        "the repeated request got the same upvest-request-id",
    )
    refused(
        api.create(body | {"first_name": "Other"}, key),
        422,
        "unprocessable_entity",
        "another body under the same idempotency key",
    )

    equal(succeeded(api.get(user["id"]), "get user"), user, "read user")

    page = succeeded(api.list("limit=2&offset=0"), "list users")
    equal(common.meta(page, 2, 0), total_before + 1, "total_count after creating one user")
    equal(common.find_listed(api.list, user["id"]), user, "listed user")


def defaults(api: Api, required: set[str], full: dict) -> None:
    smallest = {name: full[name] for name in full if name in required}
    common.user(succeeded(api.create(smallest), "create user with required members only"), smallest)

    no_postal_address = smallest | {"postal_address": None}
    common.user(succeeded(api.create(no_postal_address), "create user, postal_address null"), no_postal_address)

    # Poland has no CONCAT: the identifier is still missing.
    polish = smallest | {"nationalities": ["PL"]}
    common.user(succeeded(api.create(polish), "create Polish user"), polish, status="INACTIVE")


# The examples of the reference.
PESEL = {"type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917"}
OTHER_PESEL = "83053078929"


def identifiers(api: Api, body: dict) -> None:
    german = succeeded(api.create(body), "create user")
    (concat,) = succeeded(api.identifiers(german["id"]), "identifiers of a German")["data"]
    shown = {"type": "NATIONAL_ID", "issuing_country": "DE", "identifier_standard": "CONCAT", "identifier": ""}
    common.identifier(concat, german, shown)
    refused(api.change_identifier(german["id"], concat["id"], "x"), 400, "invalid_request", "change a CONCAT")

    polish = succeeded(api.create(body | {"nationalities": ["PL"]}), "create Polish user")
    equal(polish["status"], "INACTIVE", "status without a PESEL")
    equal(succeeded(api.identifiers(polish["id"]), "no identifiers"), {"data": []}, "identifiers")
    created = succeeded(api.identify(polish["id"], PESEL), "create identifier")
    common.identifier(created, polish, PESEL | {"identifier_standard": "PESEL"})
    equal(succeeded(api.get(polish["id"]), "get user")["status"], "ACTIVE", "status with a PESEL")
    equal(succeeded(api.identify(polish["id"], PESEL), "the same again"), created, "identifier")

    changed = succeeded(api.change_identifier(polish["id"], created["id"], OTHER_PESEL), "update identifier")
    expect(changed["updated_at"] > created["updated_at"], "updated_at did not move")
    equal(changed, created | {"identifier": OTHER_PESEL, "updated_at": changed["updated_at"]}, "identifier")
    equal(succeeded(api.identifiers(polish["id"], created["id"]), "get identifier"), changed, "identifier")
    passport = {"type": "PASSPORT", "issuing_country": "PL", "identifier": "ZS0000177"}
    second = succeeded(api.identify(polish["id"], passport), "create passport")
    equal(second["identifier_standard"], "GPN", "standard of a passport")
    equal(succeeded(api.identifiers(polish["id"]), "list identifiers")["data"], [changed, second], "identifiers")

    problem = refused(api.identify(polish["id"], {}), 400, "invalid_request", "identifier from nothing")
    common.missing_fields(problem, {"type", "issuing_country"})
    refused(api.identify(polish["id"], PESEL | {"identifier": "1"}), 400, "invalid_request", "no PESEL")
    refused(api.identify(common.UNKNOWN_USER, PESEL), 404, "not_found", "unknown user")
    refused(api.identifiers(polish["id"], common.UNKNOWN_USER), 404, "not_found", "unknown identifier")

    report = succeeded(api.call("GET", f"/investord/users/{polish['id']}/reporting"), "reporting answer")
    equal(report["designation"]["identifier"], "PL" + OTHER_PESEL, "what would be reported")


def data_changes(api: Api, body: dict, examples: list[dict]) -> None:
    """Every body of the reference, and what it makes of the user."""
    for example in examples:
        user = succeeded(api.create(body | {"last_name": "Before"}), "create user")
        path = f"/users/{user['id']}/data_change_requests"
        common.accepted(api.call("POST", path, json=example), "data change")
        moved = lambda answer: answer["updated_at"] != user["updated_at"]
        after = common.until(lambda: api.get(user["id"]), moved, "user after a change")
        data = {name: value for name, value in example.items() if name not in common.PROOF}
        postal = {"postal_address": data["address"]} if "address" in data and "postal_address" not in body else {}
        equal(after, user | {"updated_at": after["updated_at"]} | postal | data, "user after a change")
        (record,) = succeeded(api.call("GET", f"/investord{path}"), "data changes")["data"]
        equal((record["state"], record["asked"]), ("DONE", data), "record of the change")
        refused(api.call("POST", path, json={}), 400, "invalid_request", "change of nothing")
    refused(
        api.call("POST", f"/users/{common.UNKNOWN_USER}/data_change_requests", json=examples[0]),
        404,
        "not_found",
        "change of an unknown user",
    )


def accounts(api: Api, body: dict) -> None:
    user = succeeded(api.create(body), "create user")

    def post(path: str, content: dict) -> requests.Response:
        auth = api.auth.with_idempotency_key(make_idempotency_key())
        return requests.post(api.client.url + path, json=content, auth=auth, timeout=TIMEOUT)

    def closed(answer: dict) -> bool:
        return answer["status"] == "CLOSED"

    group = succeeded(post("/account_groups", {"user_id": user["id"], "type": "PERSONAL"}), "create account group")
    of_group = {"user_id": user["id"], "account_group_id": group["id"], "type": "TRADING", "name": "Main account"}
    account = succeeded(post("/accounts", of_group), "create account")
    equal((group["status"], account["status"], account["account_number"]), ("ACTIVE", "ACTIVE", 1), "what was opened")
    group_path, account_path = f"/account_groups/{group['id']}", f"/accounts/{account['id']}"
    renamed = succeeded(api.call("PATCH", account_path, json={"name": "Savings"}), "rename")
    equal(succeeded(api.call("GET", account_path), "get account"), renamed, "account")
    for path, one in ((f"/users/{user['id']}/account_groups", group), (f"/users/{user['id']}/accounts", renamed)):
        page = succeeded(api.call("GET", path), path)
        equal((page["data"], common.meta(page, 100, 0)), ([one], 1), path)

    # The user waits for the group, and the group for the account.
    common.accepted(api.call("DELETE", f"/users/{user['id']}"), "offboard")
    common.accepted(api.call("DELETE", f"/users/{user['id']}"), "offboard again")
    refused(post("/accounts", of_group), 403, "forbidden", "account of a user who leaves")
    common.accepted(api.call("DELETE", group_path), "close account group")
    equal(succeeded(api.call("GET", group_path), "get group")["status"], "CLOSING", "group with an open account")
    common.accepted(api.call("DELETE", account_path), "close account")
    for path in (account_path, group_path):
        common.until(lambda path=path: api.call("GET", path), closed, path)
        refused(api.call("DELETE", path), 409, "conflict", "close again")
    gone = common.until(lambda: api.get(user["id"]), lambda answer: answer["status"] == "OFFBOARDED", "offboarded")
    equal(gone, user | {"status": "OFFBOARDED", "updated_at": gone["updated_at"]}, "offboarded user")
    path = f"/users/{user['id']}/data_change_requests"
    refused(api.call("POST", path, json={"birth_name": "X"}), 403, "forbidden", "change of a user who has left")


def utf8(api: Api) -> None:
    body = common.BYOL_USER | {"first_name": "Zażółć Øyvind", "last_name": "Müller-Łukasiewicz", "birth_name": "王"}
    auth = api.auth.with_idempotency_key(make_idempotency_key())
    response = requests.post(
        f"{api.client.url}/users",
        data=json.dumps(body, ensure_ascii=False).encode(),
        headers={"content-type": "application/json"},
        auth=auth,
        timeout=TIMEOUT,
    )
    common.user(succeeded(response, "create user, UTF-8 body"), body)


def refusals(api: Api, required: set[str]) -> None:
    refused(api.get(common.UNKNOWN_USER), 404, "not_found", "unknown user")

    problem = refused(api.create({}), 400, "invalid_request", "create user from nothing")
    common.missing_fields(problem, required)

    without_key = requests.post(f"{api.client.url}/users", json=common.TOL_USER, auth=api.auth, timeout=TIMEOUT)
    refused(without_key, 400, "missing_idempotency_key", "create user without idempotency key")


def tampered(api: Api) -> None:
    def change_body(request):
        request = api.auth.with_idempotency_key(make_idempotency_key())(request)
        request.body = request.body.replace(b'"Karl"', b'"Carl"')
        return request

    response = requests.post(f"{api.client.url}/users", json=common.TOL_USER, auth=change_body, timeout=TIMEOUT)
    refused(response, 401, "unauthorised", "body changed after signing")


def tenants_apart(byol: Api, tol: Api) -> None:
    user = succeeded(byol.create(common.BYOL_USER), "create user")
    refused(tol.get(user["id"]), 404, "not_found", "another tenant's user")


def profile(path: str, url: str) -> None:
    client = Client.load_profile(path)
    equal(client.url, url.rstrip("/"), "url of the profile")
    api = Api(client, "0")
    token(api)
    create_read_list(api, common.BYOL_USER)


def main() -> None:
    args = common.arguments(__doc__)
    byol = Client.load(args.byol_client, args.url)
    tol = Client.load(args.tol_client, args.url)

    def cases():
        name = "upvest-investment-api 0.0.1"
        models = (
            ("BYOL", byol, common.BYOL_USER, common.BYOL_REQUIRED),
            ("TOL", tol, common.TOL_USER, common.TOL_REQUIRED),
        )
        keys = (
            ("p521", "PKCS#8 key"),
            ("p521-encrypted", "encrypted PKCS#8 key"),
            ("p521-traditional", "encrypted traditional EC key"),
        )
        for model, client, body, required in models:
            for key, description in keys:

                def flow(client=client, key=key, body=body):
                    api = Api(client, key)
                    token(api)
                    create_read_list(api, body)

                yield f"{name}, {model}, {description}: token, create, retry, read, list", flow

            def rest(client=client, required=required, body=body):
                api = Api(client, "p521")
                defaults(api, required, common.TOL_USER)
                identifiers(api, common.TOL_USER)
                data_changes(api, body, common.BYOL_CHANGES if body is common.BYOL_USER else common.TOL_CHANGES)
                accounts(api, body)
                refusals(api, required)
                tampered(api)

            yield f"{name}, {model}: defaults, identifiers, data changes, accounts and refusals", rest

        def superset():
            api = Api(byol, "p521")
            common.user(succeeded(api.create(common.TOL_USER), "create user with TOL members"), common.TOL_USER)
            utf8(api)

        yield f"{name}, BYOL: TOL members, UTF-8 body", superset
        yield f"{name}: tenants apart", lambda: tenants_apart(Api(byol, "p521"), Api(tol, "p521"))
        if args.profile:
            yield f"{name}, demo profile: token, create, retry, read, list", lambda: profile(args.profile, args.url)

    common.run_cases(cases())


if __name__ == "__main__":
    main()
