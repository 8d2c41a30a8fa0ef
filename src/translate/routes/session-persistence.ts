/**
 * SessionPersistence of a rule (GEP-1619). The scope of its tokens is the rule by its own name, or
 * by its place in the route: no other rule takes them, whatever they are called.
 */
import type { Resource } from '../../api/resource.ts'
import type { SessionPersistence } from '../../api/session-persistence.ts'
import { digestOfText } from '../../base/digest.ts'
import { parseDuration } from '../../base/duration.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { HttpSession } from '../../model/http.ts'
import type { TranslateContext } from '../context.ts'
import type { RuleContext } from './rule-parts.ts'

interface SessionRule {
  readonly name?: string | undefined
  readonly sessionPersistence?: SessionPersistence | undefined
}

/** `path`: that of the rule. */
export function lowerSession(
  own: RuleContext,
  { name: ruleName, sessionPersistence: persistence }: SessionRule,
  path: DocumentPath,
): HttpSession | undefined {
  if (persistence === undefined) return undefined
  const field = [...path, 'sessionPersistence']
  const { type, sessionName = '', absoluteTimeout, cookieConfig } = persistence
  const fault = sessionName === '' ? undefined : nameFault(type, sessionName)
  if (fault !== undefined) own.problems.drop(own.index, [...field, 'sessionName'], fault)
  const absoluteMs = absoluteTimeout === undefined ? undefined : parseDuration(absoluteTimeout)
  if (absoluteMs === 0) {
    const message =
      'A session of no time is none. Name a longer time, or leave it out for no limit.'
    own.problems.drop(own.index, [...field, 'absoluteTimeout'], message)
  }
  const scope = scopeOf(own, ruleName)
  const name = sessionName === '' ? defaultName(scope) : sessionName
  return {
    scope,
    carrier:
      type === 'Header'
        ? { kind: 'header', name: name.toLowerCase() }
        : { kind: 'cookie', name, permanent: cookieConfig?.lifetimeType === 'Permanent' },
    ...(absoluteMs === undefined ? {} : { absoluteMs }),
  }
}

/** A rule's name holds no `#`. */
function scopeOf({ route, index }: RuleContext, name: string | undefined): string {
  const { kind, namespace, name: routeName } = route.key
  return `${kind}/${namespace}/${routeName}/${name ?? `#${index}`}`
}

/** Unique for each rule, the same on every machine. */
function defaultName(scope: string): string {
  return `gwproxy-session-${Buffer.from(digestOfText(scope), 'base64url').toString('hex', 0, 4)}`
}

/** RFC 6265 section 4.1.1 and RFC 9110 section 5.1: the names of both are tokens. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** What HTTP, gRPC or the proxy itself say with a header of this name, or what stays on one hop. */
const TAKEN =
  /^(?:host|date|location|authorization|cookie|set-cookie|connection|expect|http2-settings|keep-alive|te|trailer|transfer-encoding|upgrade|forwarded|x-real-ip|x-client-ip|x-request-id|x-original-forwarded-for|(?:content|proxy|grpc|x-forwarded|x-envoy|sec|access-control)-.*)$/

function nameFault(type: SessionPersistence['type'], name: string): string | undefined {
  if (!TOKEN.test(name)) return `${JSON.stringify(name)} is no name of a ${type.toLowerCase()}.`
  if (type === 'Cookie' || !TAKEN.test(name.toLowerCase())) return undefined
  return `${name} has a meaning of its own: a session needs a header to itself.`
}

/** Every rule's tokens are its own, so two of them cannot live in one cookie. */
export function warnOfSharedCookies(
  context: TranslateContext,
  route: Resource<unknown>,
  rules: readonly SessionRule[],
): void {
  const owners = new Map<string, number>()
  for (const [index, { sessionPersistence: persistence }] of rules.entries()) {
    if (persistence?.type !== 'Cookie' || !persistence.sessionName) continue
    const owner = owners.get(persistence.sessionName)
    if (owner === undefined) {
      owners.set(persistence.sessionName, index)
      continue
    }
    context.diagnostics.report(route, {
      severity: 'warning',
      code: 'conflict',
      path: ['spec', 'rules', index, 'sessionPersistence', 'sessionName'],
      message: `spec.rules[${owner}] has a cookie of this name too. A client keeps one of the two, so their sessions end each other.`,
      help: 'Name the cookies differently, or leave sessionName out.',
    })
  }
}
