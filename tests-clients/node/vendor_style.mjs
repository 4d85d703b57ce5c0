// A client with the habits of the vendor's JavaScript example (axios 1.4): draft 15, ECDSA P-521
// with SHA-512 and DER, its order of components and parameters, expires = created + 5 s, an
// idempotency-key on DELETE, no content-length there. Written with node:crypto only.

import assert from 'node:assert/strict';
import { createHash, createSign, randomUUID } from 'node:crypto';

import * as common from './common.mjs';

class Api {
  constructor(client, key) {
    this.client = client;
    this.key = client.keys[key];
  }

  prepare(method, target, extra = {}, body = undefined) {
    const created = Math.floor(Date.now() / 1000);
    const headers = { Accept: 'application/json' };
    if (extra['Content-Type']) {
      headers['Content-Type'] = extra['Content-Type'];
    }
    headers['upvest-client-id'] = this.client.id;
    headers['upvest-api-version'] = '1';
    if (extra['idempotency-key']) {
      headers['idempotency-key'] = extra['idempotency-key'];
    }
    if (this.token) {
      headers.authorization = `Bearer ${this.token}`;
    }
    headers.date = new Date(created * 1000).toUTCString();
    if (body !== undefined) {
      headers['content-length'] = String(Buffer.byteLength(body));
      headers['content-digest'] = `sha-512=:${createHash('sha512').update(body).digest('base64')}:`;
    }

    const [path, query] = target.split('?');
    const components = [['@method', method], ['@path', path]];
    if (query !== undefined) {
      components.push(['@query', `?${query}`]);
    }
    for (const [name, value] of Object.entries(headers)) {
      components.push([name.toLowerCase(), value]);
    }
    const names = components.map(([name]) => `"${name}"`).join(' ');
    const parameters =
      `(${names});keyid="${this.key.id}";created=${created};expires=${created + 5};nonce="${randomUUID()}"`;
    const base = [...components, ['@signature-params', parameters]]
      .map(([name, value]) => `"${name}": ${value}`)
      .join('\n');
    const signature = createSign('SHA512')
      .update(base)
      .sign({ key: this.key.pem, passphrase: this.key.passphrase }, 'base64');

    headers['signature-input'] = `sig1=${parameters}`;
    headers.signature = `sig1=:${signature}:`;
    headers['upvest-signature-version'] = '15';
    return { method, target, headers, body };
  }

  async fetchToken() {
    const type = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const request = this.prepare('POST', '/auth/token', type, common.tokenForm(this.client));
    const answer = common.succeeded(await common.send(this.client, request), 'token');
    this.token = common.checkToken(answer, this.client.scopes);
  }

  get(target) {
    return common.send(this.client, this.prepare('GET', target));
  }

  prepareCreate(body) {
    const extra = { 'Content-Type': 'application/json', 'idempotency-key': randomUUID() };
    return this.prepare('POST', '/users', extra, JSON.stringify(body));
  }

  create(body) {
    return common.send(this.client, this.prepareCreate(body));
  }
}

async function refusals(api) {
  await api.fetchToken();
  const request = api.prepareCreate(common.BYOL_USER);
  request.headers['idempotency-key'] = randomUUID();
  common.refused(await common.send(api.client, request), 401, 'unauthorised', 'a covered header changed');

  // A header that is covered and not there: what the example sends with axios 1.5 and later.
  const incomplete = api.prepare('GET', '/users?limit=1');
  delete incomplete.headers.date;
  common.refused(await common.send(api.client, incomplete), 401, 'unauthorised', 'a covered header missing');

  const uncovered = api.prepare('GET', '/users');
  uncovered.target = '/users?limit=1';
  common.refused(await common.send(api.client, uncovered), 401, 'unauthorised', 'a query that is not covered');
}

const { byol, tol } = common.loadClients();
const name = "like the vendor's JavaScript example, P-521";
const cases = [];
for (const key of ['p521', 'p521-encrypted', 'p521-traditional']) {
  for (const [model, client, body] of [['BYOL', byol, common.BYOL_USER], ['TOL', tol, common.TOL_USER]]) {
    assert.ok(client.keys[key], `${model} client has no key ${key}`);
    cases.push([
      `${name}, ${model}, ${key}: token, create, read, list`,
      () => common.tokenCreateReadList(new Api(client, key), body),
    ]);
  }
}
cases.push([`${name}: refusals`, () => refusals(new Api(byol, 'p521'))]);
await common.runCases(cases);
