import { validateSync } from 'class-validator';

/**
 * What class-validator says to an instance of a class with rules, in one line; '' when it finds nothing wrong. Throws where a proxy
 * does that could be read a moment ago.
 *
 * @param within goes before the name of each field, e.g. `options.`
 */
export function explain(input: object, within = ''): string {
  return validateSync(input, { forbidUnknownValues: false })
    .flatMap(({ constraints = {} }) => Object.values(constraints))
    .map((text) => within + text)
    .join('; ');
}
