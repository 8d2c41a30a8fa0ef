/** HTTPRoute `web` with the given rules, lowered beside the Service `web`. */
import assert from 'node:assert/strict'
import { lowerHttpRoute } from '../../../src/translate/routes/http-route.ts'
import { contextOf, findings, httpRoute, type Manifest, service, slice } from './fixture.ts'

const web = service('web', { ports: [{ port: 80 }] })
const webSlice = slice('web', { ports: [{ port: 8080 }], endpoints: [{ addresses: ['10.0.0.1'] }] })
export const backendRefs = [{ name: 'web', port: 80 }]

/** Without rules the default of the schema applies. */
export function lower(rules: unknown, manifests: readonly Manifest[] = [web, webSlice]) {
  const context = contextOf([httpRoute('web', rules === undefined ? {} : { rules }), ...manifests])
  const [route] = context.resources.httpRoutes
  assert.ok(route)
  const lowered = lowerHttpRoute(context, route)
  return {
    ...lowered,
    context,
    findings: findings(context),
    actions: lowered.rules.map(({ rule }) => rule.action),
  }
}
