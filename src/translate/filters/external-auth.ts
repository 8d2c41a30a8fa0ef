/**
 * ExternalAuth (GEP-1494; HTTPExternalAuthFilter of the Gateway API). Its service is a backend like
 * any other, grants and BackendTLSPolicy included; one that does not resolve costs whatever the
 * filter guards. What could not be obeyed to the letter is refused, naming the field.
 */
import type { ExternalAuth } from '../../api/http-filter.ts'
import { pathForm } from '../../match/http/path-form.ts'
import { type DocumentPath, formatPath } from '../../model/diagnostic.ts'
import type { AuthService } from '../../model/http-filter.ts'
import { resolveBackendRef } from '../backends.ts'
import { fieldNameFault } from './header-modifier.ts'
import {
  type FilterFault,
  type FilterPlace,
  type LoweredFilter,
  lowered,
  unsupported,
} from './lowered-filter.ts'

/** A body is held in memory while the service looks at it. */
const MAX_BODY_BYTES = 16 * 1024 * 1024

export function lowerExternalAuth(
  auth: ExternalAuth | undefined,
  { context, route, path }: FilterPlace,
): LoweredFilter {
  // The schema requires the payload.
  if (auth === undefined) return { kind: 'no-target', problem: undefined }
  const own = [...path, 'externalAuth']
  const maxBodyBytes = auth.forwardBody?.maxSize ?? 0
  const fault = faultOf(auth, maxBodyBytes, own)
  if (fault !== undefined) return fault
  const use = auth.protocol === 'GRPC' ? 'grpc' : 'http'
  const refPath = [...own, 'backendRef']
  const { target, problem } = resolveBackendRef(context, route, auth.backendRef, refPath, use)
  if (target.kind === 'invalid') return { kind: 'no-target', problem }
  const { kind, namespace, name } = route.key
  const id = `${kind}/${namespace}/${name}/${formatPath(path)}`
  const service = serviceOf(auth, namespace)
  return lowered({ kind: 'external-auth', id, target, service, maxBodyBytes })
}

function serviceOf(auth: ExternalAuth, namespace: string): AuthService {
  const { protocol, grpc = {}, http = {}, backendRef } = auth
  if (protocol === 'GRPC') {
    return {
      kind: 'grpc',
      authority: `${backendRef.name}.${backendRef.namespace ?? namespace}`,
      requestHeaders: allUnlessListed(grpc.allowedHeaders),
    }
  }
  return {
    kind: 'http',
    pathPrefix: prefixOf(http.path),
    requestHeaders: keysOf(http.allowedHeaders).filter((key) => !ALWAYS_SENT.has(key)),
    responseHeaders: allUnlessListed(http.allowedResponseHeaders),
  }
}

/** Beside method and path. */
const ALWAYS_SENT: ReadonlySet<string> = new Set(['authorization', 'content-length', 'host'])

function allUnlessListed(names: readonly string[] = []): 'all' | readonly string[] {
  return names.length === 0 ? 'all' : keysOf(names)
}

function keysOf(names: readonly string[] = []): readonly string[] {
  return [...new Set(names.map((name) => name.toLowerCase()))]
}

function prefixOf(path = ''): string {
  return path.replace(/\/+$/, '')
}

function faultOf(
  { grpc = {}, http = {} }: ExternalAuth,
  maxBodyBytes: number,
  path: DocumentPath,
): FilterFault | undefined {
  const asked = [...path, 'http', 'allowedHeaders']
  return (
    bodyFault(maxBodyBytes, [...path, 'forwardBody', 'maxSize']) ??
    prefixFault(http.path, [...path, 'http', 'path']) ??
    namesFault(http.allowedHeaders, asked, (name) => ALWAYS_SENT.has(name.toLowerCase())) ??
    namesFault(http.allowedResponseHeaders, [...path, 'http', 'allowedResponseHeaders']) ??
    namesFault(grpc.allowedHeaders, [...path, 'grpc', 'allowedHeaders'], isHost)
  )
}

function isHost(name: string): boolean {
  return name.toLowerCase() === 'host'
}

function bodyFault(bytes: number, path: DocumentPath): FilterFault | undefined {
  if (bytes >= 0 && bytes <= MAX_BODY_BYTES) return undefined
  return unsupported(path, `${bytes} is not supported: 0 to ${MAX_BODY_BYTES} bytes are.`)
}

/** What stands before a request's path must not make another path of it. */
function prefixFault(value: string | undefined, path: DocumentPath): FilterFault | undefined {
  const prefix = prefixOf(value)
  if (prefix === '' || pathForm(prefix).ok) return undefined
  return unsupported(
    path,
    `${JSON.stringify(value)} is no path prefix: it must start with / and have no dot segments or escaped slashes.`,
  )
}

function namesFault(
  names: readonly string[] = [],
  path: DocumentPath,
  isFine: (name: string) => boolean = () => false,
): FilterFault | undefined {
  for (const [index, name] of names.entries()) {
    const place = [...path, index]
    if (name.includes('*')) {
      const quoted = JSON.stringify(name)
      return unsupported(place, `${quoted} is taken for a pattern, and names stand for themselves.`)
    }
    const fault = isFine(name) ? undefined : fieldNameFault(name, place)
    if (fault !== undefined) return fault
  }
  return undefined
}
