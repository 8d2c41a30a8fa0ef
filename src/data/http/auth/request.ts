/** What is asked about: the request as it came in, before any filter changed it. */
import type { RequestHead } from '../normalize.ts'
import type { RequestStream } from '../request-body.ts'

export interface AuthRequest {
  /** Its fields are edited when the request is allowed. */
  readonly head: RequestHead
  readonly body: RequestStream
  readonly isGrpc: boolean
  readonly requestId: string | undefined
  /** Who the connection speaks for. */
  readonly client: string | undefined
  /** Milliseconds since the epoch. */
  readonly startTime: number
}
