/** What ports have in common in Service, Endpoints and EndpointSlice (kubernetes core validation). */
import * as z from 'zod'
import { LABEL_PATTERN, patterned } from './common.ts'
import { isQualifiedName } from './meta.ts'

export const transport = z.enum(['TCP', 'UDP', 'SCTP']).default('TCP')

export const portName = patterned(1, 63, LABEL_PATTERN, 'lower-case letters, digits and "-"')

/** `kubernetes.io/h2c`, an IANA service name such as `https`, or a name with another domain. */
export const appProtocol = z
  .string()
  .refine(isQualifiedName, 'must be a protocol such as http, https or kubernetes.io/h2c')
