/** Entry of a forked worker. Control's link is this process's IPC channel. */
import { controlLink } from '../ipc/process-link.ts'
import { openLineSink } from '../observe/line-sink.ts'
import { WORKER_PARTS } from './compose.ts'
import { startWorker } from './worker.ts'

/** Long enough to write what a reader takes, short enough not to wait for one that stalls. */
const FLUSH_MS = 500

// A terminal signals the whole group: when to stop is control's decision, told over the link.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

const sink = openLineSink(1)
// Node would open its inspector on SIGUSR1: a handler replaces that.
for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => sink.reopen())

await startWorker({
  link: controlLink(),
  parts: WORKER_PARTS,
  sink,
  onStopped: () => {
    void sink.close(FLUSH_MS).then(() => process.exit(0))
  },
})
