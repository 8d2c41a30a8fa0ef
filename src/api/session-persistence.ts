/** SessionPersistence (GEP-1619), of HTTPRoute and GRPCRoute rules. */
import * as z from 'zod'
import { duration, type Output, text } from './common.ts'
import { report } from './refine.ts'

export const sessionPersistence = z
  .strictObject({
    sessionName: text(0, 128).exactOptional(),
    absoluteTimeout: duration.exactOptional(),
    type: z.enum(['Cookie', 'Header']).default('Cookie'),
    cookieConfig: z
      .strictObject({ lifetimeType: z.enum(['Permanent', 'Session']).default('Session') })
      .exactOptional(),
  })
  .superRefine(({ type, cookieConfig, absoluteTimeout }, context) => {
    if (cookieConfig?.lifetimeType === 'Permanent' && absoluteTimeout === undefined) {
      report(
        context,
        ['absoluteTimeout'],
        'must be set when cookieConfig.lifetimeType is Permanent',
      )
    }
    if (cookieConfig !== undefined && type !== 'Cookie') {
      report(context, ['cookieConfig'], 'must not be set unless type is Cookie')
    }
  })
  .describe('cookieConfig is for type Cookie; a Permanent cookie needs absoluteTimeout.')

export type SessionPersistence = Output<typeof sessionPersistence>
