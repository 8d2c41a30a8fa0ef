/** gRPC lookup against a plain reading of the same matches, and the corners by hand. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isGrpcContent } from '../../../src/match/grpc/table.ts'
import type { GrpcMatch, NameMatch } from '../../../src/model/http.ts'
import { grpcLookup } from '../../support/route-tables.ts'

const name = fc.option(
  fc.record({
    kind: fc.constantFrom('exact' as const, 'regex' as const),
    value: fc.constantFrom('a', 'b', 'a.b'),
  }),
  { nil: undefined },
)
const header = fc.record({
  name: fc.constant('x'),
  kind: fc.constant('exact' as const),
  value: fc.constantFrom('1', '2'),
})
const matches = fc.array(
  fc.record({ service: name, method: name, headers: fc.array(header, { maxLength: 1 }) }),
  { maxLength: 8 },
)
const call = fc.record({
  service: fc.constantFrom('a', 'b', 'a.b', 'axb', 'c'),
  method: fc.constantFrom('a', 'b', 'c'),
  x: fc.option(fc.constantFrom('1', '2'), { nil: undefined }),
})

type Drawn = Pick<GrpcMatch, 'headers'> & {
  readonly service: NameMatch | undefined
  readonly method: NameMatch | undefined
}

/** Exact services first: what the table may rely on. */
function sorted(drawn: readonly Drawn[]): GrpcMatch[] {
  const rank = ({ service }: Drawn) => (service?.kind === 'exact' ? 0 : 1)
  return drawn
    .toSorted((a, b) => rank(a) - rank(b))
    .map(({ service, method, headers }, rule) => ({
      ...(service && { service }),
      ...(method && { method }),
      headers,
      rule,
    }))
}

function fits(wanted: NameMatch | undefined, actual: string): boolean {
  if (wanted === undefined) return true
  return wanted.kind === 'exact'
    ? wanted.value === actual
    : new RegExp(`^(?:${wanted.value})$`).test(actual)
}

describe('gRPC lookup', () => {
  it('gives the first match of the list that fits', () => {
    fc.assert(
      fc.property(matches, call, (drawn, { service, method, x }) => {
        const list = sorted(drawn)
        const found = grpcLookup([{ hostname: '', matches: list }])({
          host: 'h.test',
          path: `/${service}/${method}`,
          header: () => x,
        })
        const expected = list.find(
          (match) =>
            fits(match.service, service) &&
            fits(match.method, method) &&
            match.headers.every(({ value }) => value === x),
        )
        assert.deepEqual(found, expected)
      }),
    )
  })

  const find = grpcLookup([
    { hostname: 'a.test', matches: [{ service: exact('a.B'), headers: [], rule: 0 }] },
    { hostname: '*.test', matches: [{ headers: [], rule: 1 }] },
  ])
  const lookup = (host: string | undefined, path: string) =>
    find({ host, path, header: () => undefined })?.rule

  it('tries the more specific hostname first, then the next', () => {
    assert.equal(lookup('a.test', '/a.B/Get'), 0)
    assert.equal(lookup('a.test', '/a.C/Get'), 1)
    assert.equal(lookup('b.test', '/a.B/Get'), 1)
    assert.equal(lookup(undefined, '/a.B/Get'), undefined)
  })

  it('takes only /service/method for a call with names', () => {
    for (const path of ['/a.B', '/a.B/', '//Get', '/a.B/Get/more', '/', '/a.b/Get']) {
      assert.equal(lookup('a.test', path), 1, path)
    }
  })
})

describe('the content type', () => {
  for (const [type, isGrpc] of [
    ['application/grpc', true],
    ['application/grpc+proto', true],
    ['Application/GRPC; charset=x', true],
    ['application/grpc-web', false],
    ['application/grpcx', false],
    ['application/json', false],
    [undefined, false],
  ] as const) {
    it(`${type} is ${isGrpc ? '' : 'not '}gRPC`, () => assert.equal(isGrpcContent(type), isGrpc))
  }
})

function exact(value: string): NameMatch {
  return { kind: 'exact', value }
}
