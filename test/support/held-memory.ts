/** What this process holds in buffers, after the collector has been; with peers in it, theirs too. */
import v8 from 'node:v8'
import vm from 'node:vm'

v8.setFlagsFromString('--expose-gc')
const collectGarbage: () => void = vm.runInNewContext('gc')

export function heldBytes(): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

/** What the heap of this process holds, likewise. */
export function heldHeap(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
