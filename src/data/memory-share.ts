/**
 * How much of the memory that we may use is used: of this process's heap, and of the control group's
 * limit, at which the kernel kills. Of the page cache what is in use counts, as the kubelet has it:
 * without room for the pages of the program itself everything stands still before anything is killed.
 */
import { readFileSync } from 'node:fs'
import { getHeapStatistics } from 'node:v8'
import type { MemoryLimit } from '../ipc/messages.ts'

/** 0 to 1; the larger of both. */
export function memoryShare(limit: MemoryLimit | undefined): number {
  const { used_heap_size, heap_size_limit } = getHeapStatistics()
  return Math.max(used_heap_size / heap_size_limit, limit === undefined ? 0 : groupShare(limit))
}

function groupShare({ limitBytes, usagePath, statPath, cacheField }: MemoryLimit): number {
  try {
    const stat = readFileSync(statPath, 'utf8')
    return (Number(readFileSync(usagePath, 'utf8')) - fieldOf(stat, cacheField)) / limitBytes
  } catch {
    // The group is gone or hidden: what is not known refuses nobody.
    return 0
  }
}

function fieldOf(stat: string, field: string): number {
  return Number(new RegExp(`^${field} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0)
}
