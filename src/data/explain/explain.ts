/**
 * What a request would meet: bind, listener, certificate, rule and backends, and why the others
 * lose. The steps of data/connection over the parts of a snapshot, by the same normalisers, tables
 * and filters; nothing is sent and nothing is held.
 */
import type {
  Explained,
  ExplainRequest,
  Explanation,
  Explanations,
} from '../../model/explanation.ts'
import { SniTable } from '../../match/sni.ts'
import type {
  BindPart,
  Chain,
  TcpForwardAction,
  TlsPassthroughAction,
  TlsTerminateAction,
  UdpForwardAction,
} from '../../model/snapshot.ts'
import { Slice } from '../slice.ts'
import { CertificateTable } from '../tls/certificate-table.ts'
import { answered, closed, refused } from './answers.ts'
import { explainBackends, L4_PASSAGE } from './backends.ts'
import { explainExchange } from './exchange.ts'
import { otherListeners } from './listeners.ts'
import { NO_LOSERS } from './losers.ts'
import { type Place, placesOf } from './places.ts'
import { questionOf } from './question.ts'
import { type Facts, routeText, type Scene } from './scene.ts'

/** Sockets that are named where none fits. */
const ELSEWHERE = 20

/**
 * One explanation for each different answer that the addresses of the port give; empty when no
 * listener has the port.
 * @throws GwProxyError GWP_OPTION_INVALID for a request that says nothing explainable
 */
export async function explainRequest(
  request: ExplainRequest,
  explained: Explained,
): Promise<Explanations> {
  const question = questionOf(request)
  const slice = new Slice()
  const distinct = new Map<string, { facts: Facts; addresses: string[] }>()
  for (const place of placesOf(explained.binds, question)) {
    const scene = { explained, question, table: place.table, slice }
    const facts = await onPlace(scene, place)
    const key = JSON.stringify(facts)
    const known = distinct.get(key)
    if (known === undefined) distinct.set(key, { facts, addresses: [place.name] })
    else known.addresses.push(place.name)
    await slice.breathe()
  }
  const explanations = [...distinct.values()].map(({ facts, addresses }) => ({
    addresses,
    otherListeners: NO_LOSERS,
    otherRules: NO_LOSERS,
    ...facts,
  }))
  if (explanations.length > 0) return { explanations }
  return { explanations, elsewhere: explained.binds.slice(0, ELSEWHERE).map(({ key }) => key) }
}

async function onPlace(scene: Scene, { bind, needs }: Place): Promise<Facts> {
  for (const key of needs) {
    const message = scene.explained.live?.bindError(key)
    if (message !== undefined) return answered({ kind: 'not-listening', message })
  }
  const { ingress, proxyProtocol } = bind
  const facts = await onIngress(scene, ingress)
  return { ...(proxyProtocol !== undefined && { proxyProtocol }), ...facts }
}

/** Whether the client speaks what the bind expects. */
async function onIngress(scene: Scene, ingress: BindPart['ingress']): Promise<Facts> {
  const { scheme, host } = scene.question
  const isTls = scheme === 'https' || scheme === 'tls'
  if (ingress === 'tls' && !isTls) return closed('not-tls')
  if (ingress === 'http') {
    if (isTls) return refused('bad-request', false)
    return scheme === 'http' ? await explainExchange(scene, undefined) : answered({ kind: 'http' })
  }
  return await onName(scene, ingress === 'tls' ? host : undefined)
}

/** The SNI chooses the chain. */
async function onName(scene: Scene, sni: string | undefined): Promise<Facts> {
  const { chains } = scene.table
  const entries = chains.map((chain) => [chain.hostname, chain] as const)
  const choice = new SniTable<Chain>([{ localAddresses: ['*'], entries }]).choose('*', sni)
  switch (choice.kind) {
    case 'invalid':
      return closed('malformed-hello')
    case 'none':
      return {
        ...closed('no-chain'),
        otherListeners: otherListeners(chains, undefined, choice.name),
      }
    case 'found':
      return {
        listener: choice.value.listener,
        otherListeners: otherListeners(chains, choice.value, choice.name),
        ...(await onChain(scene, choice.value, choice.name)),
      }
  }
}

async function onChain(scene: Scene, chain: Chain, name: string | undefined): Promise<Facts> {
  const { action } = chain
  switch (action.kind) {
    case 'reset': {
      const { reason, route } = action
      return { ...closed(reason), ...(route && { route: routeText(route) }) }
    }
    case 'http':
      return await explainExchange(scene, undefined)
    case 'tls-terminate':
      return { ...handshakeOf(scene, action, name), ...(await afterTls(scene, chain, action)) }
    case 'tcp-forward':
    case 'tls-passthrough':
    case 'udp-forward':
      return forwarded(scene, action)
  }
}

async function afterTls(
  scene: Scene,
  { listener }: Chain,
  { then }: TlsTerminateAction,
): Promise<Facts> {
  switch (then.kind) {
    case 'reset':
      return closed(then.reason)
    case 'tcp-forward':
      return forwarded(scene, then)
    case 'http':
      if (scene.question.scheme === 'tls') return answered({ kind: 'http' })
      return await explainExchange(scene, listener)
  }
}

/** What both sides show of themselves. */
function handshakeOf(
  { explained }: Scene,
  { certificates, domain }: TlsTerminateAction,
  name: string | undefined,
): Pick<Explanation, 'certificates' | 'clientCertificate'> {
  const named = certificates.flatMap((digest) => {
    const part = explained.parts.get(digest)
    return part?.kind === 'certificate' ? [{ digest, part }] : []
  })
  const set = new CertificateTable(named).choose(name)
  return {
    ...(set && { certificates: set.parts.map(({ source }) => source) }),
    ...CLIENT_CERTIFICATE[domain.clientAuth.mode],
  }
}

const CLIENT_CERTIFICATE = {
  none: {},
  require: { clientCertificate: 'required' },
  'optional-insecure': { clientCertificate: 'asked for' },
} as const satisfies Record<string, Pick<Explanation, 'clientCertificate'>>

function forwarded(
  { explained }: Scene,
  { route, name, backends: all }: TcpForwardAction | TlsPassthroughAction | UdpForwardAction,
): Facts {
  const { backends, answer } = explainBackends(explained, all, L4_PASSAGE)
  const rule = name === undefined ? {} : { rule: name }
  return { route: routeText(route), ...rule, backends, ...answered(answer) }
}
