// What the Node client tests share: client files, bodies, sending, checks, the runner of cases.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z$/;

export const UNKNOWN_USER = '3f0f4a4e-8f6e-4d6c-9d54-0c1d1c1e5a77';

const ADDRESS = {
  address_line1: 'Rosenweg 221',
  address_line2: 'apt. 33',
  city: 'Berlin',
  country: 'DE',
  postcode: '45678',
  state: 'BE',
};

export const BYOL_USER = {
  address: ADDRESS,
  birth_city: 'Berlin',
  birth_country: 'DE',
  birth_date: '1972-09-30',
  birth_name: 'Schmidt',
  first_name: 'Karl',
  last_name: 'Müller',
  nationalities: ['DE', 'AU'],
  postal_address: ADDRESS,
  salutation: 'SALUTATION_MALE',
  title: 'DR',
};

export const TOL_USER = {
  ...BYOL_USER,
  data_privacy_and_sharing_agreement: {
    confirmed_at: '2020-08-24T14:16:22Z',
    consent_document_id: 'fb1827c3-2b29-47e1-84da-996d09517edc',
  },
  email: 'karl.schmidt@example.com',
  fatca: { confirmed_at: '2020-08-24T14:15:22Z', status: false },
  phone_number: '4930901820',
  terms_and_conditions: {
    confirmed_at: '2020-08-24T14:14:22Z',
    consent_document_id: 'a8a87268-4f3c-4de2-abb9-a553a3bb7608',
  },
};

/** Reads the arguments: `{ byol, tol }`, each `{ url, id, secret, scopes, keys }`. */
export function loadClients() {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      'byol-client': { type: 'string' },
      'tol-client': { type: 'string' },
    },
  });
  const load = (option) => {
    const path = values[option];
    assert.ok(values.url && path, 'usage: --url URL --byol-client FILE.json --tol-client FILE.json');
    const data = JSON.parse(readFileSync(path, 'utf8'));
    const keys = {};
    for (const [name, key] of Object.entries(data.keys)) {
      keys[name] = {
        id: key.id,
        pem: readFileSync(resolve(dirname(path), key.file), 'utf8'),
        passphrase: key.passphrase,
      };
    }
    return {
      url: values.url.replace(/\/+$/, ''),
      id: data.client_id,
      secret: data.client_secret,
      scopes: data.scopes,
      keys,
    };
  };
  return { byol: load('byol-client'), tol: load('tol-client') };
}

/** Sends exactly these headers (and `host`, `connection`); resolves to status, headers, text. */
export function send(client, { method, target, headers, body }) {
  const url = new URL(client.url);
  const module = url.protocol === 'https:' ? https : http;
  return new Promise((done, failed) => {
    const request = module.request(
      { hostname: url.hostname, port: url.port, method, path: target, headers, timeout: 30_000 },
      (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', failed);
        response.on('end', () =>
          done({
            status: response.statusCode,
            headers: response.headers,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer within 30 s')));
    request.on('error', failed);
    request.end(body);
  });
}

function checkHeaders(response, type, what) {
  assert.match(response.headers['upvest-request-id'] ?? '', UUID, `${what}: upvest-request-id`);
  assert.equal((response.headers['content-type'] ?? '').split(';')[0].trim(), type, `${what}: content-type`);
}

/** 200 with JSON; returns the parsed body. */
export function succeeded(response, what) {
  assert.equal(response.status, 200, `${what}: expected 200, got ${response.status}: ${response.text}`);
  checkHeaders(response, 'application/json', what);
  return JSON.parse(response.text);
}

/** A problem of this status and type. */
export function refused(response, status, slug, what) {
  assert.equal(response.status, status, `${what}: expected ${status}, got ${response.status}: ${response.text}`);
  checkHeaders(response, 'application/problem+json', what);
  const problem = JSON.parse(response.text);
  assert.equal(problem.status, status, `${what}: status in the problem`);
  assert.equal(problem.type.split('/').at(-1), slug, `${what}: last segment of type`);
  assert.equal(problem.request_id, response.headers['upvest-request-id'], `${what}: request_id`);
}

export function checkToken(answer, scopes) {
  assert.match(answer.access_token, /^[a-zA-Z0-9\-._~+/]+=*$/, 'access_token');
  assert.ok(Number.isInteger(answer.expires_in) && answer.expires_in > 0, 'expires_in');
  assert.equal(answer.token_type, 'bearer', 'token_type');
  assert.deepEqual(answer.scope.split(' ').sort(), [...scopes].sort(), 'scope');
  return answer.access_token;
}

export function checkUser(answer, sent) {
  for (const [name, value] of Object.entries(sent)) {
    assert.deepEqual(answer[name], value, name);
  }
  assert.match(answer.id, UUID, 'id');
  assert.match(answer.created_at, TIMESTAMP, 'created_at');
  assert.match(answer.updated_at, TIMESTAMP, 'updated_at');
  assert.equal(answer.status, 'ACTIVE', 'status');
}

export function tokenForm(client) {
  return new URLSearchParams({
    client_id: client.id,
    client_secret: client.secret,
    grant_type: 'client_credentials',
    scope: client.scopes.join(' '),
  }).toString();
}

/**
 * Token, create, read, list. `api` has `fetchToken()`, `create(body)` and `get(target)`;
 * each resolves to a response.
 */
export async function tokenCreateReadList(api, body) {
  await api.fetchToken();
  const user = succeeded(await api.create(body), 'create user');
  checkUser(user, body);
  assert.deepEqual(succeeded(await api.get(`/users/${user.id}`), 'get user'), user, 'read user');

  for (let offset = 0; ; ) {
    const page = succeeded(await api.get(`/users?offset=${offset}&limit=1000`), 'list users');
    assert.equal(page.meta.offset, offset, 'meta.offset');
    assert.equal(page.meta.limit, 1000, 'meta.limit');
    assert.equal(page.meta.count, page.data.length, 'meta.count');
    const listed = page.data.find((item) => item.id === user.id);
    if (listed) {
      assert.deepEqual(listed, user, 'listed user');
      return;
    }
    offset += page.data.length;
    assert.ok(page.data.length > 0 && offset < page.meta.total_count, `user ${user.id} is not in the list`);
  }
}

/** Runs `[name, function]` pairs; prints `ok NAME` or `FAIL NAME: why`; sets the exit code. */
export async function runCases(cases) {
  for (const [name, run] of cases) {
    try {
      await run();
      console.log(`ok   ${name}`);
    } catch (error) {
      process.exitCode = 1;
      console.log(`FAIL ${name}: ${String(error.message).replace(/\s+/g, ' ')}`);
      console.error(error);
    }
  }
}
