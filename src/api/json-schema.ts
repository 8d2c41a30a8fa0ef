/**
 * JSON Schemas for editors and other tools (`gwproxy schema`), made from the schemas that admit.
 * What JSON Schema cannot say (rules across fields) stands in the descriptions beside each refinement.
 */
import * as z from 'zod'
import type { KindName } from './kinds.ts'
import { KINDS } from './kinds.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

/** JSON Schema 2020-12 of what may be written in a file for this kind; defaults are optional there. */
export function jsonSchemaOf(kind: KindName): JsonSchema {
  const entry = KINDS[kind]
  const schema: z.ZodType = entry.schema
  return {
    title: kind,
    ...z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12', reused: 'inline' }),
  }
}
