/** What each chain action becomes: the registry of handlers. */
import type { CompileContext, Handler, LiveAction, TcpAction } from './contract.ts'
import { compileHttp } from './http.ts'
import { compileReset } from './reset.ts'
import { compileTcpForward } from './tcp-forward.ts'
import { compileTlsPassthrough } from './tls-passthrough.ts'
import { compileTlsTerminate } from './tls-terminate.ts'

const HANDLERS = {
  'tcp-forward': compileTcpForward,
  'tls-passthrough': compileTlsPassthrough,
  'tls-terminate': compileTlsTerminate,
  http: compileHttp,
  reset: compileReset,
} as const satisfies { [K in TcpAction['kind']]: Handler<Extract<TcpAction, { kind: K }>> }

/** Throws when the action cannot be compiled (client authorities that OpenSSL refuses): a nack. */
export function compileAction(action: TcpAction, context: CompileContext): LiveAction {
  // The map's type ties each kind to its handler, which an indexed access cannot express.
  const handler = HANDLERS[action.kind] as Handler<TcpAction>
  return handler(action, context)
}
