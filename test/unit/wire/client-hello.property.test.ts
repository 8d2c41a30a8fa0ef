/** ClientHello under random segmentation and damage: equal to the whole, never an exception. */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import {
  alpn,
  helloMessage,
  readInSteps,
  readWhole,
  realHello,
  record,
  records,
  serverName,
  supportedVersions,
} from '../../support/client-hello.ts'

const HAND_MADE = helloMessage({
  extensions: [serverName('a.example.test'), alpn('h2', 'http/1.1'), supportedVersions(0x0304)],
})

describe('ClientHello properties', () => {
  let real: Buffer

  before(async () => {
    real = await realHello({ servername: 'real.test', ALPNProtocols: ['h2', 'http/1.1'] })
  })

  it('any segmentation gives what the whole gives', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(real.length), { maxLength: 40 }), (cuts) => {
        const ends = cuts.toSorted((a, b) => a - b)
        assert.deepEqual(readInSteps(real, ends), readWhole(real))
      }),
    )
  })

  it('any division into records gives the same hello', () => {
    const whole = readWhole(records(HAND_MADE))
    assert.equal(whole.kind, 'complete')
    fc.assert(
      fc.property(fc.array(fc.nat(HAND_MADE.length), { maxLength: 20 }), (cuts) => {
        const bounds = [0, ...cuts.toSorted((a, b) => a - b), HAND_MADE.length]
        const bytes = Buffer.concat(
          bounds.slice(1).map((end, i) => record(HAND_MADE.subarray(bounds[i], end))),
        )
        const verdict = readWhole(bytes)
        assert.ok(verdict.kind === 'complete' && whole.kind === 'complete')
        assert.deepEqual({ ...verdict.hello, length: 0 }, { ...whole.hello, length: 0 })
      }),
    )
  })

  it('every truncation waits for more', () => {
    for (let end = 0; end < real.length; end++) {
      assert.equal(readWhole(real.subarray(0, end)).kind, 'more')
    }
  })

  it('damaged bytes give a verdict, the same for every segmentation', () => {
    const change = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) })
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(HAND_MADE.length + 5), { maxLength: 6 }),
        (changes, cuts) => {
          const bytes = records(HAND_MADE)
          for (const { at, value } of changes) bytes[at % bytes.length] = value
          const whole = readWhole(bytes)
          const stepped = readInSteps(
            bytes,
            cuts.toSorted((a, b) => a - b),
          )
          assert.equal(stepped.kind, whole.kind)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('no bytes at all are an exception', () => {
    const prefix = fc.constantFrom(
      Buffer.alloc(0),
      Buffer.from([22, 3, 1]),
      records(HAND_MADE).subarray(0, 50),
    )
    fc.assert(
      fc.property(prefix, fc.uint8Array({ maxLength: 300 }), (head, tail) => {
        readWhole(Buffer.concat([head, tail]), 256)
      }),
      { numRuns: 2000 },
    )
  })
})
