/**
 * The addresses of one Gateway (DESIGN.md decision 6): its own, one of the pool, or the wildcard.
 */
import type { Gateway } from '../api/gateway.ts'
import type { Resource } from '../api/resource.ts'
import type { DocumentPath } from '../model/diagnostic.ts'
import { type AddressPool, assignFromPool, bindAddress, parsePool } from './addresses.ts'
import type { TranslateContext } from './context.ts'
import { type Holdings, NO_HOLDINGS } from './holdings.ts'
import type { Problem } from './problem.ts'

/**
 * `spec.addresses`, or one address of ours: from the pool, else the wildcard. `taken` are those of
 * older Gateways. undefined: the pool is full.
 */
export function assignAddresses(
  context: TranslateContext,
  { key, object }: Resource<Gateway>,
  taken: ReadonlySet<string>,
): readonly string[] | undefined {
  const { addressPool, hasIpv6 } = context.options
  const entries = object.spec.addresses ?? []
  const given = entries.flatMap(({ value }) => bindAddress(value ?? '') ?? [])
  const wantsOurs = entries.length === 0 || entries.some(({ value }) => isEmpty(value))
  if (!wantsOurs) return [...new Set(given)]
  const wildcard = hasIpv6 ? '::' : '0.0.0.0'
  const own =
    addressPool === undefined
      ? wildcard
      : poolAddress(context, parsePool(addressPool), `${key.namespace}/${key.name}`, taken)
  return own === undefined ? undefined : [...new Set([...given, own])]
}

/** The one it had; else one that nobody had in this run; else one whose Gateway is gone. */
function poolAddress(
  { resources, options }: TranslateContext,
  pool: AddressPool,
  name: string,
  taken: ReadonlySet<string>,
): string | undefined {
  const { poolAddresses } = options.holdings ?? NO_HOLDINGS
  const held = poolAddresses.get(name)
  if (held !== undefined) return held
  const everHeld = new Set([...taken, ...poolAddresses.values()])
  const fresh = assignFromPool(pool, name, everHeld)
  if (fresh !== undefined) return fresh
  const present = resources.gateways.map(({ key }) => `${key.namespace}/${key.name}`)
  const inUse = present.flatMap((gateway) => poolAddresses.get(gateway) ?? [])
  return assignFromPool(pool, name, new Set([...taken, ...inUse]))
}

/** The first entry that is no address to bind. */
export function addressTypeProblem(
  context: TranslateContext,
  resource: Resource<Gateway>,
): Problem<'UnsupportedAddress'> | undefined {
  for (const [index, { type, value }] of (resource.object.spec.addresses ?? []).entries()) {
    const path: DocumentPath = ['spec', 'addresses', index]
    if (type === 'IPAddress' && (isEmpty(value) || bindAddress(value ?? '') !== undefined)) continue
    const message =
      type === 'IPAddress'
        ? `spec.addresses[${index}] is no plain IPv4 or IPv6 address: ${value}.`
        : `spec.addresses[${index}] has type ${type}; only IPAddress is supported, as an address of this machine to bind.`
    context.diagnostics.report(resource, { severity: 'error', code: 'address', path, message })
    return { reason: 'UnsupportedAddress', message }
  }
  return undefined
}

/** What this pass leaves reserved for the next: an address that was given on belongs to its new owner. */
export function poolAddressesOf(
  { options }: TranslateContext,
  gateways: readonly AddressedGateway[],
): Holdings['poolAddresses'] {
  if (options.addressPool === undefined) return new Map()
  const present = gateways.flatMap(({ resource, bindAddresses }): [string, string][] => {
    const { key, object } = resource
    const given = (object.spec.addresses ?? []).map(({ value }) => bindAddress(value ?? ''))
    const own = bindAddresses.find((address) => !given.includes(address))
    return own === undefined ? [] : [[`${key.namespace}/${key.name}`, own]]
  })
  const owned = new Set(present.map(([, address]) => address))
  const gone = [...(options.holdings?.poolAddresses ?? [])].filter(([, held]) => !owned.has(held))
  return new Map([...gone, ...present])
}

interface AddressedGateway {
  readonly resource: Resource<Gateway>
  readonly bindAddresses: readonly string[]
}

function isEmpty(value: string | undefined): boolean {
  return value === undefined || value === ''
}
