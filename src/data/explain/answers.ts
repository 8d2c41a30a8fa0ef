/** Answers of gwproxy itself, as the outcome table and the data plane's own replies have them. */
import { assertNever } from '../../base/assert-never.ts'
import type { ExplainedAnswer, ExplainedFacts, ExplainedReply } from '../../model/explanation.ts'
import { outcomeRow, type Reason } from '../../model/outcome.ts'
import type { FilterAnswer } from '../http/filters/filters.ts'
import { localReply } from '../http/local-reply.ts'

export function answered(answer: ExplainedAnswer): ExplainedFacts {
  return { answer, serves: isServed(answer) }
}

/** A connection that is closed without an answer. */
export function closed(reason: Reason): ExplainedFacts {
  return answered({ kind: 'closed', how: outcomeRow(reason).l4, reason })
}

/** A request that is refused. */
export function refused(reason: Reason, isGrpc: boolean): ExplainedFacts {
  const { status } = localReply(reason, isGrpc)
  if (status === 0) return closed(reason)
  const { grpcStatus } = outcomeRow(reason)
  return answered({ kind: 'reply', reason, status, ...(isGrpc && { grpcStatus }) })
}

/** Call it when the fields of the reply have passed the filters of responses. */
export function replied({ reply, reason }: FilterAnswer): ExplainedReply {
  const location = reply.fields.get('location')
  const fields = corsLines(reply.fields.toRaw())
  return {
    kind: 'reply',
    reason,
    status: reply.status,
    ...(location !== undefined && { location }),
    ...(fields.length > 0 && { fields }),
  }
}

/** `Name: value`; no others, since their values may be secrets of the configuration. */
export function corsLines(raw: readonly string[]): readonly string[] {
  return raw.flatMap((name, index) =>
    index % 2 === 0 && /^access-control-/i.test(name) ? [`${name}: ${raw[index + 1]}`] : [],
  )
}

function isServed(answer: ExplainedAnswer): boolean {
  switch (answer.kind) {
    case 'forward':
    case 'http':
      return true
    case 'reply':
      return outcomeRow(answer.reason).side === 'none'
    case 'closed':
    case 'not-listening':
      return false
    default:
      return assertNever(answer)
  }
}
