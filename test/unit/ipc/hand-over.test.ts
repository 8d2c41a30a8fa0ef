/** When two processes do not hand over, and when a new one would be worse. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  protocolRefusal,
  readSuccessorMessage,
  type Serving,
  takeoverRefusal,
} from '../../../src/ipc/hand-over.ts'
import { bindKey } from '../../../src/model/identity.ts'

const WEB = bindKey('tcp', '127.0.0.1', 80)
const DNS = bindKey('udp', '127.0.0.1', 53)
const SOUND: Serving = { generation: 3, failedBinds: [], errors: [], stale: 0 }
const SERVED = new Set([WEB])
const TAKEN = { bind: WEB, message: 'the port is taken' }

describe('protocolRefusal', () => {
  it('is none between builds of one protocol, and names both otherwise', () => {
    const ours = { protocol: 1, build: '1.0.0+1' }
    assert.equal(protocolRefusal(ours, { protocol: 1, build: '1.0.1+2' }), undefined)
    for (const protocol of [0, 2, Number.NaN]) {
      assert.match(
        protocolRefusal(ours, { protocol, build: '1.0.1+2' }) ?? '',
        /gwproxy 1\.0\.1\+2 .* gwproxy 1\.0\.0\+1 .*only a restart/,
      )
    }
  })
})

describe('readSuccessorMessage', () => {
  const hello = { type: 'hello', protocol: 1, build: 'b', pid: 2 }
  const serving = { ...SOUND, failedBinds: [TAKEN], errors: ['a:1'] }
  const words = [
    hello,
    { type: 'failed', message: 'why' },
    { type: 'serving', serving },
    { type: 'taken' },
  ]
  it('takes each word as it is, and none without one of its members', () => {
    for (const word of words) {
      assert.deepEqual(readSuccessorMessage(word), word)
      for (const name of Object.keys(word)) {
        assert.equal(readSuccessorMessage({ ...word, [name]: null }), undefined, name)
      }
    }
    for (const name of Object.keys(serving)) {
      const broken = { type: 'serving', serving: { ...serving, [name]: [null] } }
      assert.equal(readSuccessorMessage(broken), undefined, name)
    }
    for (const none of [undefined, null, 1, 'taken', [], {}, { type: 'nonsense' }]) {
      assert.equal(readSuccessorMessage(none), undefined)
    }
  })
})

describe('takeoverRefusal', () => {
  const accepted: readonly (readonly [string, Serving, Serving])[] = [
    ['nothing is wrong', SOUND, { ...SOUND, generation: 1 }],
    ['the port was not served before', SOUND, { ...SOUND, failedBinds: [{ ...TAKEN, bind: DNS }] }],
    [
      'the errors are those of before',
      { ...SOUND, errors: ['a:1'] },
      { ...SOUND, errors: ['a:1'] },
    ],
    ['there are fewer errors', { ...SOUND, errors: ['a:1', 'b:1'] }, { ...SOUND, errors: ['b:1'] }],
    // An edit moved it to another line.
    ['an error is another', { ...SOUND, errors: ['a:1'] }, { ...SOUND, errors: ['a:2'] }],
    ['--state-dir knows the last good versions', { ...SOUND, stale: 2 }, { ...SOUND, stale: 2 }],
  ]
  for (const [name, before, after] of accepted) {
    it(`is none when ${name}`, () => {
      assert.equal(takeoverRefusal(before, SERVED, after), undefined)
    })
  }

  it('names the bind that would be lost', () => {
    const after = { ...SOUND, failedBinds: [{ ...TAKEN, bind: DNS }, TAKEN] }
    assert.equal(
      takeoverRefusal(SOUND, SERVED, after),
      `the new process cannot serve ${WEB}: the port is taken`,
    )
  })

  it('names the errors that are new', () => {
    const before = { ...SOUND, errors: ['a:1: old'] }
    const refusal = takeoverRefusal(before, SERVED, { ...SOUND, errors: ['a:1: old', 'b:2: new'] })
    assert.match(refusal ?? '', /:\nb:2: new$/)
    // The same one twice.
    const twice = takeoverRefusal(before, SERVED, { ...SOUND, errors: ['a:1: old', 'a:1: old'] })
    assert.match(twice ?? '', /:\na:1: old\na:1: old$/)
  })

  it('says how many last good versions would be lost', () => {
    const refusal = takeoverRefusal({ ...SOUND, stale: 2 }, SERVED, { ...SOUND, stale: 1 })
    assert.match(refusal ?? '', /^2 objects .* --state-dir/)
  })
})
