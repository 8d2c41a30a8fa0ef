/** Starts one worker process. Which file it runs is main.ts's knowledge: control knows no data. */
import { fork } from 'node:child_process'
import { workerLink } from '../ipc/process-link.ts'
import type { StartedWorker } from './supervisor.ts'

/** Its output goes where ours goes; a terminal's signals reach it too, and it leaves them to us. */
export function forkWorker(entry: URL): StartedWorker {
  // A worker speaks to strangers: it gets neither the admin token nor systemd's ear.
  const { GWPROXY_ADMIN_TOKEN: _, NOTIFY_SOCKET: __, ...env } = process.env
  const child = fork(entry, {
    env,
    serialization: 'advanced',
    // Logs are opened anew when control says so: the signal itself, which would open Node's
    // inspector, is not for workers.
    execArgv: [...process.execArgv, '--disable-sigusr1'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  return {
    kind: 'process',
    pid: child.pid ?? 0,
    link: workerLink(child),
    kill: () => void child.kill('SIGKILL'),
  }
}
