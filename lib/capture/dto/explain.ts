import { validateSync } from 'class-validator';

/**
 * What class-validator says to an input, in one line; '' when it finds nothing wrong. Throws only where reading the input
 * throws.
 */
export function explain(input: object): string {
  return validateSync(input, { forbidUnknownValues: false })
    .flatMap(({ property, constraints = {}, children = [] }) => [
      ...Object.values(constraints),
      ...children.flatMap((child) => Object.values(child.constraints ?? {}).map((text) => `${property}.${text}`)),
    ])
    .join('; ');
}
