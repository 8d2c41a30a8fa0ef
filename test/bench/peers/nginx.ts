/** nginx: one worker, its stream module for what is no HTTP; access log on, to nowhere. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BACKEND_PORTS, NAME, NGINX_USER, PORTS, type Site } from '../site.ts'
import { type LaunchRequest, type Peer, versionOf } from './peer.ts'

/** Where distributions put it when it is no part of the binary. */
const STREAM_MODULES = [
  '/usr/lib/nginx/modules/ngx_stream_module.so',
  '/usr/lib64/nginx/modules/ngx_stream_module.so',
]

export const nginx: Peer = {
  name: 'nginx',
  isCompiled: true,
  version: () => versionOf('nginx', '-v'),
  services: ['passthrough', 'terminate', 'https', 'http', 'grpc'],
  launch: (request) => {
    const { directory } = request
    const file = join(directory, 'nginx.conf')
    writeFileSync(file, configuration(request))
    return { command: ['nginx', '-e', join(directory, 'error.log'), '-c', file] }
  },
}

function configuration(request: LaunchRequest): string {
  const { directory, service } = request
  const isStream = service === 'passthrough' || service === 'terminate'
  const module = isStream ? STREAM_MODULES.find((path) => existsSync(path)) : undefined
  return `${module === undefined ? '' : `load_module ${module};\n`}${NGINX_USER}worker_processes ${request.workers ?? 1};
daemon off;
pid ${directory}/pid;
error_log ${directory}/error.log warn;
worker_rlimit_nofile 20000;
events { worker_connections 16384; }
${isStream ? stream(request) : http(request)}
`
}

function stream({ site, service, address }: LaunchRequest): string {
  const listen = `listen ${address}:${PORTS[service]}`
  const server =
    service === 'passthrough'
      ? `${listen} backlog=4096; ssl_preread on; proxy_pass $wanted;`
      : `${listen} ssl backlog=4096; ${certificate(site)} proxy_pass app;`
  const addresses = service === 'passthrough' ? site.backends : site.backends.slice(0, 1)
  const servers = addresses.map((one) => `server ${one}:${BACKEND_PORTS.stream};`).join(' ')
  return `stream {
  log_format main '$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time $upstream_addr';
  access_log /dev/null main;
  upstream app { ${servers} }
  ${service === 'passthrough' ? `map $ssl_preread_server_name $wanted { ${NAME} app; }` : ''}
  server { ${server} }
}`
}

function http({ site, service, address, directory }: LaunchRequest): string {
  const [backend = ''] = site.backends
  const port = service === 'grpc' ? BACKEND_PORTS.h2c : BACKEND_PORTS.http
  const listen = `listen ${address}:${PORTS[service]}${service === 'http' ? '' : ' ssl http2'} backlog=4096;`
  const forward =
    service === 'grpc'
      ? 'grpc_pass grpc://app;'
      : `proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_max_temp_file_size 0;`
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
    .join(' ')
  return `http {
  ${temporary}
  access_log /dev/null combined;
  keepalive_requests 100000000;
  upstream app { server ${backend}:${port}; keepalive 256; keepalive_requests 100000000; }
  server {
    ${listen}
    server_name ${NAME};
    ${service === 'http' ? '' : certificate(site)}
    location / { ${forward} }
  }
}`
}

function certificate(site: Site): string {
  const { cert, key } = site.certificate
  return `ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:10m;`
}
