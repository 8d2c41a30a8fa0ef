/** A worker that says what it was sent; forked by process-link.test.ts. */
import { listenOn } from '../../../src/ipc/bound-handle.ts'
import { controlLink } from '../../../src/ipc/process-link.ts'

const link = controlLink()
link.onMessage((message, socket) => {
  const server = socket === undefined ? undefined : listenOn(socket)
  server?.on('connection', (peer) => peer.end(String(process.pid)))
  link.send({ type: 'name-failed', name: message.type })
})
link.onClose(() => process.exit(3))
link.send({ type: 'hello', build: 'test', pid: process.pid, heldParts: [] })
