/**
 * The secret of session tokens (GEP-1619), one for all workers and, with --state-dir, over restarts.
 * Unlike the roots of TLS tickets it never rotates: a session may last for months, and all that the
 * secret protects is who says which endpoint a client comes back to.
 */
import { randomBytes } from 'node:crypto'
import { messageOf } from '../base/errors.ts'
import type { StateDir } from './state-dir.ts'

const DOCUMENT = 'session-secret'
const SECRET = /^[A-Za-z0-9+/]{43}=$/

/**
 * The secret, 32 bytes in base64: the one of the directory, else a new one, kept there from now on.
 * `warn` is told when it cannot be kept: sessions then end with this process, and traffic goes on.
 * @throws GwProxyError GWP_STATE_UNWRITABLE when the document is there and cannot be read
 */
export function sessionSecret(
  state: StateDir | undefined,
  warn: (message: string) => void,
): string {
  const kept = state?.read(DOCUMENT)
  if (isSecret(kept)) return kept.secret
  const secret = randomBytes(32).toString('base64')
  try {
    state?.write(DOCUMENT, { secret })
  } catch (error) {
    warn(messageOf(error))
  }
  return secret
}

function isSecret(value: unknown): value is { readonly secret: string } {
  if (typeof value !== 'object' || value === null || !('secret' in value)) return false
  return typeof value.secret === 'string' && SECRET.test(value.secret)
}
