/**
 * A data plane in a process of its own, for tests that starve it: `sh -c 'ulimit -n 60; node …'`.
 * Argument: the port of a backend. Prints its own port, then the connections that live, every time
 * something is written to its standard input.
 */
import { chain, DataPlane, ip, tcpForward } from './data-plane.ts'

const backend = Number(process.argv[2])
const plane = await DataPlane.start()
const port = plane.open('tcp')
const upstream = plane.upstream('backend', [ip(backend)])
await plane.publish({ tcp: { ingress: 'tcp', chains: [chain('', tcpForward(upstream))] } })
process.stdout.write(`${port}\n`)
process.stdin.on('data', () => {
  const refused = plane.lines.filter(({ reason }) => reason === 'overload').length
  process.stdout.write(`${refused}\n`)
})
