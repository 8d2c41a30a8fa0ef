/** The maps of Secrets and ConfigMaps (kubernetes core validation). */
import * as z from 'zod'
import { keysLike } from './refine.ts'

const KEY = /^[-._a-zA-Z0-9]{1,253}$/
/** Of a length that is a multiple of four; cheaper to scan than groups of four. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

const checkKeys = keysLike(
  (key) => KEY.test(key) && key !== '.' && !key.startsWith('..'),
  'must be a key of up to 253 letters, digits, "-", "_" and ".", and not start with ".."',
)

/** Plain text by key. */
export const textMap = z.record(z.string(), z.string()).superRefine(checkKeys)

/** base64 by key, in the standard alphabet with padding; line breaks are ignored as in Go. */
export const base64Map = z
  .record(
    z.string(),
    z.string().refine(isBase64, {
      error: 'must be base64 of the standard alphabet with padding',
    }),
  )
  .superRefine(checkKeys)

function isBase64(value: string): boolean {
  const text = value.replace(/[\r\n]/g, '')
  return text.length % 4 === 0 && BASE64.test(text)
}
