/** A worker that a test of control plays, and its settings. */
import type { StartedWorker } from '../../../src/control/supervisor.ts'
import type { SocketHandle } from '../../../src/ipc/link.ts'
import {
  type ControlMessage,
  DEFAULT_LIMITS,
  type WorkerMessage,
  type WorkerSettings,
} from '../../../src/ipc/messages.ts'
import { DEFAULT_ACCESS_LOG } from '../../../src/observe/access-log-settings.ts'

export const SETTINGS: WorkerSettings = {
  trustedProxies: [],
  accessLog: DEFAULT_ACCESS_LOG,
  log: 'stdout',
  logLevel: 'info',
  logFormat: 'json',
  maxConnections: 100,
  io: 'auto',
  limits: DEFAULT_LIMITS,
  sessionSecret: '',
}

/** A worker that the test plays. */
export class Scripted {
  readonly received: ControlMessage[] = []
  killed = false
  #say: (message: WorkerMessage, socket?: SocketHandle) => void = () => undefined
  #end: (reason: string) => void = () => undefined

  readonly started: StartedWorker

  constructor(pid: number, kind: StartedWorker['kind'] = 'process') {
    this.started = {
      kind,
      pid,
      link: {
        send: (message) => void this.received.push(message),
        onMessage: (handler) => {
          this.#say = handler
        },
        onClose: (handler) => {
          this.#end = handler
        },
      },
      kill: () => {
        this.killed = true
      },
    }
  }

  get types(): readonly string[] {
    return this.received.map(({ type }) => type)
  }

  say(message: WorkerMessage, socket?: SocketHandle): void {
    this.#say(message, socket)
  }

  hello(build = 'b1'): void {
    this.say({ type: 'hello', build, pid: this.started.pid, heldParts: [] })
  }

  end(reason: string): void {
    this.#end(reason)
  }
}
