/**
 * Mirrored copies of requests (digest section 4.4): fire and forget. A copy goes to one endpoint of
 * its target, its answer is read and dropped, and nothing that happens to it reaches the exchange
 * or its access line. In number, bytes and time all copies of a worker are bounded.
 */
import type { HttpFilter } from '../../model/http-filter.ts'
import { Deadline, type TimerSink } from '../timer-wheel.ts'
import type { BackendSet, Upstream } from '../upstream/contract.ts'
import { ByteBudget } from './byte-budget.ts'
import type { HttpContext } from './exchange-host.ts'
import { Fields } from './fields.ts'
import type { RequestDraft } from './filters/filters.ts'
import { Forwarding, type ForwardSink, type Outgoing } from './forward.ts'
import { sealRequestFields } from './headers.ts'
import { MirrorBody } from './mirror-body.ts'
import type { RequestHead } from './normalize.ts'
import { RequestBody } from './request-body.ts'

/** Bytes of bodies that all copies of a worker may be behind. */
const MAX_HELD = 32 * 1024 * 1024
/** Copies on their way; further ones are not made. */
const MAX_COPIES = 256
/** From its start to the end of its answer. */
const COPY_MS = 60_000

/** What a worker has once. */
export class Mirrors {
  readonly #memory = new ByteBudget(MAX_HELD)
  #copies = 0

  /**
   * Sends what the mirrors among `filters` are due, by their shares (LiveRule.mirrors). The draft is
   * copied as it is now; to be called before the body is read.
   */
  send(
    filters: readonly HttpFilter[],
    shares: ReadonlyMap<HttpFilter, BackendSet>,
    request: MirroredRequest,
    context: HttpContext,
  ): void {
    if (shares.size === 0 || request.head.websocket) return
    for (const filter of filters) {
      const choice = shares.get(filter)?.choose()
      if (choice?.kind === 'upstream') this.#copy(choice.upstream, request, context)
    }
  }

  #copy(upstream: Upstream, { head, draft, body }: MirroredRequest, context: HttpContext): void {
    if (this.#copies >= MAX_COPIES) return
    this.#copies += 1
    const copy = new MirrorCopy(context, () => {
      this.#copies -= 1
    })
    const stream = body && new MirrorBody(this.#memory, () => copy.drop())
    if (stream !== undefined) body?.tap(stream)
    const { host, raw } = sealRequestFields(Fields.fromRaw(draft.fields.toRaw()))
    const request = {
      method: head.method,
      target: draft.target,
      host,
      fields: raw,
      body: stream && new RequestBody(stream),
      contentLength: head.body.kind === 'length' ? head.body.bytes : undefined,
      websocket: false,
    }
    copy.start(upstream, request, stream)
  }
}

export interface MirroredRequest {
  readonly head: RequestHead
  readonly draft: RequestDraft
  readonly body: RequestBody | undefined
}

class MirrorCopy implements ForwardSink, TimerSink {
  readonly #context: HttpContext
  readonly #deadline: Deadline
  readonly #onOver: () => void
  #forwarding: Forwarding | undefined
  #stream: MirrorBody | undefined
  #over = false

  constructor(context: HttpContext, onOver: () => void) {
    this.#context = context
    this.#deadline = new Deadline(context.wheel, this)
    this.#onOver = onOver
  }

  start(upstream: Upstream, request: Outgoing, stream: MirrorBody | undefined): void {
    // A body that was read before may be too long by itself.
    if (this.#over) {
      stream?.destroy()
      return
    }
    const { limits, wheel } = this.#context
    const { connectMs, headerBytes } = limits
    this.#stream = stream
    this.#deadline.arm(COPY_MS)
    this.#forwarding = new Forwarding(upstream, request, this, {
      connectMs,
      headerBytes,
      wheel,
    })
    this.#forwarding.start()
  }

  /** Idempotent. */
  drop(): void {
    if (this.#over) return
    this.#over = true
    this.#deadline.cancel()
    this.#forwarding?.cancel()
    this.#stream?.destroy()
    this.#onOver()
  }

  onDeadline(): void {
    this.drop()
  }

  onEnd(): void {
    this.drop()
  }

  onFailure(): void {
    this.drop()
  }

  onUpgrade(): void {
    this.drop()
  }

  onDefect(error: unknown): void {
    this.#context.onDefect(error)
    this.drop()
  }

  onAttempt(): void {}
  onConnected(): void {}
  onInformation(): void {}
  onHead(): void {}
  onData(): void {}
  onBodyWanted(): void {}
  onBodyChunk(): void {}
  onBodyEnd(): void {}
}
