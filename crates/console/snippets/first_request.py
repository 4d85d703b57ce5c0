# Python 3.9 or newer. Needs: pip install requests cryptography
import base64, hashlib, time, urllib.parse, uuid
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key

BASE = "https://investord.example"
CLIENT_ID, CLIENT_SECRET, KEY_ID = "CLIENT_ID", "CLIENT_SECRET", "KEY_ID"
with open("ed25519.pem", "rb") as file:
    KEY = load_pem_private_key(file.read(), password=None)


def call(method, target, body=b"", **extra):
    """Signs a request, sends it and returns the answer. A POST that creates also needs idempotency_key=str(uuid.uuid4())."""
    path, _, query = target.partition("?")
    headers = {"accept": "application/json", "upvest-client-id": CLIENT_ID}
    headers |= {name.replace("_", "-"): value for name, value in extra.items()}
    if body:
        digest = base64.b64encode(hashlib.sha512(body).digest()).decode()
        headers["content-digest"] = f"sha-512=:{digest}:"
    covered = {"@method": method, "@authority": urllib.parse.urlsplit(BASE).netloc.lower(), "@path": path}
    covered |= ({"@query": "?" + query} if query else {}) | headers
    if body:
        covered["content-length"] = str(len(body))  # the library sends it
    now = int(time.time())
    names = " ".join(f'"{name}"' for name in covered)
    params = f'({names});keyid="{KEY_ID}";created={now};expires={now + 60};nonce="{uuid.uuid4()}"'
    base = "\n".join(f'"{name}": {value}' for name, value in (covered | {"@signature-params": params}).items())
    headers["upvest-signature-version"] = "15"
    headers["signature-input"] = f"sig1={params}"
    headers["signature"] = f"sig1=:{base64.b64encode(KEY.sign(base.encode())).decode()}:"
    answer = requests.request(method, BASE + target, data=body, headers=headers, timeout=30)
    if not answer.ok:
        raise SystemExit(answer.text)
    return answer.json() if answer.content else None


form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": "users:read"}
token = call("POST", "/auth/token", urllib.parse.urlencode(form).encode(),
             content_type="application/x-www-form-urlencoded")["access_token"]
print(call("GET", "/users?limit=10", authorization=f"Bearer {token}"))
