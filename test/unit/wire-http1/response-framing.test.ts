/** How responses end (RFC 9112 section 6.3): one reading or none. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { responseFraming } from '../../../src/wire/http1/response-framing.ts'

function framing(fields: readonly string[], { method = 'GET', status = 200, minor = 1 } = {}) {
  return responseFraming(method, status, minor, fields)
}

describe('response framing', () => {
  it('a length, chunks, or the close', () => {
    assert.deepEqual(framing(['Content-Length', '12']), {
      kind: 'length',
      bytes: 12,
      persistent: true,
      idleSeconds: undefined,
    })
    assert.equal(framing(['content-length', '0'])?.kind, 'none')
    assert.equal(framing(['TRANSFER-ENCODING', 'Chunked'])?.kind, 'chunked')
    assert.deepEqual([framing([])?.kind, framing([])?.persistent], ['until-close', false])
  })

  it('no body: HEAD, 1xx, 204, 304, whatever the fields say', () => {
    for (const given of [{ method: 'HEAD' }, { status: 304 }]) {
      assert.equal(framing(['Content-Length', '12'], given)?.kind, 'none')
      assert.equal(framing(['Content-Length', '12'], given)?.persistent, true)
      assert.equal(framing(['Transfer-Encoding', 'chunked'], given)?.kind, 'none')
      assert.equal(framing([], given)?.kind, 'none')
    }
    assert.deepEqual(
      [framing([], { status: 204 })?.kind, framing([], { status: 100 })?.kind],
      ['none', 'none'],
    )
  })

  it('content announced by a 204 may come later: never a second response on that connection', () => {
    assert.equal(framing(['Content-Length', '5'], { status: 204 })?.persistent, false)
    assert.equal(framing(['Transfer-Encoding', 'chunked'], { status: 204 })?.persistent, false)
    assert.equal(framing(['Content-Length', '0'], { status: 204 })?.persistent, true)
  })

  const ambiguous: readonly (readonly string[])[] = [
    ['Content-Length', '5', 'Transfer-Encoding', 'chunked'],
    ['Content-Length', '5', 'content-length', '5'],
    ['Content-Length', '5', 'Content-Length', '6'],
    ['Content-Length', '5, 5'],
    ['Content-Length', ''],
    ['Content-Length', '+5'],
    ['Content-Length', '-5'],
    ['Content-Length', '0x5'],
    ['Content-Length', '5.0'],
    ['Content-Length', '9999999999999999'],
    ['Transfer-Encoding', 'gzip'],
    ['Transfer-Encoding', 'gzip, chunked'],
    ['Transfer-Encoding', 'chunked, identity'],
    ['Transfer-Encoding', 'chunked;q=1'],
    ['Transfer-Encoding', ''],
    ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'],
  ]
  for (const fields of ambiguous) {
    it(`none for ${fields.join(' ')}`, () => {
      assert.equal(framing(fields), undefined)
      assert.equal(framing(fields, { method: 'HEAD' }), undefined)
    })
  }

  it('no chunks before HTTP/1.1, no content of an interim response', () => {
    assert.equal(framing(['Transfer-Encoding', 'chunked'], { minor: 0 }), undefined)
    assert.equal(framing(['Content-Length', '5'], { status: 103 }), undefined)
    assert.equal(framing(['Transfer-Encoding', 'chunked'], { status: 100 }), undefined)
  })

  it('persistence: by version and Connection, close above all', () => {
    const persistent = (fields: readonly string[], minor = 1) =>
      framing(['Content-Length', '1', ...fields], { minor })?.persistent
    assert.equal(persistent([]), true)
    assert.equal(persistent([], 0), false)
    assert.equal(persistent(['Connection', 'Keep-Alive'], 0), true)
    assert.equal(persistent(['connection', 'CLOSE']), false)
    assert.equal(persistent(['Connection', 'x , close,']), false)
    assert.equal(persistent(['Connection', 'close', 'Connection', 'keep-alive']), false)
    assert.equal(persistent(['Connection', 'closed']), true)
  })

  it('reads the idle time that Keep-Alive promises', () => {
    const idle = (value: string) => framing(['Keep-Alive', value])?.idleSeconds
    assert.deepEqual(
      ['timeout=5', 'max=3, Timeout=75', 'timeout=5, max=9', 'timeout=x', 'xtimeout=5', ''].map(
        idle,
      ),
      [5, 75, 5, undefined, undefined, undefined],
    )
  })
})
