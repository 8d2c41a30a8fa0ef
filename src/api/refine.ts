/**
 * Rules across fields (the CRDs' CEL and list keys) as refinements for `superRefine`. An issue
 * stands at the field to change; its message completes the sentence "<path> ...".
 */
import type * as z from 'zod'

/** Adds an issue: `message` completes the sentence "<path> ...". */
export function report(context: z.RefinementCtx, path: PropertyKey[], message: string): void {
  context.addIssue({ code: 'custom', path, message })
}

/**
 * A refinement of lists: no two entries have one key; entries without key do not count. The issue
 * stands at `field` of the later entry (or at the entry) and names the earlier one.
 */
export function unique<T>(
  key: (item: T) => string | undefined,
  field?: string,
  what: string = field ?? 'value',
) {
  return (list: readonly T[], context: z.RefinementCtx): void => {
    const seen = new Map<string, number>()
    list.forEach((item, index) => {
      const text = key(item)
      if (text === undefined) return
      const first = seen.get(text)
      if (first === undefined) seen.set(text, index)
      else {
        const path = field === undefined ? [index] : [index, field]
        report(context, path, `must be unique: entry [${first}] has the same ${what}`)
      }
    })
  }
}

/** A refinement of lists: no entry clashes with an earlier one; the issue stands at the later. */
export function withoutClashes<T>(clash: (a: T, b: T) => boolean, message: string) {
  return (list: readonly T[], context: z.RefinementCtx): void => {
    list.forEach((item, index) => {
      const earlier = list.slice(0, index)
      if (earlier.some((other) => clash(other, item))) report(context, [index], message)
    })
  }
}

/** A refinement of maps: every key passes; an issue stands at each key that does not. */
export function keysLike(isAllowed: (key: string) => boolean, message: string) {
  return (map: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void => {
    for (const key of Object.keys(map)) if (!isAllowed(key)) report(context, [key], message)
  }
}

/**
 * A refinement of objects whose discriminator (`type`, `protocol`, `mode`) says which payload field
 * must be there; the payloads of its other values must not.
 */
export function payloadOf<T extends object>(
  discriminator: keyof T & string,
  fields: PayloadFields<T>,
) {
  return (object: T, context: z.RefinementCtx): void => {
    const actual = String(object[discriminator])
    for (const [value, field] of Object.entries<keyof T & string>(fields)) {
      if ((actual === value) === (object[field] !== undefined)) continue
      const verb = actual === value ? 'must be set' : 'must not be set'
      report(context, [field], `${verb} when ${discriminator} is ${actual}`)
    }
  }
}

type PayloadFields<T> = Readonly<Record<string, keyof T & string>>
