/** TLS passthrough: the ClientHello is read, then bytes are relayed. */
import { generate, type Target } from '../loads.ts'
import { BACKEND_PORTS, type Site } from '../site.ts'
import { loadRow } from './load-row.ts'
import type { Row } from './row.ts'

const GIB = { ops: 2 ** 30, rate: 'GiB/s', cpu: 'CPU s/GiB' }

function direct({ backends }: Site): Target {
  return { address: backends[0] ?? '', port: BACKEND_PORTS.stream }
}

function bulk(streams: number, goals: Row['goals']): Row {
  return loadRow({
    name: `pass-bulk-${streams}`,
    title: `passthrough bulk, ${streams} ${streams === 1 ? 'stream' : 'streams'}`,
    service: 'passthrough',
    rivals: ['haproxy', 'nginx', 'haproxy-tuned', 'traefik'],
    goals,
    unit: GIB,
    load: (site, target, seconds) => generate(site, 'bulk', target, seconds, { parallel: streams }),
    direct,
  })
}

export const PASSTHROUGH_ROWS: readonly Row[] = [
  bulk(64, [
    {
      column: 'rate',
      rival: 'haproxy',
      atLeast: 0.9,
      variant: 'raw',
      text: '>= 0.9x haproxy in pure TypeScript',
    },
    {
      column: 'rate',
      rival: 'haproxy',
      atLeast: 1.5,
      variant: 'native',
      text: '>= 1.5x haproxy with the native relay',
    },
  ]),
  bulk(1, [{ column: 'rate', rival: 'haproxy', atLeast: 1.1, text: '>= 1.1x haproxy' }]),
  loadRow({
    name: 'pass-conn',
    title: 'passthrough connections',
    service: 'passthrough',
    rivals: ['nginx', 'haproxy', 'traefik'],
    goals: [
      {
        column: 'rate',
        rival: 'nginx',
        atLeast: 0.6,
        variant: 'raw',
        text: '>= 0.6x nginx in pure TypeScript',
      },
      {
        column: 'rate',
        rival: 'nginx',
        atLeast: 0.8,
        variant: 'native',
        text: '>= 0.8x nginx native',
      },
    ],
    unit: { ops: 1, rate: 'conn/s', cpu: 'CPU us/conn' },
    load: (site, target, seconds) =>
      generate(site, 'connections', target, seconds, { parallel: 32 }),
    direct,
  }),
  loadRow({
    name: 'pass-pingpong',
    title: 'ping-pong, 64 connections',
    service: 'passthrough',
    rivals: ['haproxy', 'nginx', 'traefik'],
    goals: [
      {
        column: 'p99',
        rival: 'haproxy',
        atMost: 1.5,
        variant: 'raw',
        text: 'p99 <= 1.5x haproxy pure',
      },
      {
        column: 'p99',
        rival: 'haproxy',
        atMost: 1.1,
        variant: 'native',
        text: 'p99 <= 1.1x haproxy native',
      },
    ],
    unit: { ops: 1, rate: 'msg/s', cpu: 'CPU us/msg' },
    hasLatency: true,
    load: (site, target, seconds) => generate(site, 'pingpong', target, seconds, { parallel: 64 }),
    direct,
  }),
]
