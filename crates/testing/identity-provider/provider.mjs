// An OpenID provider for tests: node provider.mjs PORT
//
// People sign in by the parameter `login_hint`, without a page. PUT /test/people/SUB sets their claims, PUT
// /test/receiver the address that gets logout tokens. Prints its issuer when it is ready.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { Provider, interactionPolicy } from 'oidc-provider';

const server = createServer();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

// A native client, as one has that returns to the own machine, is otherwise asked for consent each time.
const policy = interactionPolicy.base();
policy.get('consent').checks.remove('native_client_prompt');

const people = new Map();
let receiver = 'http://127.0.0.1:1/';

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'investord',
      client_secret: 'kept from everybody',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/back', 'http://localhost/console/provider/done'],
      grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      backchannel_logout_uri: 'https://register.example/oidc/logout',
      backchannel_logout_session_required: true,
    },
  ],
  claims: { openid: ['sub', 'amr'], profile: ['preferred_username', 'groups'] },
  cookies: { keys: ['of a test'] },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    backchannelLogout: { enabled: true },
  },
  // Logout tokens go to the receiver; the way of the provider to connect is for https alone.
  fetch: (_, { dispatcher, ...options }) => fetch(receiver, options),
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...people.get(sub) }) }),
  interactions: { policy, url: (_, interaction) => `/test/interaction/${interaction.uid}` },
  // Nobody is asked whether the register may know their name.
  loadExistingGrant: async (ctx) => {
    const { oidc } = ctx;
    const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid profile');
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
});

async function bodyOf(request) {
  let text = '';
  for await (const part of request) text += part;
  return JSON.parse(text);
}

async function answerTest(request, response, [, , what, name]) {
  if (what === 'interaction') {
    const { params } = await provider.interactionDetails(request, response);
    const accountId = params.login_hint ?? 'anna';
    const amr = people.get(accountId)?.amr;
    await provider.interactionFinished(request, response, { login: { accountId, amr } });
    return;
  }
  if (what === 'people') people.set(name, await bodyOf(request));
  if (what === 'receiver') receiver = await bodyOf(request);
  response.end();
}

const callback = provider.callback();
server.on('request', (request, response) => {
  const parts = request.url.split('/');
  if (parts[1] !== 'test') {
    callback(request, response);
    return;
  }
  answerTest(request, response, parts).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
// Whoever has started it is gone, and so is it.
process.stdin.on('end', () => process.exit()).resume();
console.log(issuer);
