/** A port that answers no SYN: a stopped process with a full accept queue. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { isStopped } from './processes.ts'
import { dialTcp } from './sockets.ts'
import { until } from './until.ts'

export interface BlackHole {
  readonly port: number
  close(): void
}

export async function openBlackHole(): Promise<BlackHole> {
  const script = `
    const server = require('node:net').createServer()
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      console.log(server.address().port)
    })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  child.kill('SIGSTOP')
  await until(() => isStopped(child.pid ?? 0))
  const port = Number(line.toString())
  const fillers = [await dialTcp(port), await dialTcp(port)]
  return {
    port,
    close: () => {
      for (const { socket } of fillers) socket.destroy()
      child.kill('SIGKILL')
    },
  }
}
