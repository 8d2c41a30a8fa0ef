/** The servers of the admin interface and of the metrics listener: opened and closed together. */
import { rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { messageOf } from '../../base/errors.ts'
import type { Logger } from '../../observe/log.ts'
import { type AdminAddress, addressText, type MetricsAddress } from './address.ts'
import { type AdminPorts, adminEndpoints, probeEndpoints } from './endpoints.ts'
import { createHttpListener } from './http-listener.ts'
import { adminRules, listen, metricsRules } from './listen.ts'

export interface AdminOptions {
  readonly admin: AdminAddress
  readonly adminToken: string | undefined
  readonly metrics: MetricsAddress
}

/** A bound for those that come without end, over TCP. */
const MAX_WAITING = 1000

export class AdminServers {
  readonly #options: AdminOptions
  readonly #ports: AdminPorts
  readonly #log: Logger
  #servers: Server[] = []

  constructor(options: AdminOptions, ports: AdminPorts, log: Logger) {
    this.#options = options
    this.#ports = ports
    this.#log = log
  }

  /** @throws GwProxyError the admin interface cannot be opened */
  async open(): Promise<void> {
    await this.#openAdmin()
    await this.#openMetrics()
  }

  /** No new requests; takes the admin socket's file along. */
  close(): void {
    for (const server of this.#servers) server.close()
  }

  /** As `close`, for another process to open: whoever is connected already is still answered. */
  async handOver(): Promise<void> {
    const { admin } = this.#options
    // From here on nobody connects: they are told that there is no such file.
    if (admin.kind === 'unix') rmSync(admin.path, { force: true })
    await Promise.all(this.#servers.map(acceptWaiting))
    this.close()
  }

  /** Cuts what is under way, too. */
  closeAll(): void {
    this.close()
    for (const server of this.#servers) server.closeAllConnections()
    this.#servers = []
  }

  async #openAdmin(): Promise<void> {
    const { admin, adminToken } = this.#options
    if (admin.kind === 'off') return
    const rules = adminRules(admin, adminToken)
    const server = createHttpListener(adminEndpoints(this.#ports), rules)
    await listen(server, admin)
    this.#servers.push(server)
    this.#log.info({ admin: addressText(admin) }, 'admin interface open')
  }

  /** A busy metrics port must not keep the proxy from serving. */
  async #openMetrics(): Promise<void> {
    const { metrics } = this.#options
    if (metrics.kind === 'off') return
    const server = createHttpListener(probeEndpoints(this.#ports), metricsRules(metrics))
    try {
      await listen(server, metrics)
      this.#servers.push(server)
    } catch (error) {
      const help = 'name another address with --metrics HOST:PORT, or off'
      this.#log.warn({ help }, `no metrics: ${messageOf(error)}`)
    }
  }
}

/** Resolves when the queue of the socket is empty: closing it would reset those in there. */
async function acceptWaiting(server: Server): Promise<void> {
  let accepted = 0
  const count = (): void => {
    accepted += 1
  }
  server.on('connection', count)
  // One is accepted in each turn of the event loop, and one turn is over for certain after two.
  for (let before = -1; before < accepted && accepted < MAX_WAITING; ) {
    before = accepted
    await setImmediate()
    await setImmediate()
  }
  server.off('connection', count)
}
