/** Entry of the config thread: the only one of the daemon's threads that loads yaml and zod. */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../base/clock.ts'
import { GwProxyError, messageOf } from '../base/errors.ts'
import { letOthersGoFirst } from './thread-priority.ts'
import { BUILD, foreignBuild } from '../ipc/build.ts'
import { ConfigPasses } from './config-passes.ts'
import type { ConfigThreadData, ThreadMessage, ThreadRequest } from './config-protocol.ts'

const port = parentPort
if (port === null) throw new GwProxyError('GWP_DEFECT_INVARIANT', 'config-thread is no main module')

const { build, options, start } = workerData as ConfigThreadData
// On a machine of one core the traffic of --workers 0 shall not wait for a load.
letOthersGoFirst()

const post = (message: ThreadMessage): void => port.postMessage(message)

try {
  // A thread that is started anew comes from the files as they are now.
  if (build !== BUILD) {
    throw new GwProxyError(
      'GWP_CONFIG_UNREADABLE',
      foreignBuild('thread that reads the configuration is', BUILD, build),
    )
  }
  const passes = new ConfigPasses(options, start, systemClock, post)
  port.on('message', (asked: ThreadRequest) => {
    if (asked.type === 'ping') post({ type: 'alive' })
    else passes.reload(asked.request)
  })
  passes.start()
} catch (error) {
  // Only what is about our surroundings, such as --state-dir, gets here; asking again cannot help.
  post({ type: 'config-failed', message: messageOf(error) })
}
