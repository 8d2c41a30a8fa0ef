/** What a step adds is noted by one at a time: within another it would be forgotten there, in silence. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DiagnosticSink } from '../../../src/translate/context.ts'

const DEFECT = { code: 'GWP_DEFECT_INVARIANT' }

describe('notes of what a step adds', () => {
  it('are refused within others, and can be taken again after', () => {
    const sink = new DiagnosticSink()
    assert.throws(() => sink.noteOf(() => sink.noteOf(() => 1)), DEFECT)
    assert.equal(sink.noteOf(() => 2).result, 2)
  })
})
