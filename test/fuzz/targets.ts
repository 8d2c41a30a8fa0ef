/** Every fuzz target: what strangers and users feed gwproxy. */
import { admission } from './admission.ts'
import type { FuzzTarget } from './campaign.ts'
import { checkResponse } from './check-response.ts'
import { clientHello } from './client-hello.ts'
import { http2 } from './http2.ts'
import { http2Client } from './http2-client.ts'
import { http2Server } from './http2-server.ts'
import { httpNormalizer } from './http-normalizer.ts'
import { proxyProtocol } from './proxy-header.ts'

export const TARGETS: readonly FuzzTarget[] = [
  clientHello,
  admission,
  httpNormalizer,
  http2,
  http2Server,
  http2Client,
  checkResponse,
  proxyProtocol,
]
