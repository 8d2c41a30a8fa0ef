/** Reads a zod schema backwards: which fields it knows at a path, for "did you mean ...?". */
import * as z from 'zod'
import type { DocumentPath } from '../model/diagnostic.ts'

/** The names of all fields that objects at `path` may have; empty when they may have any. */
export function fieldsAt(schema: z.ZodType, path: DocumentPath): readonly string[] {
  let level = unwrap(schema)
  for (const step of path) level = level.flatMap((type) => childrenOf(type, step)).flatMap(unwrap)
  const names = level.flatMap((type) =>
    type instanceof z.ZodObject ? Object.keys(type.shape) : [],
  )
  return [...new Set(names)]
}

function childrenOf(type: z.ZodType, step: string | number): z.ZodType[] {
  if (type instanceof z.ZodArray) return asTypes([type.element])
  if (type instanceof z.ZodRecord) return asTypes([type.valueType])
  if (!(type instanceof z.ZodObject)) return []
  const shape: Readonly<Record<string, unknown>> = type.shape
  return Object.hasOwn(shape, String(step)) ? asTypes([shape[String(step)]]) : []
}

/** The types behind optional, default, pipe, lazy and union. */
function unwrap(type: z.ZodType): z.ZodType[] {
  if (type instanceof z.ZodUnion) return asTypes(type.options).flatMap(unwrap)
  if (type instanceof z.ZodIntersection) {
    return asTypes([type.def.left, type.def.right]).flatMap(unwrap)
  }
  if (type instanceof z.ZodPipe) return asTypes([type.in, type.out]).flatMap(unwrap)
  if (type instanceof z.ZodLazy) return asTypes([type.unwrap()]).flatMap(unwrap)
  const inner: unknown = 'innerType' in type.def ? type.def.innerType : undefined
  return inner instanceof z.ZodType ? unwrap(inner) : [type]
}

function asTypes(values: readonly unknown[]): z.ZodType[] {
  return values.filter((value) => value instanceof z.ZodType)
}
