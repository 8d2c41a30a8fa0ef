/** The end of the process that serves, in a process of its own: tells what it is told. */
import { Lifeline } from '../../../src/control/lifeline.ts'

/** Where the test puts the channel. */
const FD = 4

const say = (word: string): void => void process.send?.(word)
const lifeline = new Lifeline(FD, {
  drain: () => say('drain'),
  exitNow: (status) => say(`exit ${status}`),
  reload: () => say('reload'),
  reopenLogs: () => say('reopen-logs'),
})

process.on('message', (word) => {
  if (word === 'end') void lifeline.end().then(() => process.exit(0))
  if (word === 'leave') {
    lifeline.leave()
    void lifeline.end().then(() => say('left'))
  }
})
say('ready')
