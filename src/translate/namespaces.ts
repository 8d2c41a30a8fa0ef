/**
 * Which namespaces a selector admits (digest section 1.1): Namespace objects may be absent, and
 * every namespace carries the label `kubernetes.io/metadata.name`.
 */
import type { AllowedRoutes, LabelSelector } from '../api/listener.ts'
import type { TranslateContext } from './context.ts'

const NAME_LABEL = 'kubernetes.io/metadata.name'

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number]

/** Whether objects of `namespace` may attach to a listener of `home`. */
export function admitsNamespace(
  context: TranslateContext,
  allowed: AllowedRoutes['namespaces'],
  home: string,
  namespace: string,
): boolean {
  switch (allowed.from) {
    case 'All':
      return true
    case 'Same':
      return namespace === home
    case 'Selector':
      // Without a selector nothing is admitted: the field's absence must not open a listener.
      return (
        allowed.selector !== undefined && selects(allowed.selector, labelsOf(context, namespace))
      )
  }
}

/** Why a selector admits nobody although it looks as if it did; undefined: it is sound. */
export function selectorProblem(allowed: AllowedRoutes['namespaces']): string | undefined {
  if (allowed.from !== 'Selector') return undefined
  if (allowed.selector === undefined) return 'from is Selector, but there is no selector'
  const { matchExpressions = [] } = allowed.selector
  const odd = matchExpressions.find(({ operator }) => !OPERATORS.has(operator))
  return odd && `operator ${odd.operator} is unknown; use ${[...OPERATORS].join(', ')}`
}

const OPERATORS: ReadonlySet<string> = new Set(['In', 'NotIn', 'Exists', 'DoesNotExist'])

/** Like metav1.LabelSelector: all requirements hold; an empty selector selects everything. */
function selects(selector: LabelSelector, labels: ReadonlyMap<string, string>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector
  return (
    Object.entries(matchLabels).every(([key, value]) => labels.get(key) === value) &&
    matchExpressions.every((requirement) => holds(requirement, labels.get(requirement.key)))
  )
}

function holds({ operator, values = [] }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    default:
      // The schema leaves the operator open; what we do not understand admits nobody.
      return false
  }
}

function labelsOf({ resources }: TranslateContext, name: string): ReadonlyMap<string, string> {
  const declared = resources.find({ group: '', kind: 'Namespace', namespace: '', name })
  return new Map([...Object.entries(declared?.object.metadata.labels ?? {}), [NAME_LABEL, name]])
}
