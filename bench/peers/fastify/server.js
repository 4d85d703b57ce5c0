// Investord's main path, written the usual way with Fastify and PostgreSQL: node server.js PORT DATABASE_URL
import cluster from 'node:cluster'
import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import formbody from '@fastify/formbody'
import Fastify from 'fastify'
import pg from 'pg'

const [port, connectionString] = process.argv.slice(2)
const { CLIENT_ID = 'ebabcf4d-61c3-4942-875c-e265a7c2d062', CLIENT_SECRET = "a client's secret" } = process.env
const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8')
const db = new pg.Pool({ connectionString, max: 8, idleTimeoutMillis: 0 })
const sameWork = process.env.CLIENT_KEYS && (await import('./same_work.js'))

if (cluster.isPrimary) {
  await db.query(read(sameWork ? '../same_work.sql' : '../schema.sql'))
  await db.end()
  for (let worker = 0; worker < availableParallelism(); worker++) cluster.fork()
  cluster.on('exit', () => process.exit(1))
  process.on('SIGTERM', () => process.exit(0)) // the workers end with their primary
} else {
  await serve()
}

async function serve() {
  const ajv = { customOptions: { removeAdditional: false, coerceTypes: false, keywords: ['components', 'x-operating-model'] } }
  const app = Fastify({ logger: false, ajv })
  const { components, paths } = JSON.parse(read('../../../api/openapi.json'))
  app.addSchema({ $id: 'api', components: { schemas: components.schemas } })
  await app.register(formbody)

  const sha256 = (text) => createHash('sha256').update(text).digest()
  const user = ({ id, created_at, updated_at, status, person }) => ({ id, created_at, updated_at, ...person, status })
  const uuid = { type: 'string', format: 'uuid' }
  const number = { type: 'string', pattern: '^[0-9]{1,9}$' }

  app.get('/healthz', async () => ({ status: 'ok' }))

  const form = paths['/auth/token'].post.requestBody.content['application/x-www-form-urlencoded'].schema
  app.post('/auth/token', { schema: { body: form } }, async (request, reply) => {
    const { client_id, client_secret, scope } = request.body
    if (client_id !== CLIENT_ID || !timingSafeEqual(sha256(client_secret), sha256(CLIENT_SECRET)))
      return reply.code(401).send({ status: 401, title: 'Unauthorized' })
    const access_token = randomBytes(32).toString('base64url')
    const text = `INSERT INTO tokens (hash, client_id, scope, expires_at) VALUES ($1, $2, $3, now() + interval '1 day')`
    await db.query({ name: 'token', text, values: [sha256(access_token), client_id, scope] })
    return { access_token, expires_in: 86399, token_type: 'bearer', scope }
  })

  // One statement is one transaction, and one round trip.
  const create = `
    WITH fresh AS (
      INSERT INTO idempotency (key, digest, answer, created_at) VALUES ($1, $2, $3, $4)
      ON CONFLICT DO NOTHING RETURNING key
    ), event AS (
      INSERT INTO events (id, user_id, type, created_at) SELECT $5, $6, 'USER.CREATED', $4 FROM fresh
    )
    INSERT INTO users (id, created_at, updated_at, status, person) SELECT $6, $4, $4, 'ACTIVE', $7 FROM fresh`
  const headers = { type: 'object', required: ['idempotency-key'], properties: { 'idempotency-key': uuid } }
  const body = { $ref: 'api#/components/schemas/CreateUserByol' }
  const params = { type: 'object', properties: { id: uuid } }
  if (sameWork) {
    sameWork.routes(app, db, user, { headers, body, params })
    return app.listen({ host: '127.0.0.1', port: Number(port) })
  }
  app.post('/users', { schema: { headers, body } }, async (request, reply) => {
    const key = request.headers['idempotency-key']
    const digest = sha256(JSON.stringify(request.body))
    const person = { postal_address: request.body.address, ...request.body } // a copy unless sent; null is kept
    const [id, now] = [randomUUID(), new Date()]
    const answer = JSON.stringify(user({ id, created_at: now, updated_at: now, status: 'ACTIVE', person }))
    const values = [key, digest, answer, now, randomUUID(), id, JSON.stringify(person)]
    const { rowCount } = await db.query({ name: 'create', text: create, values })
    reply.type('application/json; charset=utf-8')
    if (rowCount === 1) return answer
    const text = 'SELECT digest, answer FROM idempotency WHERE key = $1'
    const { rows: [kept] } = await db.query({ name: 'kept', text, values: [key] })
    return kept.digest.equals(digest) ? kept.answer : reply.code(422).send({ status: 422, title: 'Unprocessable entity' })
  })

  app.get('/users/:id', { schema: { params } }, async (request, reply) => {
    const text = 'SELECT id, created_at, updated_at, status, person FROM users WHERE id = $1'
    const { rows: [row] } = await db.query({ name: 'read', text, values: [request.params.id] })
    return row ? user(row) : reply.code(404).send({ status: 404, title: 'Not found' })
  })

  const querystring = { type: 'object', properties: { offset: number, limit: number } }
  app.get('/users', { schema: { querystring } }, async (request) => {
    const { offset, limit } = { offset: Number(request.query.offset ?? 0), limit: Number(request.query.limit ?? 100) }
    const text = 'SELECT id, created_at, updated_at, status, person FROM users ORDER BY created_at, id LIMIT $1 OFFSET $2'
    const [page, total] = await Promise.all([
      db.query({ name: 'page', text, values: [limit, offset] }),
      db.query({ name: 'total', text: 'SELECT count(*)::int AS users FROM users' }),
    ])
    const meta = { offset, limit, count: page.rowCount, total_count: total.rows[0].users, sort: 'created_at', order: 'ASC' }
    return { meta, data: page.rows.map(user) }
  })

  await app.listen({ host: '127.0.0.1', port: Number(port) })
}
