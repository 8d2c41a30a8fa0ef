/**
 * Field sections of HTTP/2 under random damage, against nghttp2: what it refuses we refuse, what it
 * takes whole we take, and what it would drop a field of we refuse.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  requestProblem,
  responseProblem,
  trailersProblem,
} from '../../../src/wire/http2/message.ts'
import { requestFields, regularFields } from '../../support/http2-fields.ts'
import { type FieldList, judge, type Kind } from '../../support/http2-oracle.ts'

/** Judged in one session of nghttp2. */
const AT_ONCE = 200
const RUNS = 40

const NAMES = [
  ...[':method', ':path', ':scheme', ':authority', ':status', ':protocol', ':', 'host', 'te'],
  ...['content-length', 'connection', 'upgrade', 'transfer-encoding', 'keep-alive', 'X', '', 'a b'],
  ...['proxy-connection', 'cookie', 'trailer'],
]
const VALUES = [
  ...[
    '',
    'GET',
    'CONNECT',
    'OPTIONS',
    '/',
    '*',
    'http',
    'ftp',
    'a.test',
    'a@b',
    '200',
    '100',
    '204',
  ],
  ...[
    '101',
    '0',
    '5',
    '05',
    'trailers',
    'gzip',
    'chunked',
    ' a',
    'a ',
    '\0',
    'a\nb',
    '\x7f',
    '\xff',
  ],
]

interface Damage {
  readonly at: number
  readonly kind: 'remove' | 'insert' | 'name' | 'value' | 'character' | 'twice'
  readonly name: string
  readonly value: string
  readonly octet: number
}

const damage: fc.Arbitrary<Damage> = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('remove', 'insert', 'name', 'value', 'character', 'twice'),
  name: fc.constantFrom(...NAMES),
  value: fc.constantFrom(...VALUES),
  octet: fc.nat(255),
})

function damaged(fields: FieldList, damages: readonly Damage[]): FieldList {
  const result = [...fields]
  for (const { at, kind, name, value, octet } of damages) {
    const index = 2 * (at % (result.length / 2 + 1))
    switch (kind) {
      case 'remove':
        result.splice(index, 2)
        break
      case 'insert':
        result.splice(index, 0, name, value)
        break
      case 'name':
        if (index < result.length) result[index] = name
        break
      case 'value':
        if (index < result.length) result[index + 1] = value
        break
      case 'twice':
        result.splice(index, 0, ...result.slice(index, index + 2))
        break
      case 'character': {
        const place = at % Math.max(1, result.length)
        const text = result[place]
        if (text === undefined) break
        const cut = octet % (text.length + 1)
        result[place] = text.slice(0, cut) + String.fromCharCode(octet) + text.slice(cut + 1)
      }
    }
  }
  return result
}

const few = regularFields.map((fields) => fields.slice(0, 6).filter((text) => text.length < 400))
const SOUND: Readonly<Record<Kind, fc.Arbitrary<FieldList>>> = {
  request: requestFields.map((fields) => fields.slice(0, 14)),
  response: fc
    .tuple(fc.constantFrom('200', '204', '304', '103'), few)
    .map(([status, fields]) => [':status', status, ...even(fields)]),
  'request-trailers': few.map(even),
  'response-trailers': few.map(even),
}

function problemOf(kind: Kind, fields: FieldList): string | undefined {
  switch (kind) {
    case 'request':
      return requestProblem(fields)
    case 'response':
      return responseProblem(fields)
    default:
      return trailersProblem(fields)
  }
}

/** What nghttp2 takes, and we do not; see `message.test.ts`. */
function isStricter(kind: Kind, fields: FieldList, reason: string | undefined): boolean {
  return kind.endsWith('trailers') && reason === 'field in trailers' && !hasPseudo(fields)
}

/** The length that means nothing: nghttp2 drops it, we leave that to the reader. */
function isDropped(kind: Kind, fields: FieldList): boolean {
  return kind === 'response' && fields[1] === '204' && fields.includes('content-length')
}

describe('HTTP/2 messages', () => {
  for (const kind of ['request', 'response', 'request-trailers', 'response-trailers'] as const) {
    it(`a ${kind} is judged as nghttp2 does`, async () => {
      const judged = { taken: 0, refused: 0, dropped: 0 }
      const list = fc
        .tuple(SOUND[kind], fc.array(damage, { maxLength: 3 }))
        .map(([fields, damages]) => damaged(fields, damages))
      const lists = fc.array(list, { minLength: AT_ONCE, maxLength: AT_ONCE })
      await fc.assert(
        fc.asyncProperty(lists, async (all) => {
          const verdicts = await judge(kind, all)
          for (const [at, fields] of all.entries()) {
            const verdict = verdicts[at]
            const reason = problemOf(kind, fields)
            const said = `${JSON.stringify(fields)}: ${reason ?? 'taken'}, ${JSON.stringify(verdict)}`
            if (verdict === undefined) {
              judged.refused += 1
              assert.notEqual(reason, undefined, said)
            } else if (verdict.length === fields.length) {
              judged.taken += 1
              assert.deepEqual(verdict, fields)
              assert.ok(reason === undefined || isStricter(kind, fields, reason), said)
            } else {
              judged.dropped += 1
              assert.ok(reason !== undefined || isDropped(kind, fields), said)
            }
          }
        }),
        { numRuns: RUNS },
      )
      for (const count of Object.values(judged)) assert.ok(count > 50, JSON.stringify(judged))
    })
  }
})

function even(fields: FieldList): FieldList {
  return fields.slice(0, fields.length & ~1)
}

function hasPseudo(fields: FieldList): boolean {
  return fields.some((name, at) => at % 2 === 0 && name.startsWith(':'))
}
