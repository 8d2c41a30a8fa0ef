/**
 * A small evaluator of the Common Expression Language, as far as the CRDs' x-kubernetes-validations
 * use it. It is the tests' oracle for cross-field rules: the rules run as upstream wrote them.
 * Errors are absorbed by && and || as the specification says, else the rule counts as broken.
 */
import { compare, entries, method } from './cel-library.ts'

type Env = Readonly<Record<string, unknown>>
type Node = (env: Env) => unknown

const TOKEN =
  /\s*(?:(r"""[\s\S]*?""")|('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(\d+)|([A-Za-z_]\w*)|(&&|\|\||[=!<]=|[-+?:!<>()[\].,]))/y

/** Compiles a rule to a function of `self`; it throws where CEL gives an error. */
export function compileCel(rule: string): (self: unknown) => unknown {
  const parser = new Parser(tokenize(rule))
  const node = parser.parse()
  return (self) => node({ self })
}

interface Token {
  readonly kind: 'raw' | 'string' | 'number' | 'name' | 'sign'
  readonly text: string
}

function tokenize(rule: string): Token[] {
  const kinds = ['raw', 'string', 'number', 'name', 'sign'] as const
  const tokens: Token[] = []
  const source = rule.trim()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < source.length) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(source)
    if (match === null) throw new Error(`CEL: cannot read ${source.slice(at, at + 20)}`)
    const index = kinds.findIndex((_, position) => match[position + 1] !== undefined)
    tokens.push({ kind: kinds[index] ?? 'sign', text: match[index + 1] ?? '' })
  }
  return tokens
}

class Parser {
  readonly #tokens: readonly Token[]
  #position = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  parse(): Node {
    const node = this.#ternary()
    if (this.#position < this.#tokens.length) throw new Error('CEL: text after the expression')
    return node
  }

  #accept(...texts: string[]): string | undefined {
    const token = this.#tokens[this.#position]
    if (token === undefined || token.kind === 'string' || !texts.includes(token.text))
      return undefined
    this.#position += 1
    return token.text
  }

  #expect(text: string): void {
    if (this.#accept(text) === undefined) throw new Error(`CEL: expected ${text}`)
  }

  #ternary(): Node {
    const condition = this.#or()
    if (this.#accept('?') === undefined) return condition
    const yes = this.#ternary()
    this.#expect(':')
    const no = this.#ternary()
    return (env) => (truth(condition(env)) ? yes(env) : no(env))
  }

  #or(): Node {
    let left = this.#and()
    while (this.#accept('||') !== undefined) left = absorbing(left, this.#and(), true)
    return left
  }

  #and(): Node {
    let left = this.#relation()
    while (this.#accept('&&') !== undefined) left = absorbing(left, this.#relation(), false)
    return left
  }

  #relation(): Node {
    let left = this.#sum()
    for (;;) {
      const sign = this.#accept('==', '!=', '<=', '<', '>', 'in')
      if (sign === undefined) return left
      const [a, b] = [left, this.#sum()]
      left = (env) => compare(sign, a(env), b(env))
    }
  }

  #sum(): Node {
    let left = this.#unary()
    while (this.#accept('+') !== undefined) {
      const [a, b] = [left, this.#unary()]
      left = (env) => Number(a(env)) + Number(b(env))
    }
    return left
  }

  #unary(): Node {
    if (this.#accept('!') === undefined) return this.#member()
    const inner = this.#unary()
    return (env) => !truth(inner(env))
  }

  #member(): Node {
    let node = this.#primary()
    for (;;) {
      if (this.#accept('[') !== undefined) {
        const [list, index] = [node, this.#ternary()]
        this.#expect(']')
        node = (env) => field(list(env), String(index(env)))
      } else if (this.#accept('.') !== undefined) {
        node = this.#selection(node)
      } else return node
    }
  }

  #selection(target: Node): Node {
    const name = this.#name()
    if (this.#accept('(') === undefined) return (env) => field(target(env), name)
    if (['all', 'exists', 'exists_one', 'filter'].includes(name)) {
      const variable = this.#name()
      this.#expect(',')
      const body = this.#ternary()
      this.#expect(')')
      return (env) =>
        macro(name, entries(target(env)), (item) => body({ ...env, [variable]: item }))
    }
    const args = this.#until(')')
    return (env) => method(name, target(env), ...args.map((arg) => arg(env)))
  }

  /** Expressions up to a closing sign. */
  #until(close: string): Node[] {
    const nodes: Node[] = []
    while (this.#accept(close) === undefined) {
      nodes.push(this.#ternary())
      this.#accept(',')
    }
    return nodes
  }

  #name(): string {
    const token = this.#tokens[this.#position]
    if (token?.kind !== 'name') throw new Error('CEL: expected a name')
    this.#position += 1
    return token.text.replace(/^__(.*)__$/, '$1')
  }

  #primary(): Node {
    if (this.#accept('(') !== undefined) {
      const inner = this.#ternary()
      this.#expect(')')
      return inner
    }
    if (this.#accept('[') !== undefined) {
      const items = this.#until(']')
      return (env) => items.map((item) => item(env))
    }
    const token = this.#tokens[this.#position]
    if (token === undefined) throw new Error('CEL: unexpected end')
    if (token.kind === 'name') return this.#identifier()
    this.#position += 1
    const value = literal(token)
    return () => value
  }

  #identifier(): Node {
    const name = this.#name()
    if (this.#accept('(') === undefined) {
      const constants: Env = { null: null, true: true, false: false, format: 'format' }
      if (Object.hasOwn(constants, name)) return () => constants[name]
      return (env) => field(env, name)
    }
    const args = this.#until(')')
    if (name === 'has') return (env) => present(() => args[0]?.(env))
    return (env) => method(name, args[0]?.(env))
  }
}

/** `||` with `winner` true, `&&` with false: the winner decides even when the other side errs. */
function absorbing(left: Node, right: Node, winner: boolean): Node {
  return (env) => {
    let first: boolean
    try {
      first = truth(left(env))
    } catch (error) {
      if (truth(right(env)) === winner) return winner
      throw error
    }
    return first === winner ? winner : truth(right(env))
  }
}

function truth(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new Error('CEL: not a boolean')
  return value
}

/** One for all: rules ask for absent fields often, and a stack trace costs more than the rule. */
const NO_SUCH_KEY = new Error('CEL: no such key')

function field(target: unknown, name: string): unknown {
  if (typeof target === 'object' && target !== null && Object.hasOwn(target, name)) {
    return (target as Record<string, unknown>)[name]
  }
  throw NO_SUCH_KEY
}

/** has(): whether the selection finds its field. */
function present(select: () => unknown): boolean {
  try {
    select()
    return true
  } catch {
    return false
  }
}

function macro(name: string, list: readonly unknown[], body: (item: unknown) => unknown): unknown {
  const hits = list.filter((item) => truth(body(item)))
  switch (name) {
    case 'all':
      return hits.length === list.length
    case 'exists':
      return hits.length > 0
    case 'exists_one':
      return hits.length === 1
    default:
      return hits
  }
}

function literal(token: Token): unknown {
  if (token.kind === 'number') return Number(token.text)
  if (token.kind === 'raw') return token.text.slice(4, -3)
  if (token.kind === 'string') return token.text.slice(1, -1).replace(/\\(.)/g, '$1')
  throw new Error(`CEL: unexpected ${token.text}`)
}
