/** RequestHeaderModifier and ResponseHeaderModifier (digest section 4.2): set, add, remove. */
import type { HeaderModifierFilter } from '../../../model/http-filter.ts'
import type { Fields } from '../fields.ts'

export function modifyFields(filter: HeaderModifierFilter, fields: Fields): void {
  for (const { name, value } of filter.set) fields.set(name, value)
  for (const { name, value } of filter.add) fields.append(name, value)
  for (const key of filter.remove) fields.remove(key)
}
