/** What control needs of a logger: pino's shape, so that main.ts passes one and tests a list. */

export type LogMethod = (fields: Readonly<Record<string, unknown>>, message: string) => void

export interface Log {
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
}
