/**
 * Rules of TLSRoute, TCPRoute and UDPRoute. v1 allows exactly one rule; the older versions are
 * still served with up to 16 rules of unique names.
 */
import * as z from 'zod'
import { backendRef } from './backend-ref.ts'
import type { Output } from './common.ts'
import { sectionName } from './common.ts'
import { unique } from './refine.ts'

const l4Rule = z.strictObject({
  name: sectionName.exactOptional(),
  backendRefs: z
    .array(backendRef)
    .min(1, 'must name at least one backend')
    .max(16, 'must have at most 16 entries'),
})

export type L4Rule = Output<typeof l4Rule>

export const oneL4Rule = z
  .array(l4Rule)
  .min(1, 'must have exactly one rule')
  .max(1, 'must have exactly one rule')

export const manyL4Rules = z
  .array(l4Rule)
  .min(1, 'must have at least one rule')
  .max(16, 'must have at most 16 rules')
  .superRefine(uniqueRuleNames)
  .describe('Rule names are unique.')

/** Rule names are unique within a route; for `superRefine`. */
export function uniqueRuleNames(
  rules: readonly { readonly name?: string }[],
  context: z.RefinementCtx,
): void {
  unique((rule: { readonly name?: string }) => rule.name, 'name')(rules, context)
}
