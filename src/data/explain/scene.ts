/** What the steps of an explanation share. */
import type { Explained, Explanation } from '../../model/explanation.ts'
import type { RouteRef } from '../../model/identity.ts'
import type { ChainTable } from '../../model/snapshot.ts'
import type { Slice } from '../slice.ts'
import type { Question } from './question.ts'

export interface Scene {
  readonly explained: Explained
  readonly question: Question
  /** The one that serves the local address. */
  readonly table: ChainTable
  readonly slice: Slice
}

/** What is known of an explanation so far. */
export type Facts = Partial<Explanation> & Pick<Explanation, 'answer' | 'serves'>

/** As the access log names it. */
export function routeText({ kind, namespace, name }: RouteRef): string {
  return `${kind}/${namespace}/${name}`
}
