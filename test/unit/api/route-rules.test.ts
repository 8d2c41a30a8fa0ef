/** Rules across fields that all routes share, and those of HTTPRoutes. */
import { describe } from 'node:test'
import { testRules } from './rule-cases.ts'

const backendRefs = [{ name: 'a', port: 80 }]
const spec = (part: object) => ({ spec: part })
const rule = (part: object) => ({ spec: { rules: [part] } })
const match = (part: object) => rule({ matches: [part] })
const filters = (list: object) => rule({ filters: list })

const prefix = { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' }
const rewrite = { type: 'URLRewrite', urlRewrite: { path: prefix } }
const redirect = { type: 'RequestRedirect', requestRedirect: { path: prefix } }
const setHeader = { type: 'RequestHeaderModifier', requestHeaderModifier: {} }
const exact = [{ path: { type: 'Exact', value: '/a' } }]
const needsPrefix =
  'spec.rules[0].matches must be exactly one PathPrefix match when a filter has path type ReplacePrefixMatch'

describe('rules that all routes share', () => {
  const clash =
    'must differ from the other refs to this parent in sectionName or port, and all must set the same of these two'
  testRules('HTTPRoute', (parentRefs) => spec({ parentRefs }), [
    {
      rule: 'refs to one parent differ',
      accept: [{ name: 'a', sectionName: 'x' }, { name: 'a', sectionName: 'y' }, { name: 'b' }],
      refuse: [
        { name: 'a', sectionName: 'x' },
        { name: 'a', sectionName: 'x' },
      ],
      at: `spec.parentRefs[1] ${clash}`,
    },
    {
      rule: 'refs to one parent set the same of sectionName and port',
      accept: [
        { name: 'a', port: 80 },
        { name: 'a', port: 81 },
        { name: 'a', namespace: 'b' },
      ],
      refuse: [
        { name: 'a', port: 80 },
        { name: 'a', sectionName: 'x' },
      ],
      at: `spec.parentRefs[1] ${clash}`,
    },
  ])
  for (const kind of ['HTTPRoute', 'GRPCRoute'] as const) {
    testRules(kind, spec, [
      {
        rule: 'rule names are unique',
        accept: { rules: [{ name: 'a' }, { name: 'b' }, {}, {}] },
        refuse: { rules: [{ name: 'a' }, {}, { name: 'a' }] },
        at: 'spec.rules[2].name must be unique: entry [0] has the same name',
      },
      {
        rule: 'at most 128 matches in all rules',
        accept: { rules: [{ matches: Array(64).fill({}) }, { matches: Array(64).fill({}) }] },
        refuse: {
          rules: [
            { matches: Array(64).fill({}) },
            { matches: Array(64).fill({}) },
            { matches: [{}] },
          ],
        },
        at: 'spec.rules must have at most 128 matches in all rules together',
      },
    ])
    testRules(kind, rule, [
      {
        rule: 'a reference to a Service needs a port, others need none',
        accept: { backendRefs: [{ group: 'gateway.envoyproxy.io', kind: 'Backend', name: 'a' }] },
        refuse: { backendRefs: [{ name: 'a' }] },
        at: 'spec.rules[0].backendRefs[0].port must be set for a reference to a Service',
      },
      {
        rule: 'a Permanent cookie needs absoluteTimeout',
        accept: {
          sessionPersistence: {
            absoluteTimeout: '1h',
            cookieConfig: { lifetimeType: 'Permanent' },
          },
        },
        refuse: { sessionPersistence: { cookieConfig: { lifetimeType: 'Permanent' } } },
        at: 'spec.rules[0].sessionPersistence.absoluteTimeout must be set when cookieConfig.lifetimeType is Permanent',
      },
      {
        rule: 'cookieConfig is for type Cookie',
        accept: { sessionPersistence: { type: 'Header' } },
        refuse: { sessionPersistence: { type: 'Header', cookieConfig: {} } },
        at: 'spec.rules[0].sessionPersistence.cookieConfig must not be set unless type is Cookie',
      },
    ])
    testRules(kind, filters, [
      {
        rule: 'a filter has the field of its type',
        accept: [setHeader],
        refuse: [{ type: 'ExtensionRef' }],
        at: 'spec.rules[0].filters[0].extensionRef must be set when type is ExtensionRef',
      },
      {
        rule: 'a filter has no field of another type',
        accept: [{ type: 'ResponseHeaderModifier', responseHeaderModifier: {} }],
        refuse: [{ ...setHeader, responseHeaderModifier: {} }],
        at: 'spec.rules[0].filters[0].responseHeaderModifier must not be set when type is RequestHeaderModifier',
      },
      {
        rule: 'a header modifier is not repeated',
        accept: [setHeader, { type: 'ResponseHeaderModifier', responseHeaderModifier: {} }],
        refuse: [setHeader, setHeader],
        at: 'spec.rules[0].filters[1].type must be unique: entry [0] has the same type',
      },
      {
        rule: 'a mirror has percent or fraction',
        accept: [mirror({ percent: 5 }), mirror({ fraction: { numerator: 1 } })],
        refuse: [mirror({ percent: 5, fraction: { numerator: 1 } })],
        at: 'spec.rules[0].filters[0].requestMirror.fraction must not be set beside percent',
      },
      {
        rule: 'a fraction is at most one',
        accept: [mirror({ fraction: { numerator: 100 } })],
        refuse: [mirror({ fraction: { numerator: 101 } })],
        at: 'spec.rules[0].filters[0].requestMirror.fraction.numerator must be at most the denominator, 100',
      },
    ])
  }
})

function mirror(part: object): object {
  const backendRef = { name: 'a', port: 80 }
  return { type: 'RequestMirror', requestMirror: { backendRef, ...part } }
}

describe('rules of HTTPRoutes', () => {
  testRules('HTTPRoute', rule, [
    {
      rule: 'RequestRedirect excludes backendRefs',
      accept: { filters: [redirect] },
      refuse: { filters: [redirect], backendRefs },
      at: 'spec.rules[0].backendRefs must not be set beside a RequestRedirect filter, which answers by itself',
    },
    {
      rule: 'ReplacePrefixMatch of a redirect needs one PathPrefix match',
      accept: { filters: [redirect], matches: [{ path: { value: '/a' } }] },
      refuse: { filters: [redirect], matches: exact },
      at: needsPrefix,
    },
    {
      rule: 'ReplacePrefixMatch of a rewrite needs one PathPrefix match',
      accept: { filters: [rewrite], backendRefs },
      refuse: { filters: [rewrite], matches: [{}, {}] },
      at: needsPrefix,
    },
    {
      rule: 'ReplacePrefixMatch of a backend needs one PathPrefix match',
      accept: { backendRefs: [{ name: 'a', port: 80, filters: [rewrite] }] },
      refuse: { backendRefs: [{ name: 'a', port: 80, filters: [rewrite] }], matches: exact },
      at: needsPrefix,
    },
    {
      rule: 'backendRequest is not longer than request, unless that is 0s',
      accept: { timeouts: { request: '0s', backendRequest: '1h' } },
      refuse: { timeouts: { request: '59s999ms', backendRequest: '1m' } },
      at: 'spec.rules[0].timeouts.backendRequest must not be longer than request, 59s999ms',
    },
    {
      rule: 'retry codes are unique',
      accept: { retry: { codes: [500, 503], attempts: 1, backoff: '100ms' } },
      refuse: { retry: { codes: [500, 500] } },
      at: 'spec.rules[0].retry.codes[1] must be unique: entry [0] has the same value',
    },
  ])

  testRules('HTTPRoute', filters, [
    {
      rule: 'RequestRedirect excludes URLRewrite',
      accept: [rewrite, setHeader],
      refuse: [redirect, rewrite],
      at: 'spec.rules[0].filters[1].type must not be URLRewrite beside a RequestRedirect filter',
    },
    {
      rule: 'ReplaceFullPath needs replaceFullPath',
      accept: [
        {
          type: 'URLRewrite',
          urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '' } },
        },
      ],
      refuse: [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath' } } }],
      at: 'spec.rules[0].filters[0].urlRewrite.path.replaceFullPath must be set when type is ReplaceFullPath',
    },
    {
      rule: 'header names of one modifier are unique, in one case',
      accept: [
        {
          type: 'RequestHeaderModifier',
          requestHeaderModifier: { set: [header('a'), header('A')] },
        },
      ],
      refuse: [
        {
          type: 'RequestHeaderModifier',
          requestHeaderModifier: { set: [header('a'), header('a')] },
        },
      ],
      at: 'spec.rules[0].filters[0].requestHeaderModifier.set[1].name must be unique: entry [0] has the same name',
    },
    {
      rule: '* of CORS stands alone',
      accept: [{ type: 'CORS', cors: { allowOrigins: ['*'], allowMethods: ['GET', 'PUT'] } }],
      refuse: [{ type: 'CORS', cors: { allowOrigins: ['https://a.example', '*'] } }],
      at: "spec.rules[0].filters[0].cors.allowOrigins[1] must stand alone: '*' already allows all others",
    },
    {
      rule: 'ExternalAuth has the field of its protocol',
      accept: [auth({ protocol: 'GRPC', grpc: {} })],
      refuse: [auth({ protocol: 'HTTP' })],
      at: 'spec.rules[0].filters[0].externalAuth.http must be set when protocol is HTTP',
    },
  ])

  const path = 'spec.rules[0].matches[0].path.value'
  const badPaths = {
    a: "must start with '/'",
    '/a//b': "must not contain '//'",
    '/a/./b': "must not contain '/./'",
    '/a/../b': "must not contain '/../'",
    '/%2f': "must not contain '%2f'",
    '/%2F': "must not contain '%2F'",
    '/#': "must not contain '#'",
    '/..': "must not end with '/..'",
    '/.': "must not end with '/.'",
    '/ü': 'must be of valid URI characters (percent-encode others)',
    '/%2': 'must be of valid URI characters (percent-encode others)',
  }
  testRules(
    'HTTPRoute',
    match,
    Object.entries(badPaths).map(([value, message]) => ({
      rule: `no path ${value}`,
      accept: { path: { type: 'RegularExpression', value } },
      refuse: { path: { value } },
      at: `${path} ${message} for type PathPrefix`,
    })),
  )
})

function header(name: string): object {
  return { name, value: 'x' }
}

function auth(part: object): object {
  return { type: 'ExternalAuth', externalAuth: { backendRef: { name: 'a', port: 80 }, ...part } }
}
