/** Peers in the version for a major version of Nest. */
const BY_NEST: ReadonlyMap<number, Readonly<Record<string, string>>> = new Map([
  [10, { '@nestjs/axios': '^4.0.0', '@nestjs/config': '^4.0.0' }],
  [11, { '@nestjs/axios': '^4.0.0', '@nestjs/config': '^4.0.0' }],
  [12, { '@nestjs/axios': '^12.0.0', '@nestjs/config': '^12.0.0' }],
]);
const FOR_EVERY_NEST = { axios: '^1.16.1', 'class-transformer': '^0.5.1', 'class-validator': '^0.15.0' };

/** @returns undefined for a version of Nest that is not supported */
export function peersFor(nest: number): Readonly<Record<string, string>> | undefined {
  const byNest = BY_NEST.get(nest);
  return byNest && { ...byNest, ...FOR_EVERY_NEST };
}

/** The first number of a version or a range. */
export function majorOf(version: string): number | undefined {
  const digits = /\d+/.exec(version)?.[0];
  return digits === undefined ? undefined : Number(digits);
}
