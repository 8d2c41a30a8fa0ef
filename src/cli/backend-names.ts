/** The host names that manifests give backends, looked up once for `gwproxy check`. */
import type { ResourceSet } from '../api/resource-set.ts'
import type { Resource } from '../api/resource.ts'
import type { LookUp } from '../control/name-resolver.ts'
import { type Diagnostic, type DocumentPath, formatPath } from '../model/diagnostic.ts'
import { displayKey } from '../model/resource-key.ts'

/** Host names of backends that do not resolve on this machine now: a warning, they may later. */
export async function lookUpNames(resources: ResourceSet, lookUp: LookUp): Promise<Diagnostic[]> {
  const uses = [...namesOf(resources)]
  const found = await Promise.all(uses.map(({ name }) => lookUp(name)))
  return uses.flatMap(({ resource, path, name }, index) => {
    const result = found[index]
    if (result === undefined || result.kind === 'addresses') return []
    const why = result.kind === 'absent' ? 'no such name' : result.reason
    return {
      severity: 'warning',
      code: 'reference',
      origin: resource.locate(path),
      object: displayKey(resource.key),
      path: formatPath(path),
      message: `the name ${name} does not resolve here and now: ${why}`,
    }
  })
}

interface NameUse {
  readonly resource: Resource<unknown>
  readonly path: DocumentPath
  readonly name: string
}

function* namesOf(resources: ResourceSet): Generator<NameUse> {
  for (const resource of resources.services) {
    const { type, externalName } = resource.object.spec ?? {}
    if (type === 'ExternalName' && externalName !== undefined) {
      yield { resource, path: ['spec', 'externalName'], name: externalName }
    }
  }
  for (const resource of resources.endpointSlices) {
    if (resource.object.addressType !== 'FQDN') continue
    for (const [index, endpoint] of (resource.object.endpoints ?? []).entries()) {
      const [name] = endpoint.addresses
      if (name !== undefined) yield { resource, path: ['endpoints', index, 'addresses', 0], name }
    }
  }
  for (const resource of resources.envoyBackends) {
    for (const [index, { fqdn }] of (resource.object.spec.endpoints ?? []).entries()) {
      const path = ['spec', 'endpoints', index, 'fqdn', 'hostname']
      if (fqdn !== undefined) yield { resource, path, name: fqdn.hostname }
    }
  }
  for (const resource of resources.xBackends) {
    const name = resource.object.spec.externalHostname?.hostname
    const path = ['spec', 'externalHostname', 'hostname']
    if (name !== undefined) yield { resource, path, name }
  }
}
