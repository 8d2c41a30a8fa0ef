/**
 * Fuzz target: the HTTP normaliser. Heads put together from hostile pieces, over both protocols:
 * nothing throws, and what is accepted is unambiguous: reading it again, as an upstream would,
 * gives the same request, and nothing that the client sent can frame or identify it.
 */
import assert from 'node:assert/strict'
import { prepareRequestFields, sealRequestFields } from '../../src/data/http/headers.ts'
import {
  normalizeHttp1,
  normalizeHttp2,
  type Normalized,
  type RequestHead,
} from '../../src/data/http/normalize.ts'
import { TrustedProxies } from '../../src/data/trusted-proxies.ts'
import { pathForm } from '../../src/match/http/path-form.ts'
import type { FuzzTarget } from './campaign.ts'
import type { FuzzRandom } from './random.ts'

export const httpNormalizer: FuzzTarget = { name: 'http-normalizer', prepare }

const METHODS = [
  'GET',
  'POST',
  'HEAD',
  'CONNECT',
  'TRACE',
  'OPTIONS',
  'get',
  'G T',
  '',
  'PRI',
  'G\r\nX',
]
const PIECES = [
  ...[
    '/',
    '//',
    '/a',
    '/a/b',
    '.',
    '..',
    '/..;',
    '%2e',
    '%2E%2e',
    '%2f',
    '%5c',
    '%00',
    '%',
    '%zz',
    '%41',
  ],
  ...[
    '%c3%a9',
    '%ff',
    '%25',
    '%3b',
    '\\',
    '#',
    '?',
    '&',
    '=',
    '*',
    ' ',
    '\t',
    '\0',
    '\r\n',
    '\x7f',
    '\xe9',
  ],
  ...[
    'http://',
    'https://',
    'HTTP://b.test',
    '@',
    ':',
    ':80',
    ':99999',
    '[::1]',
    'a.test',
    ';',
    '🙂',
  ],
]
const HOSTS = [
  ...[
    'a.test',
    'A.TEST.',
    'b.test:80',
    '[::1]:8080',
    '127.0.0.1',
    '',
    'a b',
    'x@a.test',
    'a.test, b.test',
  ],
  ...[
    'a.test:',
    'a..test',
    '-a.test',
    '__proto__',
    '0x7f.1',
    '127.1',
    'a.test/x',
    'a\0.test',
    '*.test',
  ],
]
const NAMES = [
  ...[
    'Host',
    'host',
    'Content-Length',
    'content-length',
    'Content_Length',
    'Transfer-Encoding',
    'TE',
  ],
  ...[
    'transfer_encoding',
    'Connection',
    'Upgrade',
    'Expect',
    'Cookie',
    'X-Forwarded-For',
    '__proto__',
  ],
  ...[
    'X_Forwarded_For',
    'X-Envoy-Y',
    'Forwarded',
    'X-Real-IP',
    'Trailer',
    '',
    'a b',
    'a:b',
    ':path',
    'x\xe9',
  ],
]
const VALUES = [
  ...[
    'chunked',
    'CHUNKED',
    ' chunked',
    'gzip, chunked',
    'identity',
    '0',
    '1',
    '007',
    '+1',
    '-1',
    '1, 1',
    '0x1',
  ],
  ...[
    '99999999999999999999',
    '',
    'close',
    'keep-alive, upgrade',
    'host, x-forwarded-for',
    'websocket',
    'h2c',
  ],
  ...[
    '100-continue',
    '200-ok',
    'trailers',
    'for=evil',
    'a=1',
    'a\r\nb: c',
    '\0',
    '\xff',
    'x'.repeat(300),
  ],
]
const FACTS = { peerAddress: '192.0.2.7', localPort: 443, trusted: new TrustedProxies([]) }

async function prepare(): Promise<(random: FuzzRandom) => void> {
  return (random) => {
    if (random.below(2) === 0) judge(fuzzHttp1(random))
    else judge(fuzzHttp2(random))
  }
}

function fuzzHttp1(random: FuzzRandom): Normalized {
  const rawFields = random.below(4) === 0 ? [] : ['Host', pick(HOSTS, random)]
  const version = pick(['1.1', '1.1', '1.1', '1.0', '0.9', '2.0'], random)
  const head = { version, method: pick(METHODS, random), target: target(random) }
  return normalizeHttp1({ ...head, rawFields: [...rawFields, ...fields(random)] }, 'http')
}

function fuzzHttp2(random: FuzzRandom): Normalized {
  const raw = [':method', pick(METHODS, random), ':path', target(random), ':scheme', 'http']
  if (random.below(4) > 0) raw.push(':authority', pick(HOSTS, random))
  return normalizeHttp2([...raw, ...fields(random)], random.below(2) === 0, 'http')
}

function judge(normalized: Normalized): void {
  if (!normalized.ok) {
    assert.ok(normalized.reason.length > 0)
    return
  }
  const { head } = normalized
  assert.match(head.target, /^\/[\x21-\x22\x24-\x7e]*$/)
  assert.doesNotMatch(head.path, /[?#\\]|%2f|%5c|%00|\/\.{1,2}(?:\/|;|$)/i)
  assert.deepEqual(pathForm(head.path), { ok: true, path: head.path })
  assert.ok(head.method !== 'CONNECT' && head.method !== 'TRACE')
  judgeForwarded(head)
}

/** The head as the upstream gets it, read by the same rules. */
function judgeForwarded(head: RequestHead): void {
  const { authority, target: sent, path, query, method, body } = head
  prepareRequestFields(head, FACTS)
  assert.equal(head.fields.get('x-forwarded-for'), FACTS.peerAddress)
  const { host, raw } = sealRequestFields(head.fields)
  const again = normalizeHttp1(
    { version: '1.1', method, target: sent, rawFields: ['Host', host, ...raw, ...framing(body)] },
    'http',
  )
  if (!again.ok) assert.fail(`the upstream would refuse it: ${again.reason} ${again.detail}`)
  const { head: seen } = again
  assert.deepEqual(
    [seen.authority, seen.path, seen.query, seen.body],
    [authority, path, query, body],
  )
  assert.equal(seen.websocket || seen.expectContinue, false)
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase().replaceAll('_', '-')
    assert.doesNotMatch(name, /^(?:content-length|transfer-encoding|connection|upgrade|x-envoy)/)
    assert.doesNotMatch(raw[i + 1] ?? '', /[\0\r\n]/)
    if (/forwarded|real-ip/.test(name)) assert.doesNotMatch(raw[i + 1] ?? '', /evil/)
  }
}

function framing(body: RequestHead['body']): string[] {
  if (body.kind === 'length') return ['Content-Length', String(body.bytes)]
  return body.kind === 'stream' ? ['Transfer-Encoding', 'chunked'] : []
}

function target(random: FuzzRandom): string {
  const pieces = Array.from({ length: random.below(6) }, () => pick(PIECES, random))
  return (random.below(3) > 0 ? '/' : '') + pieces.join('')
}

function fields(random: FuzzRandom): string[] {
  return Array.from({ length: random.below(5) }, () => [
    pick(NAMES, random),
    pick(VALUES, random),
  ]).flat()
}

function pick(list: readonly string[], random: FuzzRandom): string {
  return list[random.below(list.length)] ?? ''
}
