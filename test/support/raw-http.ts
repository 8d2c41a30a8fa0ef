/** HTTP/1.1 by hand: bytes go out, whatever comes back is text. */
import net from 'node:net'

/**
 * Sends the bytes; resolves with all that came back once the other side has closed, or once
 * `answers` bodies of the recording origin have come, when given.
 */
export async function rawRequest(port: number, bytes: string, answers?: number): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  socket.setEncoding('latin1')
  let text = ''
  socket.on('data', (chunk: string) => {
    text += chunk
    if (answers !== undefined && text.split('end of answer\n').length > answers) socket.destroy()
  })
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  // `once` would reject with the error of a reset.
  await new Promise((resolve) => socket.once('close', resolve))
  return text
}
