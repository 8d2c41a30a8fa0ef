/** Common names are found as written and in lower case, and nothing else passes for one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { COMMON_NAMES, commonName } from '../../../src/wire/http1/field-names.ts'

function look(name: string): string | undefined {
  const bytes = Buffer.from(`\r\n${name}: x`, 'latin1')
  return commonName(bytes, 2, 2 + name.length)
}

describe('names of fields', () => {
  it('are found in both spellings', () => {
    for (const name of COMMON_NAMES) {
      assert.equal(look(name), name)
      assert.equal(look(name.toLowerCase()), name.toLowerCase())
    }
  })

  it('are not found when one byte differs', () => {
    for (const name of COMMON_NAMES) {
      for (let at = 0; at < name.length; at++) {
        for (const flip of [0x20, 0x40, 0x80]) {
          const other = Buffer.from(name, 'latin1')
          other[at] = (other[at] as number) ^ flip
          const found = commonName(other, 0, other.length)
          // One that is found is the very same text, such as in the other spelling.
          assert.ok(found === undefined || found === other.toString('latin1'), name)
        }
      }
    }
  })

  it('are not found in what is too short or too long', () => {
    for (const name of ['', 'X', 'Host ', 'Hos', 'h'.repeat(100)]) {
      assert.equal(look(name), undefined)
    }
  })
})
