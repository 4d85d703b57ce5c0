// The work of Investord's main path in the usual way, for server.js: signatures, encryption, a chain of events.
import { createCipheriv, createDecipheriv, createHash, createPublicKey, randomBytes, randomUUID, verify } from 'node:crypto'

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

// CLIENT_KEYS: public keys of the client as PEM, by id.
const keys = new Map(Object.entries(JSON.parse(process.env.CLIENT_KEYS)).map(([id, pem]) => [id, createPublicKey(pem)]))
// The workers inherit it from their primary.
const masterKey = Buffer.from((process.env.MASTER_KEY ??= randomBytes(32).toString('hex')), 'hex')

function seal(key, plain) {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function open(key, sealed) {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12))
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
}

// Checks content digest and signature (RFC 9421); returns the nonce of the message.
function check(request) {
  const { headers, rawBody } = request
  const refuse = (why) => Object.assign(new Error(why), { statusCode: 401 })
  const [, components, parameters] = /^sig1=\(([^)]*)\)(.*)$/.exec(headers['signature-input'] ?? '') ?? []
  if (components === undefined) throw refuse('no signature')
  const parameter = (name) => new RegExp(`;${name}="?([^;"]*)`).exec(parameters)?.[1]
  const key = keys.get(parameter('keyid'))
  const now = Date.now() / 1000
  if (!key || !(parameter('created') <= now + 5) || !(parameter('expires') > now)) throw refuse('expired or unknown key')
  if (rawBody) {
    const digest = `sha-512=:${createHash('sha512').update(rawBody).digest('base64')}:`
    if (headers['content-digest'] !== digest) throw refuse('another digest')
  }
  const [path, query] = request.url.split('?')
  const derived = { '@method': request.method, '@path': path, '@query': `?${query}` }
  const lines = components.split(' ').map((component) => {
    const name = component.slice(1, -1)
    return `"${name}": ${derived[name] ?? headers[name]}\n`
  })
  const base = `${lines.join('')}"@signature-params": (${components})${parameters}`
  const signature = Buffer.from(headers.signature.slice('sig1=:'.length, -1), 'base64')
  const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha512'
  if (!verify(hash, Buffer.from(base), key, signature)) throw refuse('another signature')
  return parameter('nonce')
}

const lock = 'UPDATE chain SET number = number + 2 WHERE tenant = 1 RETURNING number, hash'
// One statement writes everything that the chain does not decide about, and one moves the chain.
const insert = `
  WITH nonce AS (INSERT INTO nonces (hash, until) VALUES ($1, now() + interval '5 minutes')),
  kept AS (INSERT INTO idempotency (key, digest, answer, created_at) VALUES ($2, $3, $4, $5)),
  owner AS (INSERT INTO users (id, created_at, updated_at, status, data_key, person) VALUES ($6, $5, $5, 'ACTIVE', $7, $8)),
  number AS (INSERT INTO identifiers (id, user_id, created_at, sealed) VALUES ($9, $6, $5, $10)),
  events AS (INSERT INTO events (number, id, user_id, type, created_at, sealed, hash)
    VALUES ($11, $12, $6, 'USER.CREATED', $5, $13, $14), ($15, $16, $6, 'USER.ACTIVATED', $5, $17, $18))
  UPDATE chain SET hash = $18 WHERE tenant = 1`

async function create(db, request, user) {
  const key = request.headers['idempotency-key']
  const now = new Date()
  const id = randomUUID()
  const person = { postal_address: request.body.address, ...request.body }
  const dataKey = randomBytes(32)
  const answer = JSON.stringify(user({ id, created_at: now, updated_at: now, status: 'ACTIVE', person }))
  const reported = `${person.nationalities[0]}${person.birth_date.replaceAll('-', '')}${person.first_name}${person.last_name}`
  const [sealedPerson, sealedNumber] = [JSON.stringify(person), reported].map((plain) => seal(dataKey, plain))
  const events = [0, 1].map(() => ({ id: randomUUID(), sealed: seal(dataKey, answer) }))
  const connection = await db.connect()
  try {
    await connection.query('BEGIN')
    const { rows: [end] } = await connection.query({ name: 'lock', text: lock })
    const first = sha256(end.hash, events[0].id, events[0].sealed)
    const second = sha256(first, events[1].id, events[1].sealed)
    const digest = sha256(JSON.stringify(request.body))
    const values = [
      sha256(request.nonce), key, digest, seal(dataKey, answer), now, id, seal(masterKey, dataKey), sealedPerson,
      randomUUID(), sealedNumber, end.number - 1, events[0].id, events[0].sealed, first,
      end.number, events[1].id, events[1].sealed, second,
    ]
    await connection.query({ name: 'insert', text: insert, values })
    await connection.query('COMMIT')
    return answer
  } catch (error) {
    await connection.query('ROLLBACK')
    throw error
  } finally {
    connection.release()
  }
}

async function read(db, id, user) {
  const text = 'SELECT id, created_at, updated_at, status, data_key, person FROM users WHERE id = $1'
  const { rows: [row] } = await db.query({ name: 'read', text, values: [id] })
  return row && user({ ...row, person: JSON.parse(open(open(masterKey, row.data_key), row.person)) })
}

// The routes; tokens are those of server.js.
export function routes(app, db, user, { headers, body, params }) {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, raw, done) => {
    request.rawBody = raw
    done(null, JSON.parse(raw))
  })
  const preHandler = async (request) => { request.nonce = check(request) }
  app.post('/users', { schema: { headers, body }, preHandler }, async (request, reply) => {
    reply.type('application/json; charset=utf-8')
    return create(db, request, user)
  })
  app.get('/users/:id', { schema: { params }, preHandler }, async (request, reply) =>
    (await read(db, request.params.id, user)) ?? reply.code(404).send({ status: 404, title: 'Not found' }))
}
