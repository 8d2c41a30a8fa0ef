/**
 * The scalar types of the Gateway API (upstream apis/v1/shared_types.go) with the limits that the
 * CRDs put on them. Patterns are the CRDs' own. Rules across fields: refine.ts.
 */
import { isIP } from 'node:net'
import * as z from 'zod'

/** The type of an admitted object: what a schema puts out, read-only to the bottom. */
export type Output<Schema extends z.ZodType> = DeepReadonly<z.output<Schema>>

export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

const DNS_LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const DNS_SUBDOMAIN = `${DNS_LABEL}(\\.${DNS_LABEL})*`

export const LABEL_PATTERN = new RegExp(`^${DNS_LABEL}$`)
export const SUBDOMAIN_PATTERN = new RegExp(`^${DNS_SUBDOMAIN}$`)
export const HOSTNAME_PATTERN = new RegExp(`^(\\*\\.)?${DNS_SUBDOMAIN}$`)
const GROUP_PATTERN = new RegExp(`^$|^${DNS_SUBDOMAIN}$`)
const KIND_PATTERN = /^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/
const DURATION_PATTERN = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/

/** Text of `min` to `max` characters; characters are code points, as the API server counts them. */
export function text(min: number, max: number): z.ZodString {
  return z
    .string()
    .refine((value) => isLength(value, min, max), {
      error:
        min === 0 ? `must be at most ${max} characters` : `must be ${min} to ${max} characters`,
      abort: true,
    })
    .meta({ ...(min > 0 ? { minLength: min } : {}), maxLength: max })
}

function isLength(value: string, min: number, max: number): boolean {
  // A code point is one or two UTF-16 units: most texts need no count.
  if (value.length >= min * 2 && value.length <= max) return true
  const count = [...value].length
  return count >= min && count <= max
}

/** `text` that must also fit a pattern; `expected` completes the sentence "must be ...". */
export function patterned(
  min: number,
  max: number,
  pattern: RegExp,
  expected: string,
): z.ZodString {
  return text(min, max).regex(pattern, `must be ${expected}`)
}

/** A DNS name that may start with `*.`. */
export const hostname: z.ZodString = patterned(
  1,
  253,
  HOSTNAME_PATTERN,
  'a lower-case DNS name such as www.example.com or *.example.com, without port or trailing dot',
)

/** A DNS name without wildcard. */
export const preciseHostname: z.ZodString = patterned(
  1,
  253,
  SUBDOMAIN_PATTERN,
  'a lower-case DNS name such as www.example.com, without wildcard, port or trailing dot',
)

/** The group of a reference; '' is the core group. */
export const group: z.ZodString = patterned(
  0,
  253,
  GROUP_PATTERN,
  'an API group such as gateway.networking.k8s.io, or "" for the core group, without version',
)

export const kindName: z.ZodString = patterned(
  1,
  63,
  KIND_PATTERN,
  'letters, digits and "-", such as Service',
)

/** The name of a referenced object: the CRDs limit its length only. */
export const objectName: z.ZodString = text(1, 253)

export const namespaceName: z.ZodString = patterned(
  1,
  63,
  LABEL_PATTERN,
  'lower-case letters, digits and "-"',
)

/** The name of a listener or of a route's rule. */
export const sectionName: z.ZodString = patterned(
  1,
  253,
  SUBDOMAIN_PATTERN,
  'lower-case letters, digits, "-" and "."',
)

export const portNumber: z.ZodInt = z
  .int()
  .min(1, 'must be from 1 to 65535')
  .max(65_535, 'must be from 1 to 65535')

/** GEP-2257: no fractions, no sign. */
export const duration: z.ZodString = z
  .string()
  .regex(
    DURATION_PATTERN,
    'must be a duration of 1 to 4 groups of up to 5 digits and h, m, s or ms, such as 10s or 1m30s',
  )

/** Options that an implementation defines: at most 16, values of at most 4096 characters. */
export const annotationMap = z
  .record(z.string(), text(0, 4096))
  .refine((map) => Object.keys(map).length <= 16, 'must have at most 16 entries')
  .meta({ maxProperties: 16 })

/** Whether a text is an IPv4 or IPv6 address literal; zones are no part of it, as in Go. */
export function isIpAddress(value: string): boolean {
  return isIP(value) !== 0 && !value.includes('%')
}
