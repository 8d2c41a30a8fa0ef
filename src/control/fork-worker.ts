/** Starts one worker process. Which file it runs is main.ts's knowledge: control knows no data. */
import { fork } from 'node:child_process'
import { workerLink } from '../ipc/process-link.ts'
import type { Heaps } from './budget.ts'
import { execArgvWith, heapFlags } from './machine.ts'
import type { StartedWorker } from './supervisor.ts'

/**
 * A worker speaks to strangers: it gets neither the admin token nor what systemd tells the main
 * process. The sockets come over the link.
 */
const OURS: ReadonlySet<string> = new Set([
  'GWPROXY_ADMIN_TOKEN',
  ...['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'],
  ...['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES', 'CREDENTIALS_DIRECTORY'],
])

/** Its output goes where ours goes; a terminal's signals reach it too, and it leaves them to us. */
export function forkWorker(entry: string, heaps: Heaps | undefined): StartedWorker {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OURS.has(name)))
  const child = fork(entry, {
    env,
    serialization: 'advanced',
    // Logs are opened anew when control says so: the signal itself, which would open Node's
    // inspector, is not for workers.
    execArgv: [...execArgvWith(heapFlags(heaps, 'worker')), '--disable-sigusr1'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  return {
    kind: 'process',
    pid: child.pid ?? 0,
    link: workerLink(child),
    kill: () => void child.kill('SIGKILL'),
  }
}
