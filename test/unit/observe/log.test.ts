/** The log: fixed shape, no secrets, no escapes of strangers. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openLineSink, type LineSink } from '../../../src/observe/line-sink.ts'
import { createLogger } from '../../../src/observe/log.ts'
import { redactSecrets } from '../../../src/observe/redact.ts'

function memorySink(): LineSink & { readonly lines: string[] } {
  const lines: string[] = []
  return {
    lines,
    dropped: 0,
    write: (line) => void lines.push(String(line)),
    reopen: () => undefined,
    close: () => Promise.resolve(),
  }
}

describe('logger', () => {
  it('writes one JSON line with a level in words and an ISO time', () => {
    const sink = memorySink()
    const log = createLogger({ level: 'info', format: 'json', sink, base: { worker: 2 } })
    log.debug({}, 'not at this level')
    log.warn({ bind: 'tcp/[::]:443', errno: 'EACCES' }, 'line one\nline two \x1b[31m')
    assert.equal(sink.lines.length, 1)
    const [line = ''] = sink.lines
    assert.match(line, /^[^\n\x1b]*\n$/)
    const { time, ...rest } = JSON.parse(line)
    assert.match(time, /^\d{4}-\d\d-\d\dT/)
    assert.deepEqual(rest, {
      level: 'warn',
      worker: 2,
      bind: 'tcp/[::]:443',
      errno: 'EACCES',
      msg: 'line one\nline two \x1b[31m',
    })
  })

  it('takes private keys out of errors', () => {
    const sink = memorySink()
    const log = createLogger({ level: 'info', format: 'json', sink })
    const pem = '-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----'
    log.error({ err: new Error(`cannot use ${pem} here`) }, 'failed')
    assert.ok(!sink.lines.join('').includes('c2VjcmV0'))
    assert.match(sink.lines.join(''), /cannot use \[redacted private key\] here/)
  })

  it('has a form for terminals in which a stranger cannot write escapes', () => {
    const sink = memorySink()
    const log = createLogger({ level: 'info', format: 'pretty', sink })
    log.info({ listener: 'a\x1b[2Jb' }, 'ready \x1b[2J')
    const [line = ''] = sink.lines
    assert.match(line, /INFO/)
    assert.match(line, /ready \\u001b\[2J listener="a\\u001b\[2Jb"\n$/)
  })

  it('puts no colours into a file, even where standard output has them', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-log-'))
    const path = join(directory, 'log')
    const file = openLineSink(path)
    const terminal = memorySink()
    const { FORCE_COLOR } = process.env
    process.env['FORCE_COLOR'] = '1'
    try {
      for (const sink of [file, terminal]) {
        createLogger({ level: 'info', format: 'pretty', sink }).warn({}, 'look')
      }
    } finally {
      if (FORCE_COLOR === undefined) Reflect.deleteProperty(process.env, 'FORCE_COLOR')
      else process.env['FORCE_COLOR'] = FORCE_COLOR
    }
    await file.close(1000)
    assert.match(readFileSync(path, 'utf8'), /^[\d:.]{12} WARN {2}look\n$/)
    assert.match(terminal.lines.join(), /\x1b\[33mWARN/)
    rmSync(directory, { recursive: true })
  })
})

describe('redaction', () => {
  it('takes out whole and truncated private keys of every kind, and nothing else', () => {
    for (const kind of ['', 'RSA ', 'EC ', 'ENCRYPTED ']) {
      const begin = `-----BEGIN ${kind}PRIVATE KEY-----`
      const whole = `a ${begin}\nAAAA\n-----END ${kind}PRIVATE KEY----- b`
      assert.equal(redactSecrets(whole), 'a [redacted private key] b')
      assert.equal(redactSecrets(`a ${begin}\nAAAA`), 'a [redacted private key]')
    }
    const certificate = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'
    assert.equal(redactSecrets(certificate), certificate)
  })
})
