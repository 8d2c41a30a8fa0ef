/** Functions and operators of the Common Expression Language that the CRDs use; see cel.ts. */
import { isIP } from 'node:net'

/** Items of a list, keys of a map. */
export function entries(target: unknown): readonly unknown[] {
  if (Array.isArray(target)) return target
  if (typeof target === 'object' && target !== null) return Object.keys(target)
  throw new Error('CEL: not a list or map')
}

export function compare(sign: string, a: unknown, b: unknown): boolean {
  switch (sign) {
    case '==':
      return a === b
    case '!=':
      return a !== b
    case 'in':
      return entries(b).includes(a)
    case '<':
      return Number(a) < Number(b)
    case '<=':
      return Number(a) <= Number(b)
    default:
      return Number(a) > Number(b)
  }
}

/** A function, or a method of `target`. */
export function method(name: string, target: unknown, ...args: unknown[]): unknown {
  if (name === 'size')
    return typeof target === 'string' ? [...target].length : entries(target).length
  const text = String(target)
  const arg = String(args[0])
  switch (name) {
    case 'startsWith':
      return text.startsWith(arg)
    case 'endsWith':
      return text.endsWith(arg)
    case 'contains':
      return text.includes(arg)
    case 'matches':
      return new RegExp(arg.replace('(?i)', ''), arg.includes('(?i)') ? 'i' : '').test(text)
    case 'split':
      return text.split(arg)
    case 'substring':
      return text.slice(Number(args[0]))
    case 'duration':
      return durationMs(text)
    case 'isIP':
      return isIP(text) !== 0
    case 'dns1123Label':
      return 'dns1123Label'
    case 'validate':
      return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(arg) ? null : ['invalid']
    default:
      throw new Error(`CEL: unknown function ${name}`)
  }
}

function durationMs(text: string): number {
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
  const groups = [...text.matchAll(/(\d+)(ms|h|m|s)/g)]
  return groups.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0)
}
