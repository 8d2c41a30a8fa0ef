/**
 * The commands that do their work without a daemon. They bring the libraries that a daemon's main
 * process has no use for, so the package has them in a bundle of their own (ADR 12).
 */
export { selfSigned } from './cert.ts'
export { check } from './check.ts'
export { filesSource } from './explain-files.ts'
export { schema } from './schema.ts'
