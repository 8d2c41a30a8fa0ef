/** What the texts of the examples without HTTP or with several Gateways promise. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { parse } from 'yaml'
import { startHttpBackend, startTcpBackend } from '../../../demo/backends.ts'
import { shell } from '../command.ts'
import { LAUNCHER } from '../launcher.ts'
import { Peer } from '../sockets.ts'
import { freeWildcardPort, NO_IPV6 } from '../free-port.ts'
import { UdpBackend, UdpClient } from '../udp-peers.ts'
import { echoServers, serverOf, webServers } from './backends.ts'
import { EXAMPLES, type Example, type Running } from './example.ts'

/** The greeting of the server that a new connection reaches, with an echo and both ends closed. */
async function greeting({ address }: Running, port: number): Promise<string> {
  const peer = new Peer(net.connect({ host: address, port, allowHalfOpen: true }))
  await peer.receives('hello\n')
  peer.socket.end('a line\n')
  await peer.ends()
  const [, name, rest] = /^(.*) says hello\n([\s\S]*)$/.exec(peer.text) ?? []
  assert.equal(rest, 'a line\n')
  return name ?? ''
}

const tcp: Example = {
  name: 'tcp',
  backends: (folder) => echoServers(folder, { 5433: 'a', 5434: 'b' }),
  async check(running) {
    const names: string[] = []
    for (let i = 0; i < 8; i += 1) names.push(await greeting(running, 5432))
    for (const four of [names.slice(0, 4), names.slice(4)]) {
      assert.deepEqual(four.sort(), ['a', 'a', 'a', 'b'])
    }
  },
}

const udp: Example = {
  name: 'udp',
  backends: async ({ backend, secondBackend }) => [
    await UdpBackend.start('one', 5300, true, backend),
    await UdpBackend.start('two', 5300, true, secondBackend),
    await startTcpBackend('one', backend, 5300),
    await startTcpBackend('two', secondBackend, 5300),
  ],
  async check(running) {
    const resolvers = new Set<string>()
    for (let i = 0; i < 4; i += 1) {
      const client = await UdpClient.open()
      const answers = [
        await client.askUntilAnswered('q', 5353, running.address),
        await client.askUntilAnswered('q', 5353, running.address),
      ]
      client.close()
      const [first, second] = answers.map(({ text }) => text)
      assert.equal(first, second, 'a flow stays')
      assert.equal(answers[0]?.from, `${running.address}:5353`)
      resolvers.add(first ?? '')
    }
    assert.deepEqual([...resolvers].sort(), ['one:q', 'two:q'])
    const names = [await greeting(running, 5353), await greeting(running, 5353)]
    assert.deepEqual(names.sort(), ['one', 'two'])
  },
}

const severalGateways: Example = {
  name: 'several-gateways',
  keepsAddresses: true,
  async backends(folder) {
    folder.ports.set(8090, await freeWildcardPort())
    return webServers(folder, { 9000: 'app' })
  },
  async check(_running, shown) {
    const names = ['public', 'team', 'internal', ...(NO_IPV6 === false ? ['ipv6'] : [])]
    assert.deepEqual(
      shown
        .slice(0, names.length)
        .map(({ stdout }) => [/^x-gateway: (\w+)\r$/im.exec(stdout)?.[1], serverOf(stdout)]),
      names.map((name) => [name, 'app']),
    )
  },
}

/** As `{name}` is in compose's network: there is no Docker here, but names below localhost. */
const SERVICE_DNS = ['--service-dns', '{name}.localhost']

interface ComposeFile {
  readonly services: Readonly<
    Record<string, { readonly command?: readonly string[]; readonly volumes?: readonly string[] }>
  >
}

const dockerCompose: Example = {
  name: 'docker-compose',
  args: SERVICE_DNS,
  async backends(folder) {
    const network = await startHttpBackend('network')
    folder.ports.set(80, network.port)
    return [network, ...(await webServers(folder, { 3000: 'app' }))]
  },
  async check(running, [web, api, app]) {
    assert.deepEqual(
      [web, api, app].map((shown) => serverOf(shown?.stdout)),
      ['network', 'network', 'app'],
    )
    for (const name of ['web', 'api']) {
      const cluster = `docker-compose/${name}:${running.ports.get(80)}`
      await running.daemon.line(
        ({ upstream_cluster }) => String(upstream_cluster).endsWith(cluster),
        `an exchange with ${cluster}`,
      )
    }
    await composeFileNamesWhatExists()
  },
}

async function composeFileNamesWhatExists(): Promise<void> {
  const directory = join(EXAMPLES, 'docker-compose')
  const { services }: ComposeFile = parse(readFileSync(join(directory, 'compose.yaml'), 'utf8'))
  for (const name of ['front', 'sidecar']) {
    const { command = [], volumes = [] } = services[name] ?? {}
    const [source, target] = volumes[0]?.split(':') ?? []
    assert.ok(command.includes(target ?? ''), `${name} reads what is mounted`)
    const manifest = readFileSync(join(directory, source ?? '', `${name}.yaml`), 'utf8')
    for (const [, backend = ''] of manifest.matchAll(/backendRefs: \[\{ name: (\w+)/g)) {
      assert.ok(backend in services, `${backend} is a service`)
    }
    // Other flags than those of `run` end it with 2 before it reads a file.
    const help = command.map((word) => `'${word}'`).join(' ')
    assert.equal((await shell(`${LAUNCHER} ${help} --help`)).code, 0)
  }
}

export const MACHINE_EXAMPLES: readonly Example[] = [tcp, udp, severalGateways, dockerCompose]
