// A client that knows only RFC 9421: npm http-message-signatures 1.0.6, Ed25519 and ECDSA P-256.

import { createHash, randomUUID } from 'node:crypto';

import { createSigner, httpbis } from 'http-message-signatures';

import * as common from './common.mjs';

const ALGORITHMS = { ed25519: 'ed25519', p256: 'ecdsa-p256-sha256' };

// The library's own parameters (keyid, alg, created, expires 300 s later), and a chosen order of all.
const PARAMETERS = {
  'own parameters': undefined,
  'with nonce': ['created', 'expires', 'keyid', 'nonce', 'alg'],
  'no alg': ['created', 'expires', 'keyid', 'nonce'],
};

class Api {
  constructor(client, key, params) {
    this.client = client;
    this.key = createSigner(client.keys[key].pem, ALGORITHMS[key], client.keys[key].id);
    this.params = params;
  }

  async prepare(method, target, extra = {}, body = undefined) {
    const headers = {
      accept: 'application/json',
      'upvest-client-id': this.client.id,
      'upvest-api-version': '1',
      ...extra,
    };
    if (this.token) {
      headers.authorization = `Bearer ${this.token}`;
    }
    if (body !== undefined) {
      headers['content-digest'] = `sha-512=:${createHash('sha512').update(body).digest('base64')}:`;
      headers['content-length'] = String(Buffer.byteLength(body));
    }
    const fields = ['@method', '@path', ...(target.includes('?') ? ['@query'] : []), ...Object.keys(headers).sort()];
    const config = { key: this.key, fields, paramValues: { nonce: randomUUID() } };
    if (this.params) {
      config.name = 'sig1';
      config.params = this.params;
      config.paramValues.expires = new Date(Date.now() + 60_000);
    }
    const message = { method, url: this.client.url + target, headers };
    const signed = await httpbis.signMessage(config, message);
    return { method, target, headers: { ...signed.headers, 'upvest-signature-version': '15' }, body };
  }

  async fetchToken() {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const request = await this.prepare('POST', '/auth/token', form, common.tokenForm(this.client));
    const answer = common.succeeded(await common.send(this.client, request), 'token');
    this.token = common.checkToken(answer, this.client.scopes);
  }

  async get(target) {
    return common.send(this.client, await this.prepare('GET', target));
  }

  prepareCreate(body) {
    const extra = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
    return this.prepare('POST', '/users', extra, JSON.stringify(body));
  }

  async create(body) {
    return common.send(this.client, await this.prepareCreate(body));
  }
}

async function refusals(api) {
  await api.fetchToken();
  common.refused(await api.get(`/users/${common.UNKNOWN_USER}`), 404, 'not_found', 'unknown user');

  const request = await api.prepareCreate(common.BYOL_USER);
  request.body = request.body.replace('"Karl"', '"Carl"');
  common.refused(await common.send(api.client, request), 401, 'unauthorised', 'body changed after signing');
}

const { byol, tol } = common.loadClients();
const name = 'http-message-signatures 1.0.6 (npm)';
const cases = [];
for (const key of Object.keys(ALGORITHMS)) {
  for (const [description, params] of Object.entries(PARAMETERS)) {
    cases.push([
      `${name}, ${key}, ${description}: token, create, read, list`,
      () => common.tokenCreateReadList(new Api(byol, key, params), common.BYOL_USER),
    ]);
  }
  cases.push([
    `${name}, ${key}, TOL: token, create, read, list`,
    () => common.tokenCreateReadList(new Api(tol, key, PARAMETERS['with nonce']), common.TOL_USER),
  ]);
  cases.push([`${name}, ${key}: refusals`, () => refusals(new Api(byol, key, PARAMETERS['with nonce']))]);
}
await common.runCases(cases);
