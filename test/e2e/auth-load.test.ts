/** Many requests at once before an external auth service, and what their bodies may take together. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { allow, ask, startEcho, startGuarded, startHttpAuth } from '../support/auth-service.ts'
import { startGrpcAuth } from '../support/ext-authz.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { startOrigin } from '../support/http-origin.ts'
import { grpcAuth } from '../support/http-proxy.ts'
import { until } from '../support/until.ts'

const COUNT = 1000
/** Of one connection: as many as gwproxy allows. */
const STREAMS = 100
const BODY = Buffer.alloc(100 * 1024, 'a')
const BODIES = 800
/** As the hub has it: 64 MiB of a worker. */
const HELD = 64 * 1024 * 1024
const limits = { authMs: 120_000, bodyIdleMs: 120_000 }

function countOf(statuses: readonly number[], status: number): number {
  return statuses.filter((one) => one === status).length
}

describe('external auth of 1,000 requests at once', () => {
  it('over HTTP allows each of them', async () => {
    using auth = await startHttpAuth(allow)
    using backend = await startEcho()
    await using proxy = await startGuarded(backend.port, { port: auth.port }, {}, { limits })
    const connections = Array.from({ length: COUNT / STREAMS }, () => connectH2(proxy.origin))
    const sessions = await Promise.all(connections)
    const streams = sessions.flatMap((session) =>
      Array.from({ length: STREAMS }, () => h2Request(session, { ':path': '/' })),
    )
    const statuses = (await Promise.all(streams)).map(({ status }) => status)
    assert.equal(countOf(statuses, 200), COUNT)
    for (const session of sessions) session.destroy()
    assert.equal(auth.asked.length, COUNT)
  })

  it('over gRPC allows and denies each as it should', async () => {
    using auth = await startGrpcAuth(({ request }) => ({
      status: { code: request.http.path.endsWith('7') ? 7 : 0 },
    }))
    using backend = await startEcho()
    const guard = { port: auth.port, service: grpcAuth() }
    await using proxy = await startGuarded(backend.port, guard, {}, { limits })
    const paths = Array.from({ length: COUNT }, (_, index) => `/${index}`)
    const all = await Promise.all(paths.map((path) => ask(proxy.port, { path })))
    const statuses = all.map(({ status }) => status)
    const denied = COUNT / 10
    assert.equal(countOf(statuses, 200), COUNT - denied)
    assert.equal(countOf(statuses, 403), denied)
    assert.equal(backend.lines.length, COUNT - denied)
  })

  it('holds so much of their bodies and no more, and frees it again', async () => {
    const open = Promise.withResolvers<void>()
    let answered = 0
    using auth = await startHttpAuth((_asked, response) => {
      open.promise.then(() => response.end(), assert.fail)
    })
    using backend = await startOrigin((request, response) => {
      request.resume().on('end', () => response.end())
    })
    const guard = { port: auth.port, maxBodyBytes: BODY.length }
    await using proxy = await startGuarded(backend.port, guard, {}, { limits })
    const all = Array.from({ length: BODIES }, async () => {
      // One that is refused may be cut while it still sends.
      await ask(proxy.port, { body: BODY }).catch(() => undefined)
      answered += 1
    })
    const refused = BODIES - Math.floor(HELD / BODY.length)
    await until(
      () => answered >= refused,
      () => `${answered} of ${refused} were refused`,
      60_000,
    )
    assert.ok(auth.asked.length * BODY.length <= HELD, `${auth.asked.length} bodies are held`)
    open.resolve()
    await Promise.all(all)
    for (const { status, reason } of proxy.records) {
      assert.equal(reason, status === 200 ? 'completed' : 'overload')
    }
    assert.ok(proxy.records.filter(({ status }) => status === 503).length >= refused)
    assert.equal((await ask(proxy.port, { body: BODY })).status, 200)
  })
})
