/**
 * Random exchanges with node:http2's server, many at once on one connection: the own client tells what
 * node:http2's client tells.
 */
import assert from 'node:assert/strict'
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import { after, before, it } from 'node:test'
import fc from 'fast-check'
import { type Origin, startH2Origin } from '../support/http-origin.ts'
import { begin, clientOf, GET, type Result } from '../support/upstream-calls.ts'

interface Plan {
  readonly method: string
  /** Sizes of the request's pieces; undefined: no body. */
  readonly sent: readonly number[] | undefined
  readonly hints: number
  readonly status: number
  readonly fields: OutgoingHttpHeaders
  readonly pieces: readonly number[]
  readonly trailers: OutgoingHttpHeaders | undefined
  readonly saysLength: boolean
  /** Waits for the request's end. */
  readonly reads: boolean
  /** Instead of the end. */
  readonly isCut: boolean
}

const size = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 40_000 }),
  fc.constantFrom(16_384, 16_385, 65_535, 65_536, 200_000),
)
const value = fc.oneof(
  fc.stringMatching(/^[!-~]{0,40}$/),
  fc.stringMatching(/^[a-z]$/).map((text) => text.repeat(2500)),
)
const someFields = fc.dictionary(fc.stringMatching(/^x-[a-z]{1,3}$/), value, { maxKeys: 5 })
const plans: fc.Arbitrary<Plan> = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT'),
  sent: fc.option(fc.array(size, { maxLength: 5 }), { nil: undefined }),
  hints: fc.integer({ min: 0, max: 3 }),
  status: fc.constantFrom(200, 200, 200, 204, 304, 404, 500),
  fields: someFields,
  pieces: fc.array(size, { maxLength: 6 }),
  trailers: fc.option(someFields, { nil: undefined }),
  saysLength: fc.boolean(),
  reads: fc.boolean(),
  isCut: fc.constantFrom(false, false, false, true),
})

function serve(stream: ServerHttp2Stream, plan: Plan): void {
  for (let i = 0; i < plan.hints; i += 1) {
    stream.additionalHeaders({ ':status': 103, link: `</${i}>` })
  }
  const { status, fields, pieces, trailers, isCut } = plan
  const hasBody = plan.method !== 'HEAD' && status !== 204 && status !== 304
  const length = pieces.reduce((sum, bytes) => sum + bytes, 0)
  const answer = (): void => {
    if (stream.destroyed) return
    const head = {
      ':status': status,
      ...fields,
      ...(plan.saysLength && status !== 204 && { 'content-length': length }),
    }
    if (!hasBody) {
      stream.respond(head, { endStream: true })
      return
    }
    const mayTrail = trailers !== undefined && !isCut
    stream.respond(head, { waitForTrailers: mayTrail })
    if (mayTrail) stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    for (const [index, bytes] of pieces.entries()) stream.write(Buffer.alloc(bytes, 97 + index))
    // With `close` Node may send empty frames without end.
    if (isCut) stream.destroy(new Error('cut'))
    else stream.end()
  }
  if (plan.reads && plan.sent !== undefined) stream.on('end', answer).resume()
  else {
    stream.resume()
    answer()
  }
}

let origin: Origin
before(async () => {
  origin = await startH2Origin((stream, headers) => {
    serve(stream, JSON.parse(String(headers['x-plan'])))
  })
})
after(() => origin[Symbol.dispose]())

type Kind = 'own h2' | 'nghttp2'

function run(client: ReturnType<typeof clientOf>, plan: Plan): Promise<Result> {
  const { sent, ...rest } = plan
  const body = sent && Readable.from(sent.map((bytes) => Buffer.alloc(bytes, 'r')))
  const fields = ['x-plan', JSON.stringify({ ...rest, sent: sent && [] })]
  const contentLength = sent?.reduce((sum, bytes) => sum + bytes, 0)
  return begin(client, { ...GET, method: plan.method, fields, body, contentLength }).over
}

async function results(kind: Kind, list: readonly Plan[]): Promise<Result[]> {
  const client = clientOf(kind, origin.port)
  const all = await Promise.all(list.map((plan) => run(client, plan)))
  client.close()
  return all
}

/** Without what differs from one answer to the next. */
function comparable({ fields = [], ...result }: Result, isCut: boolean) {
  const kept = fields.filter((_, i) => fields[i - (i % 2)] !== 'date')
  // How much of it came before the reset is a race.
  return isCut ? { outcome: result.outcome } : { ...result, fields: kept }
}

it('the own client and node:http2 tell the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(plans, { minLength: 1, maxLength: 12 }), async (list) => {
      const [own, oracle] = [await results('own h2', list), await results('nghttp2', list)]
      for (const [i, plan] of list.entries()) {
        const { isCut } = plan
        const [mine, theirs] = [own[i], oracle[i]]
        if (mine === undefined || theirs === undefined) throw new Error('no result')
        assert.deepEqual(comparable(mine, isCut), comparable(theirs, isCut), JSON.stringify(plan))
      }
    }),
    { numRuns: 60 },
  )
})
