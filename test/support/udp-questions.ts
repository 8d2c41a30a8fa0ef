/** A bounded load of datagrams, none of which may be lost. */
import assert from 'node:assert/strict'
import { UdpClient } from './udp-peers.ts'
import { until } from './until.ts'

/** More at once would not fit the kernel's buffer while nobody reads. */
const MAX_UNANSWERED = 100
const EVERY_MS = 4

/** Asks each question once, every second one within a flow that was there before: all must be answered. */
export class UdpQuestions {
  readonly #address: string
  readonly #port: number
  readonly #clients: UdpClient[] = []
  readonly #idle: UdpClient[] = []
  readonly #timer: NodeJS.Timeout
  #asked = 0
  #answered = 0

  constructor(address: string, port: number) {
    this.#address = address
    this.#port = port
    this.#timer = setInterval(() => {
      if (this.#asked - this.#answered < MAX_UNANSWERED) void this.#ask()
    }, EVERY_MS)
  }

  /** Resolves when all have their answer: how many. */
  async answered(): Promise<number> {
    clearInterval(this.#timer)
    await until(
      () => this.#answered === this.#asked,
      () => `${this.#asked} asked, ${this.#answered} answered`,
    )
    for (const client of this.#clients) client.close()
    return this.#asked
  }

  async #ask(): Promise<void> {
    const index = this.#asked
    this.#asked += 1
    const client = (index % 2 === 0 ? this.#idle.shift() : undefined) ?? (await this.#open())
    const { text } = await client.ask(String(index), this.#port, this.#address)
    assert.equal(text, `dns:${index}`)
    this.#answered += 1
    this.#idle.push(client)
  }

  async #open(): Promise<UdpClient> {
    const client = await UdpClient.open()
    this.#clients.push(client)
    return client
  }
}
