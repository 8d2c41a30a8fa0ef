/** Which gwproxy the end-to-end tests start. */
import { resolve } from 'node:path'

/** The launcher of this checkout: it runs src/ as it is. */
export const CHECKOUT_LAUNCHER: string = resolve(import.meta.dirname, '../../bin/gwproxy')

/**
 * The launcher that is tested: `$TEST_LAUNCHER`, which `test/run.ts` sets to what it has built of this
 * checkout; that of the checkout itself when a test file runs alone.
 */
export const LAUNCHER: string = process.env['TEST_LAUNCHER'] ?? CHECKOUT_LAUNCHER
