/** Reads what a guide shows: its fenced blocks and its links. */

export interface FencedBlock {
  /** Of the line after the opening fence. */
  readonly line: number
  readonly language: string
  readonly text: string
  /** From an HTML comment right above: `<!-- quick-start: gateway.yaml -->`. */
  readonly marker: string | undefined
}

export function fencedBlocks(markdown: string): readonly FencedBlock[] {
  const blocks: FencedBlock[] = []
  const pattern = /^(?:<!-- (.*) -->\n)?```([a-z]*)\n([\s\S]*?)^```$/gm
  for (const { index, 0: whole, 1: marker, 2: language = '', 3: text = '' } of markdown.matchAll(
    pattern,
  )) {
    const before = markdown.slice(0, index + whole.indexOf(text))
    blocks.push({ line: before.split('\n').length, language, text, marker })
  }
  return blocks
}

/** Targets of inline links, outside of code. */
export function linkTargets(markdown: string): readonly string[] {
  const prose = markdown.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '')
}

/** Names in backticks that fit, outside of fenced blocks. */
export function codeSpans(markdown: string, fits: RegExp): readonly string[] {
  const prose = markdown.replace(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/`([^`\n]+)`/g)]
    .map((match) => match[1] ?? '')
    .filter((span) => fits.test(span))
}

/** What `#anchor` may name, as GitHub makes it of headings. */
export function headingAnchors(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
