/**
 * Programmer and environment errors. Mistakes of the user's manifests are never thrown: they are
 * Diagnostics (model/diagnostic.ts) or Conditions (model/status.ts).
 */

export type ErrorCode =
  | 'GWP_DEFECT_UNREACHABLE'
  | 'GWP_DEFECT_INVARIANT'
  | 'GWP_OPTION_INVALID'
  | 'GWP_CONFIG_UNREADABLE'
  | 'GWP_CONFIG_PROBLEMS'
  | 'GWP_RUNTIME_UNSUPPORTED'
  | 'GWP_ADMIN_UNREACHABLE'
  | 'GWP_ADMIN_REFUSED'
  | 'GWP_BIND_FAILED'
  | 'GWP_WORKER_FAILED'
  | 'GWP_BUILD_MISMATCH'
  | 'GWP_STATE_UNWRITABLE'
  | 'GWP_UPGRADE_FAILED'
  | 'GWP_CERT_INVALID'

export class GwProxyError extends Error {
  override readonly name = 'GwProxyError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  /** By name: each bundle has a class of its own (ADR 12). */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'GwProxyError'
  }
}

/** The `code` of a Node system error (`EADDRINUSE`, ...), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** One line of text for a log or a message, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
