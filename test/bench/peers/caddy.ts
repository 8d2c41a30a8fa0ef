/** caddy: one Go processor, access log on, to nowhere. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BACKEND_PORTS, NAME, PORTS } from '../site.ts'
import { type Peer, versionOf } from './peer.ts'

export const caddy: Peer = {
  name: 'caddy',
  version: () => {
    const version = versionOf('caddy', 'version')
    return version && `caddy ${version}`
  },
  services: ['https', 'http', 'grpc'],
  launch: ({ site, service, address, directory }) => {
    const { cert, key } = site.certificate
    const [backend = ''] = site.backends
    const scheme = service === 'http' ? 'http' : 'https'
    const upstream =
      service === 'grpc'
        ? `h2c://${backend}:${BACKEND_PORTS.h2c}`
        : `http://${backend}:${BACKEND_PORTS.http}`
    const file = join(directory, 'Caddyfile')
    writeFileSync(
      file,
      `{
  admin off
  auto_https off
  default_sni ${NAME}
}
${scheme}://:${PORTS[service]} {
  bind ${address}
  ${service === 'http' ? '' : `tls ${cert} ${key}`}
  log {
    output file /dev/null {
      roll_disabled
    }
  }
  reverse_proxy ${upstream} {
    transport http {
      keepalive_idle_conns_per_host 256
    }
  }
}
`,
    )
    return {
      command: ['caddy', 'run', '--config', file, '--adapter', 'caddyfile'],
      env: { GOMAXPROCS: '1', XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory },
    }
  },
}
