/**
 * Which worker owns which UDP bind (decision 15). An owner keeps its bind while it lives, since its
 * flows live in its process; a bind moves only when its worker is gone.
 */
import type { BindKey } from '../model/identity.ts'

/** A worker's place, as Publisher's. */
type Slot = number

export class UdpOwners {
  readonly #owners = new Map<BindKey, Slot>()
  #hasReleased = false

  isOwner(slot: Slot, bind: BindKey): boolean {
    return this.#owners.get(bind) === slot
  }

  /**
   * Gives each wanted bind without an owner to the worker that owns the fewest. One that is wanted no
   * more is forgotten when its owner `holds` it no more: until then nobody else could open it.
   */
  assign(
    wanted: readonly BindKey[],
    slots: readonly Slot[],
    holds: (slot: Slot, bind: BindKey) => boolean,
  ): void {
    const isWanted = new Set(wanted)
    for (const [bind, slot] of this.#owners) {
      if (isWanted.has(bind) || holds(slot, bind)) continue
      this.#owners.delete(bind)
      this.#hasReleased = true
    }
    for (const bind of wanted) {
      const slot = this.#owners.has(bind) ? undefined : this.#leastLoaded(slots)
      if (slot !== undefined) this.#owners.set(bind, slot)
    }
  }

  /** Whether a bind that is wanted no more was let go since this was asked last. */
  takeReleased(): boolean {
    const released = this.#hasReleased
    this.#hasReleased = false
    return released
  }

  /** The worker is gone; true when it owned something. */
  left(slot: Slot): boolean {
    const binds = [...this.#owners].flatMap(([bind, owner]) => (owner === slot ? bind : []))
    for (const bind of binds) this.#owners.delete(bind)
    return binds.length > 0
  }

  #leastLoaded(slots: readonly Slot[]): Slot | undefined {
    const loads = new Map(slots.map((slot) => [slot, 0]))
    for (const slot of this.#owners.values()) loads.set(slot, (loads.get(slot) ?? 0) + 1)
    return slots.toSorted((a, b) => (loads.get(a) ?? 0) - (loads.get(b) ?? 0) || a - b)[0]
  }
}
