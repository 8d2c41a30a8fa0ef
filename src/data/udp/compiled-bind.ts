/**
 * What a runtime has for one UDP bind: the local address chooses the chain. Released with its
 * runtime; flows keep their chain, of which only the backends' choice is used, once.
 */
import type { Digest } from '../../base/brand.ts'
import { GwProxyError } from '../../base/errors.ts'
import { SniTable } from '../../match/sni.ts'
import type { BindKey, ListenerKey, RouteRef } from '../../model/identity.ts'
import type { BindPart, Chain, KeptPart, ResetAction } from '../../model/snapshot.ts'
import type { BackendSet, Registry } from '../upstream/contract.ts'
import { localAddressesOf, withoutZone } from './interface-addresses.ts'

export interface UdpChain {
  readonly listener: ListenerKey
  readonly action: 'udp-forward' | 'reset'
  readonly route: RouteRef | undefined
  readonly rule: string | undefined
  /** undefined: nothing is forwarded, for this reason. */
  readonly backends: BackendSet | undefined
  readonly refusal: ResetAction['reason']
}

export interface UdpCompileContext {
  readonly registry: Registry
  part(digest: Digest): KeptPart
}

export class CompiledUdpBind {
  readonly key: BindKey
  readonly #part: BindPart
  readonly #chains: UdpChain[] = []
  readonly #table: SniTable<UdpChain>

  constructor(part: BindPart, context: UdpCompileContext) {
    this.key = part.key
    this.#part = part
    this.#table = new SniTable(
      part.tables.map(({ localAddresses, chains }) => ({
        localAddresses,
        entries: chains.map(({ hostname, ...chain }) => {
          const compiled = this.#compile(chain, context)
          this.#chains.push(compiled)
          return [hostname, compiled] as const
        }),
      })),
    )
  }

  get port(): number {
    return this.#part.port
  }

  get isWildcard(): boolean {
    return this.#part.address === '::' || this.#part.address === '0.0.0.0'
  }

  /**
   * The addresses that need a socket, as the machine's interfaces are now. Own addresses of tables
   * are among them: an interface does not list every address it answers to (127.0.0.2). undefined:
   * they cannot be told now.
   */
  get localAddresses(): ReadonlySet<string> | undefined {
    const found = localAddressesOf(this.#part.address)
    const own = this.#part.tables.flatMap(({ localAddresses }) => localAddresses)
    return found && new Set([...own.filter((address) => address !== '*'), ...found])
  }

  choose(localAddress: string): UdpChain | undefined {
    const choice = this.#table.choose(withoutZone(localAddress), undefined)
    return choice.kind === 'found' ? choice.value : undefined
  }

  release(): void {
    for (const { backends } of this.#chains) backends?.release()
  }

  #compile(
    { listener, action }: Omit<Chain, 'hostname'>,
    { registry, part }: UdpCompileContext,
  ): UdpChain {
    switch (action.kind) {
      case 'udp-forward': {
        const { kind, route, name, id } = action
        const backends = registry.acquire(id, action.backends, part)
        return { listener, action: kind, route, rule: name, backends, refusal: 'no-route' }
      }
      case 'reset': {
        const { kind, route, reason } = action
        const backends = undefined
        return { listener, action: kind, route, rule: undefined, backends, refusal: reason }
      }
      default:
        throw new GwProxyError(
          'GWP_DEFECT_INVARIANT',
          `a chain of kind ${action.kind} on ${this.key}`,
        )
    }
  }
}
