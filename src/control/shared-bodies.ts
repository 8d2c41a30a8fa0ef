/**
 * Statuses that say the same share what they say: 10,000 routes of one Gateway have one body between
 * them, which is cloned once, and stays one object on the other side.
 */
import type { ObjectStatus, StatusBody } from '../model/status.ts'
import type { Delta } from './delta.ts'

export function shareBodies(delta: Delta<ObjectStatus>): Delta<ObjectStatus> {
  const bodies = new Map<string, StatusBody>()
  const share = (status: ObjectStatus): ObjectStatus => {
    const text = JSON.stringify(status.body)
    const body = bodies.get(text)
    if (body !== undefined) return { ...status, body }
    bodies.set(text, status.body)
    return status
  }
  switch (delta.kind) {
    case 'whole':
      return { ...delta, items: delta.items.map(share) }
    case 'edit': {
      const changed = delta.changed.map(([index, status]) => [index, share(status)] as const)
      return { ...delta, inserted: delta.inserted.map(share), changed }
    }
  }
}
