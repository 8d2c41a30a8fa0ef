/** What an operator chooses of the access log: text, samples, lines left out. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ExchangeRecord } from '../../../src/observe/access-log.ts'
import {
  type AccessLogSettings,
  DEFAULT_ACCESS_LOG,
  parseSkipRule,
} from '../../../src/observe/access-log-settings.ts'
import { createAccessLog, NO_ACCESS_LOG } from '../../../src/observe/access-log-writer.ts'
import { CONNECTION, EXCHANGE as REFUSED, recordingSink } from './records.ts'

/** One that went well. */
const EXCHANGE: ExchangeRecord = {
  ...REFUSED,
  path: '/x',
  protocol: 'HTTP/2.0',
  status: 200,
  attempts: 1,
  reason: 'completed',
  detail: undefined,
}

function lines(
  choice: Partial<AccessLogSettings>,
  write: (log: ReturnType<typeof createAccessLog>) => void,
  random?: () => number,
): string[] {
  const { sink, lines: seen } = recordingSink()
  write(createAccessLog(sink, { ...DEFAULT_ACCESS_LOG, ...choice }, random))
  return seen
}

/** The combined format, as readers of it expect. */
const COMBINED =
  /^(\S+) (\S+) (\S+) \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\S+) (\S+) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"(.*)\n$/

describe('access log as text', () => {
  it('is the combined format with our facts behind it', () => {
    assert.deepEqual(
      lines({ format: 'text' }, (log) => {
        log.exchange(EXCHANGE)
        log.connection(CONNECTION)
      }),
      [
        '203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] "GET /x HTTP/2.0" 200 99 "-" "curl/8" "a.test" "HTTPRoute/default/r" 10.0.0.1:80 3ms completed c-1\n',
        '192.0.2.1 - - [02/Jan/2026:03:04:05 +0000] "CONNECT a.test tls-passthrough" - 20 "-" "-" "tcp/[::]:443" "TLSRoute/default/r" 10.0.0.1:443 13ms completed c-1\n',
      ],
    )
  })

  it('is one line of that format, whatever a stranger sends', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.string({ unit: 'binary', maxLength: 40 }),
        (path, userAgent) => {
          const record = { ...EXCHANGE, path, userAgent, authority: path }
          const [line = '', ...more] = lines({ format: 'text' }, (log) => log.exchange(record))
          assert.deepEqual(more, [])
          const match = COMBINED.exec(line)
          assert.ok(match, JSON.stringify(line))
          assert.equal(match[6], '200')
          assert.match(line, /^[\x20-\x7e]*\n$/)
        },
      ),
    )
  })
})

describe('what is written', () => {
  it('nothing when it is off', () => {
    NO_ACCESS_LOG.connection(CONNECTION)
    NO_ACCESS_LOG.exchange(EXCHANGE)
  })

  it('a share of the good ends, and every failure', () => {
    const draws = [0.05, 0.5, 0.09, 0.9]
    const next = (): number => draws.shift() ?? 1
    const written = lines(
      { sample: 0.1 },
      (log) => {
        for (let i = 0; i < 4; i += 1) log.exchange(EXCHANGE)
        log.exchange({ ...EXCHANGE, status: 502 })
        log.exchange({ ...EXCHANGE, reason: 'connect-refused', status: 503 })
        log.connection({ ...CONNECTION, reason: 'no-chain' })
        log.connection(CONNECTION)
      },
      next,
    )
    assert.equal(written.length, 5)
  })

  it('not what a rule leaves out', () => {
    const rule = (text: string): readonly NonNullable<ReturnType<typeof parseSkipRule>>[] => {
      const parsed = parseSkipRule(text)
      assert.ok(parsed, text)
      return [parsed]
    }
    const both = (log: ReturnType<typeof createAccessLog>): void => {
      log.exchange(EXCHANGE)
      log.connection(CONNECTION)
    }
    const kinds = (skip: string): unknown[] =>
      lines({ skip: rule(skip) }, both).map((line) => JSON.parse(line).log)
    assert.deepEqual(kinds('log=connection'), ['exchange'])
    assert.deepEqual(kinds('path=/x'), ['connection'])
    assert.deepEqual(kinds('path=/'), ['exchange', 'connection'])
    assert.deepEqual(kinds('path=/*'), ['connection'])
    assert.deepEqual(kinds('user-agent=curl*'), ['connection'])
    assert.deepEqual(kinds('response_code=2*'), ['connection'])
    assert.deepEqual(kinds(':authority=a.test'), ['connection'])
    assert.deepEqual(kinds('nothing=x'), ['exchange', 'connection'])
    for (const text of ['', 'path', '=x', 'PATH=x']) assert.equal(parseSkipRule(text), undefined)
  })
})
