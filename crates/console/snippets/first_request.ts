// Node 22.18 or newer runs this as it is, without packages: node first_request.ts
import { createHash, createPrivateKey, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";

const base = "https://investord.example";
const [clientId, clientSecret, keyId] = ["CLIENT_ID", "CLIENT_SECRET", "KEY_ID"];
const key = createPrivateKey(readFileSync("ed25519.pem"));
type Headers = Record<string, string>;

/** Signs a request, sends it and returns the answer. A POST that creates also needs "idempotency-key": randomUUID(). */
async function call(method: string, target: string, body = "", extra: Headers = {}): Promise<any> {
  const { host, pathname: path, search: query } = new URL(base + target);
  const headers: Headers = { accept: "application/json", "upvest-client-id": clientId, ...extra };
  if (body) headers["content-digest"] = `sha-512=:${createHash("sha512").update(body).digest("base64")}:`;
  const covered: Headers = { "@method": method, "@authority": host, "@path": path, ...(query ? { "@query": query } : {}), ...headers };
  if (body) covered["content-length"] = String(Buffer.byteLength(body)); // fetch sends it
  const now = Math.floor(Date.now() / 1000);
  const names = Object.keys(covered).map((name) => `"${name}"`).join(" ");
  const params = `(${names});keyid="${keyId}";created=${now};expires=${now + 60};nonce="${randomUUID()}"`;
  const lines = Object.entries({ ...covered, "@signature-params": params });
  const signed = Buffer.from(lines.map(([name, value]) => `"${name}": ${value}`).join("\n"));
  headers["upvest-signature-version"] = "15";
  headers["signature-input"] = `sig1=${params}`;
  headers["signature"] = `sig1=:${sign(null, signed, key).toString("base64")}:`;
  const answer = await fetch(base + target, { method, headers, body: body || undefined });
  if (!answer.ok) throw new Error(await answer.text());
  const text = await answer.text();
  return text ? JSON.parse(text) : undefined;
}

const form = { grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret, scope: "users:read" };
const type = { "content-type": "application/x-www-form-urlencoded" };
const token = await call("POST", "/auth/token", new URLSearchParams(form).toString(), type);
console.log(await call("GET", "/users?limit=10", "", { authorization: `Bearer ${token.access_token}` }));
