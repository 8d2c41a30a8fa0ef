/** Sockets of the process before: found by their place, used once, closed when nobody wants them. */
import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { describe, it } from 'node:test'
import { bindTcp } from '../../../src/control/bind-tcp.ts'
import { InheritedSockets } from '../../../src/control/inherited-sockets.ts'
import { nativeHandleOf } from '../../../src/ipc/datagram-handle.ts'
import type { Inheritance } from '../../../src/ipc/hand-over.ts'
import { bindKey } from '../../../src/model/identity.ts'

const ADDRESS = '127.0.0.1'

/** Bound; from here on the descriptor is whoever's takes it. */
function descriptor(): { readonly fd: number; readonly port: number } {
  const bound = bindTcp(ADDRESS, 0)
  assert.ok(bound.kind === 'bound')
  return { fd: bound.handle.fd, port: bound.port }
}

/** As `descriptor`, for datagrams. */
async function udpDescriptor() {
  const socket = dgram.createSocket('udp4').bind(0, ADDRESS)
  await once(socket, 'listening')
  const handle = nativeHandleOf(socket)
  handle.recvStop()
  const { port } = socket.address()
  return { bind: bindKey('udp', ADDRESS, port), address: ADDRESS, fd: handle.fd }
}

function isOpen(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

function inherit(...sockets: Inheritance['sockets']): InheritedSockets {
  return new InheritedSockets({ sockets, datagrams: [] })
}

describe('InheritedSockets', () => {
  it('gives each once, for its own place alone', () => {
    const { fd, port } = descriptor()
    const sockets = inherit({ bind: bindKey('tcp', ADDRESS, port), fd })
    assert.equal(sockets.take(ADDRESS, port + 1), undefined)
    assert.equal(sockets.take('0.0.0.0', port), undefined)
    const taken = sockets.take(ADDRESS, port)
    assert.ok(taken?.kind === 'bound')
    assert.deepEqual([taken.handle.fd, taken.port], [fd, port])
    assert.equal(sockets.take(ADDRESS, port), undefined)
    taken.handle.close()
  })

  it('closes what nobody wanted, and nothing else', () => {
    const [wanted, other] = [descriptor(), descriptor()]
    const sockets = inherit(
      ...[wanted, other].map(({ fd, port }) => ({ bind: bindKey('tcp', ADDRESS, port), fd })),
    )
    const taken = sockets.take(ADDRESS, wanted.port)
    assert.ok(taken?.kind === 'bound')
    sockets.close()
    assert.deepEqual([isOpen(wanted.fd), isOpen(other.fd)], [true, false])
    assert.equal(sockets.take(ADDRESS, other.port), undefined)
    taken.handle.close()
  })

  it('gives the UDP sockets of a bind once, and closes the others', async () => {
    const [wanted, other] = [await udpDescriptor(), await udpDescriptor()]
    const inherited = new InheritedSockets({ sockets: [], datagrams: [wanted, other] })
    assert.deepEqual(inherited.takeDatagrams(bindKey('udp', ADDRESS, 1)), [])
    const [taken, ...more] = inherited.takeDatagrams(wanted.bind)
    assert.deepEqual(
      [taken?.address, taken?.handle.fd, taken?.isKept, more],
      [ADDRESS, wanted.fd, false, []],
    )
    assert.deepEqual(inherited.takeDatagrams(wanted.bind), [])
    inherited.closeDatagrams()
    assert.deepEqual([isOpen(wanted.fd), isOpen(other.fd)], [true, false])
    assert.deepEqual(inherited.takeDatagrams(other.bind), [])
    taken?.handle.close()
  })

  it('passes over a descriptor that is no socket', () => {
    const fd = openSync('/dev/null', 'r')
    const sockets = inherit({ bind: bindKey('tcp', ADDRESS, 80), fd })
    assert.equal(sockets.take(ADDRESS, 80), undefined)
    sockets.close()
    closeSync(fd)
  })
})
