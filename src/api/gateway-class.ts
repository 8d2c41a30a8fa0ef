/** GatewayClass (upstream apis/v1/gatewayclass_types.go). */
import * as z from 'zod'
import { objectRef } from './backend-ref.ts'
import type { Output } from './common.ts'
import { patterned, text } from './common.ts'
import { customResource, withoutNulls } from './meta.ts'

const CONTROLLER_NAME =
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/

export const gatewayClassSchema = withoutNulls(
  customResource(
    ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
    'GatewayClass',
    z.strictObject({
      controllerName: patterned(
        1,
        253,
        CONTROLLER_NAME,
        'a domain and a path, such as gwproxy.dev/gateway-controller',
      ),
      description: text(0, 64).exactOptional(),
      parametersRef: objectRef.exactOptional(),
    }),
  ),
)

export type GatewayClass = Output<typeof gatewayClassSchema>
