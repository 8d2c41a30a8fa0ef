/** hitch: terminates TLS towards TCP, and nothing else. It writes no access log. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BACKEND_PORTS, PORTS } from '../site.ts'
import { type Peer, versionOf } from './peer.ts'

export const hitch: Peer = {
  name: 'hitch',
  isCompiled: true,
  version: () => versionOf('hitch', '--version'),
  services: ['terminate'],
  launch: ({ site, service, address, directory, workers = 1 }) => {
    const file = join(directory, 'hitch.conf')
    const [backend = ''] = site.backends
    writeFileSync(
      file,
      `frontend = { host = "${address}" port = "${PORTS[service]}" }
backend = "[${backend}]:${BACKEND_PORTS.stream}"
pem-file = "${site.certificate.both}"
workers = ${workers}
backlog = 4096
daemon = off
quiet = on
tls-protos = TLSv1.2 TLSv1.3
${process.getuid?.() === 0 ? 'user = "nobody"\n' : ''}`,
    )
    return { command: ['hitch', `--config=${file}`] }
  },
}
