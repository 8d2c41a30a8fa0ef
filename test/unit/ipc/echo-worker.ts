/** A worker that says what it was sent; forked by process-link.test.ts. */
import { controlLink } from '../../../src/ipc/process-link.ts'

const link = controlLink()
link.onMessage((message, socket) => {
  socket?.on('connection', (peer) => peer.end(String(process.pid)))
  link.send({ type: 'name-failed', name: message.type })
})
link.onClose(() => process.exit(3))
link.send({ type: 'hello', build: 'test', pid: process.pid, heldParts: [] })
