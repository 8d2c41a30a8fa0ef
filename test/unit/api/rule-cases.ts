/** Pairs of specs around one rule across fields: the first is admitted, the second refused at `at`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ZodType } from 'zod'
import { KINDS } from '../../../src/api/kinds.ts'
import type { KindName } from '../../../src/api/kinds.ts'
import { formatPath } from '../../../src/model/diagnostic.ts'
import type { DocumentPath } from '../../../src/model/diagnostic.ts'

export interface RuleCase {
  readonly rule: string
  readonly accept: object
  readonly refuse: object
  /** Where the refused object is wrong, `path message`. */
  readonly at: string
}

/** One test per rule. `frame` makes the object's fields beside apiVersion, kind and metadata. */
export function testRules(
  kind: KindName,
  frame: (part: object) => object,
  cases: readonly RuleCase[],
  version: string = KINDS[kind].versions[0],
): void {
  for (const { rule, accept, refuse, at } of cases) {
    test(`${kind}: ${rule}`, () => {
      assert.deepEqual(problems(kind, frame(accept), version), [], 'the first is admitted')
      assert.deepEqual(problems(kind, frame(refuse), version), [at], 'the second is refused')
    })
  }
}

/** The issues of an object, `path message`. */
export function problems(
  kind: KindName,
  fields: object,
  version: string = KINDS[kind].versions[0],
): string[] {
  const { group, schema }: { group: string; schema: ZodType } = KINDS[kind]
  const apiVersion = group === '' ? version : `${group}/${version}`
  const object = { apiVersion, kind, metadata: { name: 'a' }, ...fields }
  const issues = schema.safeParse(object).error?.issues ?? []
  return issues.map(({ path, message }) => `${formatPath(path as DocumentPath)} ${message}`)
}
