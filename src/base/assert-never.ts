import { GwProxyError } from './errors.ts'

/** Ends an exhaustive switch: a forgotten case is a compile error, an impossible one a thrown defect. */
export function assertNever(value: never): never {
  throw new GwProxyError('GWP_DEFECT_UNREACHABLE', `unreachable case: ${JSON.stringify(value)}`)
}
