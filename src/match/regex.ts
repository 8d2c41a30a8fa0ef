/**
 * Regular expressions of routes: RE2 dialect in linear time (security.md section 2.5), so that no
 * client can make a match expensive. Always against the whole value, as if written `^(?:…)$`.
 * Linear means program size x value length: both are bounded here.
 */
import { RE2JS } from 're2js'
import { GwProxyError, messageOf } from '../base/errors.ts'

/** Characters of a pattern. */
export const MAX_PATTERN_LENGTH = 1024

/** Instructions of the compiled program: counted repetition multiplies them (`(a?){100}` has 400). */
export const MAX_PROGRAM_SIZE = 1000

/** A longer value matches no expression: together with the program size about 150 ms at worst. */
export const MAX_VALUE_LENGTH = 8192

export interface RegexMatcher {
  /** True when the expression matches all of `value`. Values above MAX_VALUE_LENGTH never match. */
  matches(value: string): boolean
}

export type CompiledRegex =
  | { readonly ok: true; readonly matcher: RegexMatcher }
  /** One line that says what is wrong with the pattern, for a condition or diagnostic. */
  | { readonly ok: false; readonly error: string }

/** Compiles an RE2 pattern: no look-around, no back-references. Never throws. */
export function compileRegex(pattern: string): CompiledRegex {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    return fault(`longer than ${MAX_PATTERN_LENGTH} characters`)
  }
  let program: RE2JS
  try {
    program = RE2JS.compile(pattern)
  } catch (error) {
    return fault(`not a regular expression of the RE2 dialect: ${messageOf(error)}`)
  }
  if (program.programSize() > MAX_PROGRAM_SIZE) {
    return fault(`compiles to more than ${MAX_PROGRAM_SIZE} steps; use smaller repetition counts`)
  }
  return {
    ok: true,
    matcher: { matches: (value) => value.length <= MAX_VALUE_LENGTH && program.testExact(value) },
  }
}

/** As compileRegex, for patterns that translate has accepted: throws GWP_DEFECT_INVARIANT. */
export function checkedRegex(pattern: string): RegexMatcher {
  const compiled = compileRegex(pattern)
  if (compiled.ok) return compiled.matcher
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `unchecked expression: ${compiled.error}`)
}

function fault(error: string): CompiledRegex {
  return { ok: false, error }
}
