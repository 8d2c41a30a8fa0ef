/**
 * `--service-dns TEMPLATE`: a Service that no file declares is a name that the name service knows,
 * as in a container network (DESIGN.md decision 8). Off unless given.
 */
import { normalizeHostname } from '../../match/hostname.ts'
import { displayKey, type ResourceKey } from '../../model/resource-key.ts'
import type { TranslateContext } from '../context.ts'
import {
  type BackendUse,
  plainProtocolOf,
  type Resolution,
  unresolved,
  upstream,
} from './resolution.ts'

/** `number` is the reference's port, used as it is. */
export function resolveUndeclared(
  context: TranslateContext,
  key: ResourceKey,
  number: number,
  use: BackendUse,
): Resolution {
  const template = context.options.serviceDns
  if (template === undefined) {
    return unresolved(
      'BackendNotFound',
      `${displayKey(key)} is not declared in any file.`,
      'Add a manifest of the Service (type ExternalName is enough for a DNS name), or give --service-dns when a name service knows all of them.',
    )
  }
  const text = template.replace(
    /\{(name|namespace)\}/g,
    (_, field: 'name' | 'namespace') => key[field],
  )
  const name = normalizeHostname(text)
  if (name === undefined) {
    return unresolved(
      'BackendNotFound',
      `${displayKey(key)} is not declared in any file and --service-dns makes ${JSON.stringify(text)} of it, which is no DNS name.`,
    )
  }
  return upstream(key, number, plainProtocolOf(use), [{ kind: 'name', name, port: number }])
}
