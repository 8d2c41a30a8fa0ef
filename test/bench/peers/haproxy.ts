/** haproxy: one thread, log on; `tuned` has larger buffers and splices what it can. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BACKEND_PORTS, NAME, PORTS } from '../site.ts'
import { type LaunchRequest, type Peer, versionOf } from './peer.ts'

export const haproxy: Peer = peer('haproxy', false)
export const haproxyTuned: Peer = peer('haproxy-tuned', true)

function peer(name: string, isTuned: boolean): Peer {
  return {
    name,
    isCompiled: true,
    version: () => versionOf('haproxy', '-v'),
    services: ['passthrough', 'terminate', 'https', 'http', 'grpc'],
    launch: (request) => {
      const file = join(request.directory, 'haproxy.cfg')
      writeFileSync(file, configuration(request, isTuned))
      // Its log goes to its standard output: a sink, as for the others.
      return { command: ['sh', '-c', 'exec haproxy -db -f "$0" >/dev/null', file] }
    },
  }
}

function configuration(request: LaunchRequest, isTuned: boolean): string {
  const { service } = request
  const isHttp = service === 'https' || service === 'http' || service === 'grpc'
  return `global
  nbthread ${request.workers ?? 1}
  maxconn 7000
  log stdout format raw local0
${isTuned ? '  tune.bufsize 65536\n' : ''}
defaults
  mode ${isHttp ? 'http' : 'tcp'}
  log global
  option ${isHttp ? 'httplog' : 'tcplog'}
${isTuned && !isHttp ? '  option splice-auto\n' : ''}${isHttp ? '  option forwardfor\n' : ''}  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-request 10s
  timeout http-keep-alive 75s

frontend front
${frontend(request)}

backend app
${backend(request)}
`
}

function frontend({ site, service, address }: LaunchRequest): string {
  const bind = `  bind ${address}:${PORTS[service]} backlog 4096`
  const tls = `ssl crt ${site.certificate.both}`
  switch (service) {
    case 'passthrough':
      return `${bind}
  tcp-request inspect-delay 10s
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend app if { req.ssl_sni -i ${NAME} }`
    case 'terminate':
      return `${bind} ${tls}\n  default_backend app`
    case 'https':
      return `${bind} ${tls} alpn h2,http/1.1\n  use_backend app if { hdr(host),field(1,:) -i ${NAME} }`
    case 'grpc':
      return `${bind} ${tls} alpn h2\n  use_backend app if { hdr(host),field(1,:) -i ${NAME} }`
    case 'http':
      return `${bind}\n  use_backend app if { hdr(host),field(1,:) -i ${NAME} }`
  }
}

function backend({ site, service }: LaunchRequest): string {
  const [one = ''] = site.backends
  switch (service) {
    case 'passthrough':
      return site.backends
        .map((address, index) => `  server s${index} ${address}:${BACKEND_PORTS.stream}`)
        .join('\n')
    case 'terminate':
      return `  server s ${one}:${BACKEND_PORTS.stream}`
    case 'https':
    case 'http':
      return `  server s ${one}:${BACKEND_PORTS.http}`
    case 'grpc':
      return `  server s ${one}:${BACKEND_PORTS.h2c} proto h2`
  }
}
