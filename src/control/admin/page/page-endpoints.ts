/**
 * The status page at `/`: static files, the same for everybody, and the summary that they show.
 * The files are read at the start, since they may be replaced under the running daemon.
 */
import { readFileSync } from 'node:fs'
import { programFile } from '../../../base/program-files.ts'
import { type Answer, type Endpoints, json } from '../http-listener.ts'
import { createSummary, type PageSources } from './summary.ts'

const FILES = {
  '/': staticFile('page.html', 'text/html; charset=utf-8'),
  '/page.css': staticFile('page.css', 'text/css; charset=utf-8'),
  '/page.js': staticFile('page.js', 'text/javascript; charset=utf-8'),
  '/page.svg': staticFile('page.svg', 'image/svg+xml'),
} as const

export function pageEndpoints(sources: PageSources): Endpoints {
  const summary = createSummary(sources)
  return {
    // They hold nothing of this machine, and a browser can bring the token only from a page.
    ...Object.fromEntries(
      Object.entries(FILES).map(([path, answer]) => [
        path,
        { method: 'GET', isPublic: true, answer: () => answer } as const,
      ]),
    ),
    '/page': {
      method: 'GET',
      answerFor: (query) => json(200, summary(query.get('filter') ?? '')),
    },
  }
}

function staticFile(name: string, contentType: Answer['contentType']): Answer {
  const body = readFileSync(programFile(`control/admin/page/${name}`), 'utf8')
  return { status: 200, contentType, body }
}
