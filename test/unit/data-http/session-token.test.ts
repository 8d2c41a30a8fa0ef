/** Tokens of sessions: what was sealed comes back, and nothing else does. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Token, TokenKeys } from '../../../src/data/http/session-token.ts'

const SECRET = randomBytes(32).toString('base64')
const keys = new TokenKeys(SECRET, 'HTTPRoute/default/web/#0')

const tokens = fc
  .tuple(fc.string(), fc.string(), fc.integer({ min: 0, max: 2 ** 47 }))
  .map(([backend, endpoint, began]) => ({
    backend: keys.nameOf('backend', backend),
    endpoint: keys.nameOf('endpoint', endpoint),
    began,
  }))

describe('a session token', () => {
  it('says what was sealed in it, in 52 characters that any cookie and header may hold', () => {
    fc.assert(
      fc.property(tokens, (token) => {
        const text = keys.seal(token)
        assert.match(text, /^[A-Za-z0-9_-]{52}$/)
        assert.deepEqual(keys.open(text), token)
        assert.deepEqual(new TokenKeys(SECRET, 'HTTPRoute/default/web/#0').open(text), token)
      }),
    )
  })

  it('is nothing once any of its bits or characters is another', () => {
    const text = keys.seal(sample())
    const bytes = Buffer.from(text, 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const forged = Buffer.from(bytes)
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.equal(keys.open(forged.toString('base64url')), undefined, `bit ${bit}`)
    }
    for (let place = 0; place < text.length; place += 1) {
      for (const other of ['A', '_', '=', ' ', '+', '\0', 'é']) {
        if (text[place] === other) continue
        const forged = text.slice(0, place) + other + text.slice(place + 1)
        assert.equal(keys.open(forged), undefined, `${place}: ${JSON.stringify(other)}`)
      }
    }
  })

  it('is nothing in another length, and neither is any other text', () => {
    const text = keys.seal(sample())
    for (let length = 0; length < text.length; length += 1) {
      assert.equal(keys.open(text.slice(0, length)), undefined)
    }
    for (const other of [`${text}A`, `${text}=`, ` ${text}`, text.repeat(2), 'A'.repeat(60_000)]) {
      assert.equal(keys.open(other), undefined)
    }
    fc.assert(fc.property(fc.string({ maxLength: 80 }), (other) => keys.open(other) === undefined))
    const shaped = fc.stringMatching(/^[A-Za-z0-9_-]{52}$/)
    fc.assert(fc.property(shaped, (other) => keys.open(other) === undefined))
  })

  it('is nothing to another rule or another secret', () => {
    const text = keys.seal(sample())
    assert.equal(new TokenKeys(SECRET, 'HTTPRoute/default/web/#1').open(text), undefined)
    const foreign = new TokenKeys(randomBytes(32).toString('base64'), 'HTTPRoute/default/web/#0')
    assert.equal(foreign.open(text), undefined)
  })

  it('names backends and endpoints apart, by the secret and the rule', () => {
    const texts = ['10.0.0.1:80', '10.0.0.2:80', 'unix:/run/web.sock', '']
    const all = [keys, new TokenKeys(SECRET, 'other')].flatMap((each) =>
      texts.flatMap((text) => [each.nameOf('backend', text), each.nameOf('endpoint', text)]),
    )
    assert.equal(new Set(all).size, all.length)
    for (const name of all) assert.match(name, /^[0-9a-f]{16}$/)
  })

  it('shows no address', () => {
    const text = keys.seal({ ...sample(), endpoint: keys.nameOf('endpoint', '10.11.12.13:8080') })
    const bytes = Buffer.from(text, 'base64url')
    for (const clear of ['10.11.12.13', '8080', Buffer.from([10, 11, 12, 13])]) {
      assert.equal(bytes.indexOf(clear), -1)
    }
  })
})

function sample(): Token {
  return {
    backend: keys.nameOf('backend', 'Service/default/web:80 0'),
    endpoint: keys.nameOf('endpoint', '127.0.0.1:8080'),
    began: 1_790_000_000_000,
  }
}
