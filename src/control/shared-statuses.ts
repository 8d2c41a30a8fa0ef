/**
 * Statuses that say the same share what they say: 10,000 routes of one Gateway have one body between
 * them, 10,000 listeners one list of conditions. It is cloned once, and stays one object on the other
 * side.
 */
import type { ListenerStatus, ObjectStatus, StatusBody } from '../model/status.ts'
import type { Delta } from './delta.ts'

export function shareStatuses(delta: Delta<ObjectStatus>): Delta<ObjectStatus> {
  const shared = new SharedStatuses()
  const share = (status: ObjectStatus): ObjectStatus => shared.share(status)
  switch (delta.kind) {
    case 'whole':
      return { ...delta, items: delta.items.map(share) }
    case 'edit': {
      const changed = delta.changed.map(([index, status]) => [index, share(status)] as const)
      return { ...delta, inserted: delta.inserted.map(share), changed }
    }
  }
}

/** For one list: what it has seen it keeps. */
export class SharedStatuses {
  /** By JSON. */
  readonly #seen = new Map<string, unknown>()

  share(status: ObjectStatus): ObjectStatus {
    return { ...status, body: this.#body(status.body) }
  }

  #body(body: StatusBody): StatusBody {
    if (!('listeners' in body)) return this.#same(body)
    return {
      ...body,
      listeners: body.listeners.map(
        (listener): ListenerStatus => ({
          ...listener,
          supportedKinds: this.#same(listener.supportedKinds),
          conditions: this.#same(listener.conditions),
        }),
      ),
    }
  }

  #same<T>(value: T): T {
    const text = JSON.stringify(value)
    const known = this.#seen.get(text)
    // Equal texts stand for equal values of one type: kinds and conditions have other members.
    if (known !== undefined) return known as T
    this.#seen.set(text, value)
    return value
  }
}
