/** The codec of Envoy's ext_authz messages against protobufjs, and against bytes that are none. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  type CheckRequest,
  decodeCheckResponse,
  encodeCheckRequest,
} from '../../../src/data/http/auth/check.ts'
import { readCheckRequest, type WireResponse, writeCheckResponse } from '../../support/ext-authz.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 200 })
const peer = fc.record({
  address: fc.oneof(fc.ipV4(), fc.ipV6()),
  port: fc.nat(65_535),
  principal: text,
})

const requests: fc.Arbitrary<CheckRequest> = fc.record({
  source: peer,
  destination: peer,
  time: fc.nat(4e12),
  id: text,
  method: text,
  headers: fc
    .uniqueArray(fc.tuple(fc.string({ minLength: 1 }), text), { selector: ([name]) => name })
    .map((pairs) => new Map(pairs)),
  path: text,
  host: text,
  scheme: fc.constantFrom('http', 'https'),
  size: fc.oneof(fc.constant(-1), fc.nat(), fc.constant(2 ** 50)),
  protocol: text,
  body: fc.oneof(text, fc.uint8Array({ minLength: 1, maxLength: 300 })),
  sni: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
})

describe('a CheckRequest', () => {
  it('says to protobufjs what was meant', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const read = readCheckRequest(encodeCheckRequest(request))
        for (const side of ['source', 'destination'] as const) {
          const { address, port, principal } = request[side]
          assert.equal(read[side].principal, principal)
          const { socketAddress } = read[side].address
          assert.equal(socketAddress.address, address)
          assert.equal(socketAddress.portValue, port)
        }
        const { time, http } = read.request
        assert.equal(Number(time.seconds) * 1000 + time.nanos / 1e6, request.time)
        for (const name of ['id', 'method', 'path', 'host', 'scheme', 'protocol'] as const) {
          assert.equal(http[name], request[name])
        }
        assert.equal(http.size, String(request.size))
        assert.deepEqual({ ...http.headers }, Object.fromEntries(request.headers))
        const { body } = request
        assert.equal(http.body, typeof body === 'string' ? body : '')
        const raw = typeof body === 'string' ? '' : Buffer.from(body).toString('base64')
        assert.equal(http.rawBody, raw)
        assert.equal(read.tlsSession?.sni, request.sni)
      }),
    )
  })
})

const wireHeader = fc.record(
  {
    header: fc.oneof(
      fc.record({ key: fc.string(), value: fc.string() }),
      fc.record({ key: fc.string(), rawValue: fc.uint8Array() }),
    ),
    append: fc.record({ value: fc.boolean() }),
    appendAction: fc.nat(3),
  },
  { requiredKeys: ['header'] },
)

type WireHeaders = NonNullable<NonNullable<WireResponse['okResponse']>['headers']>

function meant(headers: WireHeaders = []) {
  return headers.map(({ header, append, appendAction = 0 }) => ({
    name: header.key,
    value: Buffer.from(header.rawValue ?? header.value ?? '').toString('latin1'),
    append: append?.value,
    action: appendAction,
  }))
}

const denied = fc.record(
  {
    status: fc.record({ code: fc.nat(600) }),
    headers: fc.array(wireHeader, { maxLength: 4 }),
    body: text,
  },
  { requiredKeys: [] },
)
const ok = fc.record(
  {
    headers: fc.array(wireHeader, { maxLength: 4 }),
    headersToRemove: fc.array(fc.string()),
    responseHeadersToAdd: fc.array(wireHeader, { maxLength: 4 }),
    queryParametersToSet: fc.array(fc.record({ key: text, value: text })),
    queryParametersToRemove: fc.array(text),
  },
  { requiredKeys: [] },
)
const status = fc.option(fc.record({ code: fc.integer({ min: -1, max: 20 }), message: text }), {
  nil: undefined,
})

describe('a CheckResponse', () => {
  it('that allows is read as protobufjs wrote it', () => {
    fc.assert(
      fc.property(status, ok, (state, okResponse) => {
        const wire = { ...(state && { status: state }), okResponse }
        const { code, answer } = decodeCheckResponse(writeCheckResponse(wire))
        assert.equal(code, state?.code)
        assert.deepEqual(answer, {
          kind: 'ok',
          headers: meant(okResponse.headers),
          headersToRemove: okResponse.headersToRemove ?? [],
          responseHeaders: meant(okResponse.responseHeadersToAdd),
          queryToSet: (okResponse.queryParametersToSet ?? []).map(({ key, value }) => [key, value]),
          queryToRemove: okResponse.queryParametersToRemove ?? [],
        })
      }),
    )
  })

  it('that denies is read as protobufjs wrote it', () => {
    fc.assert(
      fc.property(status, denied, fc.boolean(), (state, words, isError) => {
        const own = isError ? { errorResponse: words } : { deniedResponse: words }
        const { code, answer } = decodeCheckResponse(
          writeCheckResponse({ ...(state && { status: state }), ...own }),
        )
        assert.equal(code, state?.code)
        assert.equal(answer?.kind, isError ? 'error' : 'denied')
        assert.equal(answer.status, words.status?.code)
        assert.deepEqual(answer.headers, meant(words.headers))
        assert.equal(Buffer.from(answer.body).toString(), words.body ?? '')
      }),
    )
  })

  it('that answers twice is none, and an empty one says nothing', () => {
    const parts = [
      writeCheckResponse({ status: { code: 7 } }),
      writeCheckResponse({ deniedResponse: {} }),
      writeCheckResponse({ okResponse: {} }),
      writeCheckResponse({ errorResponse: {} }),
    ]
    for (const [first, second] of [
      [0, 0],
      [1, 2],
      [2, 1],
      [2, 2],
      [2, 3],
    ] as const) {
      const bytes = Buffer.concat([parts[first] ?? '', parts[second] ?? ''].map(Buffer.from))
      assert.throws(() => decodeCheckResponse(bytes), /more than one answer/)
    }
    assert.deepEqual(decodeCheckResponse(new Uint8Array()), { code: undefined, answer: undefined })
  })

  it('of any bytes is read or refused, never more than its length', () => {
    const whole = fc.uint8Array({ maxLength: 400 })
    const cut = fc
      .tuple(ok, fc.nat(400))
      .map(([okResponse, end]) => writeCheckResponse({ okResponse }).subarray(0, end))
    fc.assert(
      fc.property(fc.oneof(whole, cut), (bytes) => {
        try {
          const { answer } = decodeCheckResponse(bytes)
          assert.ok(JSON.stringify(answer ?? {}).length < 20 * bytes.length + 300)
        } catch (error) {
          assert.ok(error instanceof Error && !(error instanceof assert.AssertionError), `${error}`)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
