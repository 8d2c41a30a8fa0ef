import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { localReply, rawReply } from '../../../src/data/http/local-reply.ts'
import { OUTCOMES, type Reason } from '../../../src/model/outcome.ts'

describe('local replies', () => {
  it('follow the outcome table for every reason that has a status', () => {
    for (const [reason, row] of Object.entries(OUTCOMES)) {
      if (row.httpStatus === 0) continue
      const { status, body } = localReply(reason as Reason, false)
      assert.equal(status, row.httpStatus)
      assert.match(body.toString(), new RegExp(`^${row.httpStatus} .+: ${reason}\n$`))
    }
  })

  it('are trailers-only for gRPC', () => {
    const { status, fields, body } = localReply('no-route', true)
    assert.equal(status, 200)
    assert.equal(fields.get('grpc-status'), '12')
    assert.equal(body.length, 0)
  })

  it('are whole messages where no request could be read', () => {
    const text = rawReply('headers-too-large')
    const [head = '', body = ''] = text.split('\r\n\r\n')
    assert.match(head, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/)
    assert.match(head, new RegExp(`\r\nContent-Length: ${body.length}\r\nConnection: close$`))
  })
})
