/** The secret of sessions: kept where there is a directory, made anew where what is there is no secret. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { sessionSecret } from '../../../src/control/session-secret.ts'
import { openStateDir, type StateDir } from '../../../src/control/state-dir.ts'

const SHAPE = /^[A-Za-z0-9+/]{43}=$/

function silent(message: string): void {
  assert.fail(message)
}

describe('the secret of sessions', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-secret-'))
  const file = join(directory, 'session-secret.json')
  after(() => rmSync(directory, { recursive: true }))

  it('is another one for each start without a directory', () => {
    const [one, two] = [sessionSecret(undefined, silent), sessionSecret(undefined, silent)]
    assert.match(one, SHAPE)
    assert.equal(Buffer.from(one, 'base64').length, 32)
    assert.notEqual(one, two)
  })

  it('is the same for each start with one, and for our user’s eyes only', () => {
    const first = sessionSecret(openStateDir(directory), silent)
    assert.match(first, SHAPE)
    assert.equal(sessionSecret(openStateDir(directory), silent), first)
    assert.equal(statSync(file).mode & 0o777, 0o600)
  })

  it('is made anew where the file holds none', () => {
    const none = [
      '',
      '{',
      '[]',
      'null',
      '{}',
      '{"secret":7}',
      '{"secret":""}',
      '{"secret":"c2hvcnQ="}',
    ]
    for (const text of none) {
      writeFileSync(file, text)
      const made = sessionSecret(openStateDir(directory), silent)
      assert.match(made, SHAPE)
      assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { secret: made })
    }
  })

  it('that cannot be kept serves all the same, and is told of', () => {
    const told: string[] = []
    const full: StateDir = {
      path: directory,
      read: () => undefined,
      write: () => {
        throw new Error('no space left')
      },
    }
    assert.match(
      sessionSecret(full, (message) => told.push(message)),
      SHAPE,
    )
    assert.deepEqual(told, ['no space left'])
  })
})
