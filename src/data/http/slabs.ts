/**
 * Memory in which bodies are gathered on their way out, used again and again: large buffers that live
 * for one write each would bring the collector in every few hundred of them. Of a thread; a bounded
 * number, so that slow clients cannot have more.
 */

export const SLAB_BYTES = 131_072
/** 8 MiB. */
const MAX_SLABS = 64

/** What nobody has taken for as long is let go, but for one. */
const IDLE_MS = 1000

const idle: Buffer[] = []
let made = 0
/** The fewest that were idle since the last look. */
let spare = 0
let looks: NodeJS.Timeout | undefined

/** What is in it is of somebody else. undefined: all are in use. */
export function takeSlab(): Buffer | undefined {
  const slab = idle.pop()
  if (idle.length < spare) spare = idle.length
  if (slab !== undefined || made === MAX_SLABS) return slab
  made += 1
  return Buffer.allocUnsafeSlow(SLAB_BYTES)
}

/** Nobody reads it any more. undefined: somebody might, and it is not to be used again. */
export function giveSlab(slab: Buffer | undefined): void {
  if (slab === undefined) made -= 1
  else if (idle.push(slab) > 1) looks ??= setInterval(letGo, IDLE_MS).unref()
}

function letGo(): void {
  const gone = idle.splice(0, Math.min(spare, idle.length - 1)).length
  made -= gone
  spare = idle.length
  if (spare > 1) return
  clearInterval(looks)
  looks = undefined
}
