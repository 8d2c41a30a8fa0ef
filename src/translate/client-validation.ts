/**
 * Frontend client certificates (`spec.tls.frontend`, digest section 6.1): which validation a port
 * asks for. Not carried yet; a listener that asks for it must not serve without it (decision 12).
 */
import type { GatewayTls } from '../api/gateway.ts'
import type { DocumentPath } from '../model/diagnostic.ts'
import type { TranslateContext } from './context.ts'
import type { OwnListener } from './listeners.ts'
import type { Problem } from './problem.ts'

/** Where the validation that holds for an HTTPS listener stands; an entry of `perPort` overrides `default`. */
export function validationPath(
  frontend: GatewayTls['frontend'],
  port: number,
): DocumentPath | undefined {
  if (frontend === undefined) return undefined
  const base = ['spec', 'tls', 'frontend']
  const perPort = frontend.perPort ?? []
  const index = perPort.findIndex((entry) => entry.port === port)
  const entry = perPort[index]
  if (entry !== undefined) {
    return entry.tls.validation === undefined
      ? undefined
      : [...base, 'perPort', index, 'tls', 'validation']
  }
  return frontend.default.validation === undefined ? undefined : [...base, 'default', 'validation']
}

/** The listener would be laxer than asked: it is refused, and the field named. */
export function clientValidationProblem(
  context: TranslateContext,
  listener: OwnListener,
): Problem<'UnsupportedValue'> | undefined {
  if (listener.protocol?.family !== 'HTTPS') return undefined
  const { resource } = listener.gateway
  const path = validationPath(resource.object.spec.tls?.frontend, listener.spec.port)
  if (path === undefined) return undefined
  const message = `Client certificates (${path.join('.')}) are not supported yet; listener ${listener.spec.name} does not serve without them.`
  context.diagnostics.report(resource, { severity: 'error', code: 'unsupported', path, message })
  return { reason: 'UnsupportedValue', message }
}
