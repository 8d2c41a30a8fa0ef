/** Entry of a forked worker. Control's link is this process's IPC channel. */
import { controlLink } from '../ipc/process-link.ts'
import { openLineSink } from '../observe/line-sink.ts'
import { WORKER_PARTS } from './compose.ts'
import { startWorker } from './worker.ts'

/** Long enough to write what a reader takes, short enough not to wait for one that stalls. */
const FLUSH_MS = 500

// Terminals and systemd signal the whole group: what to do is control's decision, told over the link.
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const
for (const signal of SIGNALS) process.on(signal, () => undefined)

const sink = openLineSink(1)

void startWorker({
  link: controlLink(),
  parts: WORKER_PARTS,
  sink,
  onStopped: () => {
    void sink.close(FLUSH_MS).then(() => process.exit(0))
  },
})
