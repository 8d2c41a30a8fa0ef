/**
 * XBackend (GEP-4894; operations.md section 4): one DNS name outside with its own port. Its TLS is
 * in own-tls.ts.
 */
import type { XBackend } from '../../api/x-backend.ts'
import { displayKey, type ResourceKey } from '../../model/resource-key.ts'
import type { UpstreamProtocol } from '../../model/upstream.ts'
import type { TranslateContext } from '../context.ts'
import { nameEndpoint } from './addresses.ts'
import {
  type BackendUse,
  notDeclared,
  type Resolution,
  unresolved,
  upstream,
} from './resolution.ts'

/** For HTTP; undefined is not spoken. */
const PROTOCOLS = {
  HTTP: 'http/1.1',
  HTTP11: 'http/1.1',
  HTTP2: 'h2c',
  H2C: 'h2c',
  TCP: undefined,
  MCP: undefined,
} as const satisfies Record<NonNullable<XBackend['spec']['protocol']>, UpstreamProtocol | undefined>

/** The XBackend's own port counts: that of the reference is not used. */
export function resolveXBackend(
  context: TranslateContext,
  key: ResourceKey,
  _: number | undefined,
  use: BackendUse,
): Resolution {
  const backend = context.resources.find({ ...key, kind: 'XBackend' })
  if (backend === undefined) return notDeclared(key)
  const { externalHostname, port, protocol = 'HTTP', tls } = backend.object.spec
  if (protocol === 'H2C' && tls !== undefined && tls.mode !== 'None') {
    const message = `${displayKey(key)}: protocol H2C is HTTP/2 without TLS; over TLS it is HTTP2.`
    return unresolved('UnsupportedProtocol', message)
  }
  const spoken = spokenTo(protocol, use)
  if (spoken === undefined) {
    return unresolved(
      'UnsupportedProtocol',
      `${displayKey(key)} has the protocol ${protocol}, which gwproxy does not speak to it.`,
    )
  }
  const place = { resource: backend, path: ['spec', 'externalHostname', 'hostname'] }
  const endpoints = nameEndpoint(context, place, externalHostname?.hostname ?? '', port.port)
  return upstream(key, undefined, spoken, endpoints)
}

/** It has no protocol for datagrams. */
function spokenTo(protocol: keyof typeof PROTOCOLS, use: BackendUse): UpstreamProtocol | undefined {
  if (use === 'udp') return undefined
  if (use === 'grpc' && PROTOCOLS[protocol] !== undefined) return 'h2c'
  return use === 'http' || use === 'grpc' ? PROTOCOLS[protocol] : 'tcp'
}
