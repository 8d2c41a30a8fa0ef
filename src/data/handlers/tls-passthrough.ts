/**
 * Chain action `tls-passthrough` (TLSRoute, mode Passthrough): the peeked hello and everything
 * after it go to a backend untouched. The client sees exactly the backend's TLS.
 */
import type { TlsPassthroughAction } from '../../model/snapshot.ts'
import type { CompileContext, LiveAction } from './contract.ts'
import { ForwardAction } from './tcp-forward.ts'

export function compileTlsPassthrough(
  action: TlsPassthroughAction,
  context: CompileContext,
): LiveAction {
  return new ForwardAction(action, context)
}
