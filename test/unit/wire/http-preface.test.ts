import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sniffHttpPreface } from '../../../src/wire/http-preface.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

describe('HTTP preface', () => {
  it('knows HTTP/2 by its 24 bytes, and waits for no more than those', () => {
    for (let length = 0; length < PREFACE.length; length++) {
      assert.equal(sniffHttpPreface(PREFACE.subarray(0, length)), 'more')
    }
    assert.equal(sniffHttpPreface(PREFACE), 'h2')
    assert.equal(sniffHttpPreface(Buffer.concat([PREFACE, Buffer.from('more')])), 'h2')
  })

  it('takes anything else for HTTP/1.1 at the first byte that differs', () => {
    for (let at = 0; at < PREFACE.length; at++) {
      const other = Buffer.from(PREFACE.subarray(0, at + 1))
      other[at] = 0x78
      assert.equal(sniffHttpPreface(other), 'http/1.1')
    }
    assert.equal(sniffHttpPreface(Buffer.from('P')), 'more')
    assert.equal(sniffHttpPreface(Buffer.from('POST / HTTP/1.1\r\n')), 'http/1.1')
  })
})
