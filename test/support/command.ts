/** Runs clients that nobody here wrote: curl, openssl. */
import { spawn } from 'node:child_process'

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly input?: string | Buffer
  /** Keeps standard input open until this was printed: `openssl s_client` ends with its input. */
  readonly inputEndsAfter?: RegExp
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** A bound, not an expectation. Milliseconds. */
  readonly timeoutMs?: number
}

export function command(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      timeout: options.timeoutMs ?? 60_000,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      stdout += text
      if (options.inputEndsAfter?.test(stdout)) child.stdin.end()
    })
    child.stderr.setEncoding('latin1').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }))
    child.stdin.on('error', () => undefined)
    child.stdin.write(options.input ?? '')
    if (options.inputEndsAfter === undefined) child.stdin.end()
  })
}

/** A line of shell, as a user would type it. */
export function shell(line: string, options: CommandOptions = {}): Promise<CommandResult> {
  return command('bash', ['-c', line], options)
}

/** curl, silent, with errors on stderr. */
export function curl(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return command('curl', ['-sS', '--max-time', '15', ...args], options)
}
