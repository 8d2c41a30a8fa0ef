/** Field lists as they are in the wild, and a little beyond. */
import fc from 'fast-check'

const NAMES = [
  ...['accept', 'accept-encoding', 'content-type', 'user-agent', 'cache-control', 'vary', 'server'],
  ...['cookie', 'set-cookie', 'authorization', 'x-request-id', 'traceparent', 'date', 'etag'],
  ...['x-a', 'x-b', 'x-c', 'x-forwarded-for', 'grpc-status', 'grpc-message', 'location', 'age'],
]

const VALUES = ['', '*/*', 'gzip', 'gzip, deflate', '0', 'application/grpc', 'no-cache', 'a=b; c=d']

/** A character for each octet that may stand in a value; no blank at its ends. */
const text = (maxLength: number) =>
  fc
    .array(
      fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
        fc.constantFrom(9, 0x80, 0xe9, 0xff),
      ),
      { maxLength },
    )
    .map((codes) => String.fromCharCode(...codes).replace(/^[ \t]+|[ \t]+$/g, ''))

const name = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...NAMES) },
  fc
    .array(fc.constantFrom(...'abcxyz019-_.!#$%&'), { minLength: 1, maxLength: 12 })
    .map((characters) => characters.join('')),
)

const value = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 4, arbitrary: text(30) },
  text(400),
  fc.nat(5000).map((length) => 'v'.repeat(length)),
)

/** Fields of a sound message, flat, without pseudo-fields. */
export const regularFields: fc.Arbitrary<string[]> = fc
  .array(fc.tuple(name, value), { maxLength: 12 })
  .map((fields) => fields.flat())

const method = fc.constantFrom('GET', 'POST', 'HEAD', 'PATCH')
const path = fc.oneof(
  fc.constantFrom('/', '/index.html', '/a?b=c'),
  fc.nat().map((id) => `/${id}`),
)

/** A sound request, in the order of fields that Node keeps. */
export const requestFields: fc.Arbitrary<string[]> = fc
  .tuple(
    method,
    path,
    fc.constantFrom('http', 'https'),
    fc.constantFrom('a.test', 'b.test:80'),
    regularFields,
  )
  .map(([verb, target, scheme, authority, fields]) => [
    ...[':method', verb, ':path', target, ':scheme', scheme, ':authority', authority],
    ...fields,
  ])
