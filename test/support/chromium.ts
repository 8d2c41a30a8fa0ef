/**
 * A headless Chromium with an empty profile, over its DevTools protocol: pages as a user sees them,
 * what they wrote to the console, screenshots. Ends with the test.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { WebSocket } from 'ws'
import { until } from './until.ts'

const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic'],
  ...['--no-first-run', '--disable-background-networking', '--disable-component-update'],
  ...['--disable-sync', '--remote-debugging-port=0'],
]

const running = new Set<ChildProcess>()
after(() => {
  for (const child of running) child.kill('SIGKILL')
})

export interface Look {
  readonly width: number
  readonly height: number
  readonly scheme: 'light' | 'dark'
  readonly touch?: boolean
}

export interface Browser {
  open(url: string): Promise<Page>
  close(): Promise<void>
}

export interface Page {
  /** Errors and warnings of the console, exceptions, failed loads and refusals of the policy. */
  readonly complaints: readonly string[]
  /** The value of an expression in the page, as JSON has it. */
  evaluate<Value>(expression: string): Promise<Value>
  /** Polls until the expression is true. */
  waitFor(expression: string, what?: string): Promise<void>
  look(look: Look): Promise<void>
  reload(): Promise<void>
  /** What is typed where the focus is. */
  type(text: string): Promise<void>
  /** The whole page as PNG. */
  screenshot(file: string): Promise<void>
}

export async function startChromium(flags: readonly string[] = []): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'gwproxy-chromium-'))
  const child = spawn(
    'chromium',
    [...FLAGS, ...flags, `--user-data-dir=${profile}`, 'about:blank'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  running.add(child)
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const exited = once(child, 'exit').then(() => running.delete(child))
  const address = /^DevTools listening on (ws:\S+)$/m
  await until(
    () => address.test(said),
    () => `chromium did not start:\n${said}`,
    60_000,
  )
  const socket = new WebSocket(address.exec(said)?.[1] ?? '')
  await once(socket, 'open')
  const protocol = new Protocol(socket)
  return {
    open: (url) => openPage(protocol, url),
    close: async () => {
      socket.terminate()
      child.kill('SIGKILL')
      await exited
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}

type Params = Readonly<Record<string, unknown>>

interface Message {
  readonly id?: number
  readonly sessionId?: string
  readonly method?: string
  readonly params?: Params
  readonly result?: Params
  readonly error?: { readonly message: string }
}

class Protocol {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (message: Message) => void>()
  readonly #listeners: ((message: Message) => void)[] = []
  #id = 0

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as Message
      if (message.id === undefined) for (const listener of this.#listeners) listener(message)
      else this.#waiting.get(message.id)?.(message)
    })
  }

  onEvent(listener: (message: Message) => void): void {
    this.#listeners.push(listener)
  }

  async send(method: string, params: Params = {}, sessionId?: string): Promise<Params> {
    const id = ++this.#id
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve))
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
    const { error, result = {} } = await answer
    this.#waiting.delete(id)
    assert.equal(error, undefined, `${method}: ${error?.message}`)
    return result
  }
}

async function openPage(protocol: Protocol, url: string): Promise<Page> {
  const { targetId } = await protocol.send('Target.createTarget', { url: 'about:blank' })
  const attached = await protocol.send('Target.attachToTarget', { targetId, flatten: true })
  const sessionId = String(attached['sessionId'])
  const send = (method: string, params?: Params) => protocol.send(method, params, sessionId)
  const complaints: string[] = []
  protocol.onEvent((message) => {
    if (message.sessionId === sessionId) complaints.push(...complaintOf(message))
  })
  for (const domain of ['Page', 'Runtime', 'Log']) await send(`${domain}.enable`)
  const loaded = async (command: string, params?: Params): Promise<void> => {
    const done = new Promise<void>((resolve) => {
      protocol.onEvent((message) => {
        if (message.sessionId === sessionId && message.method === 'Page.loadEventFired') resolve()
      })
    })
    await send(command, params)
    await done
  }
  await loaded('Page.navigate', { url })
  const evaluate = async <Value>(expression: string): Promise<Value> => {
    const params = { expression, returnByValue: true, awaitPromise: true }
    const { result, exceptionDetails } = await send('Runtime.evaluate', params)
    assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails))
    return (result as { readonly value: Value }).value
  }
  return {
    complaints,
    evaluate,
    waitFor: async (expression, what = expression) => {
      const end = performance.now() + 30_000
      while (!(await evaluate<boolean>(`(async () => Boolean(await (${expression})))()`))) {
        if (performance.now() > end) {
          const shown = await evaluate<string>('document.body.innerText')
          assert.fail([what, ...complaints, shown].join('\n'))
        }
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    look: async ({ width, height, scheme, touch = false }) => {
      const metrics = { width, height, deviceScaleFactor: 1, mobile: touch }
      await send('Emulation.setDeviceMetricsOverride', metrics)
      const features = [{ name: 'prefers-color-scheme', value: scheme }]
      await send('Emulation.setEmulatedMedia', { features })
    },
    reload: () => loaded('Page.reload'),
    type: async (text) => {
      await send('Input.insertText', { text })
    },
    screenshot: async (file) => {
      const { data } = await send('Page.captureScreenshot', { captureBeyondViewport: true })
      writeFileSync(file, Buffer.from(String(data), 'base64'))
    },
  }
}

function complaintOf({ method, params = {} }: Message): readonly string[] {
  if (method === 'Runtime.exceptionThrown') return [JSON.stringify(params)]
  if (method === 'Runtime.consoleAPICalled') {
    return ['error', 'warning', 'assert'].includes(String(params['type']))
      ? [JSON.stringify(params)]
      : []
  }
  const entry = params['entry'] as { readonly level: string } | undefined
  const isComplaint =
    method === 'Log.entryAdded' && ['error', 'warning'].includes(entry?.level ?? '')
  return isComplaint ? [JSON.stringify(entry)] : []
}
