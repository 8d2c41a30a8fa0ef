/**
 * Loaded before each test file. One whose failed test left a server open ends all the same, a while
 * after its last test. node:test's own forceExit ends at once, before all results are told.
 */
import { after } from 'node:test'

const GRACE_MS = 2000

after(() => {
  setTimeout(() => process.exit(), GRACE_MS).unref()
})
