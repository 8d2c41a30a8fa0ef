/**
 * RequestMirror (HTTPRequestMirrorFilter of the Gateway API; GEP-3171). Its target is a backend like
 * any other, grants included; one that does not resolve costs the mirror only (digest section 4.4).
 */
import type { RequestMirror } from '../../api/http-filter.ts'
import { formatPath } from '../../model/diagnostic.ts'
import { resolveBackendRef } from '../backends.ts'
import { type FilterPlace, type LoweredFilter, lowered } from './lowered-filter.ts'

export function lowerRequestMirror(
  mirror: RequestMirror | undefined,
  { context, route, use, path }: FilterPlace,
): LoweredFilter {
  // The schema requires the payload.
  if (mirror === undefined) return { kind: 'left-out', problem: undefined }
  const refPath = [...path, 'requestMirror', 'backendRef']
  const { target, problem } = resolveBackendRef(context, route, mirror.backendRef, refPath, use)
  const { numerator, denominator } = shareOf(mirror)
  if (target.kind === 'invalid' || numerator === 0) return { kind: 'left-out', problem }
  const { kind, namespace, name } = route.key
  const id = `${kind}/${namespace}/${name}/${formatPath(path)}`
  return lowered({ kind: 'request-mirror', id, target, numerator, denominator })
}

/** Neither percent nor fraction: every request. */
function shareOf({ percent = 100, fraction }: RequestMirror) {
  return fraction ?? { numerator: percent, denominator: 100 }
}
