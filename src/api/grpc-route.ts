/** GRPCRoute (upstream apis/v1/grpcroute_types.go), with the cross-field rules of the CRD's CEL. */
import * as z from 'zod'
import {
  localObjectRef,
  requireServicePort,
  SERVICE_PORT_RULE,
  weightedBackendFields,
} from './backend-ref.ts'
import type { Output } from './common.ts'
import { hostname, sectionName, text } from './common.ts'
import { headerModifier, headerName, namedList, onceOf, requestMirror } from './http-filter.ts'
import { uniqueRuleNames } from './l4-rules.ts'
import { customResource, withoutNulls } from './meta.ts'
import { commonRouteFields } from './parent-ref.ts'
import { payloadOf, report, unique } from './refine.ts'
import { sessionPersistence } from './session-persistence.ts'

const SERVICE = /^\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$/i
const METHOD = /^[A-Za-z_][A-Za-z_0-9]*$/
const MAX_MATCHES = 128

const grpcFilter = z
  .strictObject({
    type: z.enum([
      'RequestHeaderModifier',
      'ResponseHeaderModifier',
      'RequestMirror',
      'ExtensionRef',
    ]),
    requestHeaderModifier: headerModifier.exactOptional(),
    responseHeaderModifier: headerModifier.exactOptional(),
    requestMirror: requestMirror.exactOptional(),
    extensionRef: localObjectRef.exactOptional(),
  })
  .superRefine(
    payloadOf('type', {
      RequestHeaderModifier: 'requestHeaderModifier',
      ResponseHeaderModifier: 'responseHeaderModifier',
      RequestMirror: 'requestMirror',
      ExtensionRef: 'extensionRef',
    }),
  )
  .describe('Exactly the field that belongs to type is set.')

export type GRPCFilter = Output<typeof grpcFilter>

const grpcFilters = z
  .array(grpcFilter)
  .max(16, 'must have at most 16 filters')
  .superRefine(unique(onceOf(['RequestHeaderModifier', 'ResponseHeaderModifier']), 'type'))
  .describe('At most one filter of each header modifier type.')

const matchType = z.enum(['Exact', 'RegularExpression']).default('Exact')

const methodMatch = z
  .strictObject({
    type: matchType,
    service: text(0, 1024).exactOptional(),
    method: text(0, 1024).exactOptional(),
  })
  .superRefine(({ type, service, method }, context) => {
    if (service === undefined && method === undefined) {
      report(context, ['service'], 'must be set, or method must be (or both)')
    }
    if (type !== 'Exact') return
    if (service !== undefined && !SERVICE.test(service)) {
      report(context, ['service'], 'must be a gRPC service name such as com.example.User')
    }
    if (method !== undefined && !METHOD.test(method)) {
      report(context, ['method'], 'must be a gRPC method name such as Login')
    }
  })
  .describe('service or method or both are set; for type Exact they are names.')

const grpcMatch = z.strictObject({
  method: methodMatch.exactOptional(),
  headers: namedList(
    z.strictObject({ type: matchType, name: headerName, value: text(1, 4096) }),
  ).exactOptional(),
})

export type GRPCMatch = Output<typeof grpcMatch>

const grpcBackendRef = z
  .strictObject({ ...weightedBackendFields, filters: grpcFilters.exactOptional() })
  .superRefine(requireServicePort)
  .describe(SERVICE_PORT_RULE)

const grpcRule = z.strictObject({
  name: sectionName.exactOptional(),
  matches: z.array(grpcMatch).max(64, 'must have at most 64 matches').exactOptional(),
  filters: grpcFilters.exactOptional(),
  backendRefs: z.array(grpcBackendRef).max(16, 'must have at most 16 entries').exactOptional(),
  sessionPersistence: sessionPersistence.exactOptional(),
})

export type GRPCRule = Output<typeof grpcRule>

export const grpcRouteSchema = withoutNulls(
  customResource(
    ['gateway.networking.k8s.io/v1'],
    'GRPCRoute',
    z.strictObject({
      ...commonRouteFields,
      hostnames: z.array(hostname).max(16, 'must have at most 16 hostnames').exactOptional(),
      rules: z
        .array(grpcRule)
        .max(16, 'must have at most 16 rules')
        .superRefine(uniqueRuleNames)
        .refine(
          (list) => list.reduce((sum, rule) => sum + (rule.matches?.length ?? 0), 0) <= MAX_MATCHES,
          `must have at most ${MAX_MATCHES} matches in all rules together`,
        )
        .describe('Rule names are unique; at most 128 matches in all rules together.')
        .exactOptional(),
    }),
  ),
)

export type GRPCRoute = Output<typeof grpcRouteSchema>
