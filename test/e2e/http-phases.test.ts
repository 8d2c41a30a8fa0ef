/** Where the time of an exchange went, and what became of its session, in the record of its end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { it } from 'node:test'
import type { ExchangeRecord } from '../../src/observe/access-log.ts'
import { startOrigin } from '../support/http-origin.ts'
import { startProxy } from '../support/http-proxy.ts'
import { until } from '../support/until.ts'

/** Long enough to be told from the rest, however busy the machine. */
const PHASE_MS = 150
/** A timer may come a little early, and on a busy machine what begins a phase is read late. */
const LEAST_MS = PHASE_MS / 2

function ask(
  { origin }: { readonly origin: string },
  headers: http.OutgoingHttpHeaders = {},
): Promise<http.IncomingMessage> {
  return answerTo(http.get(origin, { headers, agent: false }))
}

async function answerTo(request: http.ClientRequest): Promise<http.IncomingMessage> {
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response
}

async function recordOf(proxy: { readonly records: readonly ExchangeRecord[] }, count = 1) {
  await until(() => proxy.records.length >= count)
  const record = proxy.records[count - 1]
  assert.ok(record !== undefined)
  return record
}

it('slow bodies, heads and answers are told apart', async () => {
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    request.resume()
    await once(request, 'end')
    await setTimeout(PHASE_MS)
    response.write('head')
    await setTimeout(PHASE_MS)
    response.end('tail')
  }
  using origin = await startOrigin((...call) => void answer(...call))
  await using proxy = await startProxy({
    listeners: [{ hostname: '', rules: [{ ports: [origin.port] }] }],
  })
  const headers = { 'transfer-encoding': 'chunked' }
  const request = http.request(proxy.origin, { method: 'POST', headers, agent: false })
  request.write('a')
  await once(origin.server, 'request')
  await setTimeout(PHASE_MS)
  request.end('b')
  await answerTo(request)
  const record = await recordOf(proxy)
  const { requestMs = 0, connectMs, upstreamMs = 0, responseMs = 0, durationMs } = record
  assert.ok(requestMs >= LEAST_MS, `request ${requestMs}`)
  assert.ok(upstreamMs >= requestMs + LEAST_MS - 20, `upstream ${upstreamMs}`)
  assert.ok(responseMs >= LEAST_MS, `response ${responseMs}`)
  assert.ok(connectMs !== undefined && connectMs < upstreamMs, `connect ${connectMs}`)
  assert.ok(upstreamMs + responseMs <= durationMs, `${durationMs} in all`)
})

it('a request without a body has no time of its body, a refused one none of an answer', async () => {
  using origin = await startOrigin((_, response) => void response.end())
  await using proxy = await startProxy({
    listeners: [{ hostname: 'a.test', rules: [{ ports: [origin.port] }] }],
  })
  await ask(proxy, { host: 'a.test' })
  const served = await recordOf(proxy)
  assert.equal(served.requestMs, undefined)
  assert.ok(served.responseMs !== undefined && served.connectMs !== undefined)
  await ask(proxy, { host: 'b.test' })
  const refused = await recordOf(proxy, 2)
  assert.deepEqual(
    [refused.connectMs, refused.upstreamMs, refused.responseMs],
    Array(3).fill(undefined),
  )
})

it('a session is new, kept, or moved', async () => {
  using one = await startOrigin((_, response) => void response.end())
  using two = await startOrigin((_, response) => void response.end())
  const session = {
    scope: 'HTTPRoute/default/web/#0',
    carrier: { kind: 'header' as const, name: 'x-session' },
  }
  const rule = { session }
  await using both = await startProxy({
    listeners: [{ hostname: '', rules: [{ ...rule, ports: [one.port, two.port] }] }],
  })
  const first = await ask(both)
  const token = String(first.headers['x-session'])
  await ask(both, { 'x-session': token })
  await ask(both, { 'x-session': 'of somebody else' })
  assert.equal((await recordOf(both, 1)).session, 'new')
  assert.equal((await recordOf(both, 2)).session, 'kept')
  assert.equal((await recordOf(both, 3)).session, 'new')

  const [gone] = both.records
  const left = gone?.endpoint?.endsWith(`:${one.port}`) === true ? two : one
  await using other = await startProxy({
    listeners: [{ hostname: '', rules: [{ ...rule, ports: [left.port] }] }],
  })
  await ask(other, { 'x-session': token })
  assert.equal((await recordOf(other)).session, 'moved')

  await using plain = await startProxy({
    listeners: [{ hostname: '', rules: [{ ports: [left.port] }] }],
  })
  await ask(plain, { 'x-session': token })
  assert.equal((await recordOf(plain)).session, undefined)
})
