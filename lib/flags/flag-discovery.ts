import { Inject, Injectable, type OnApplicationBootstrap, Optional } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { fieldOf } from '../shared/untrusted-values.js';
import {
  classesOf,
  enhancersOf,
  handlerKindOf,
  methodsOfClass,
  parameterPipesOf,
  setEnhancers,
} from '../tracking/call/nest-metadata.js';
import { Tracker } from '../tracking/tracker.js';
import { type DeclaredFlag, declaredBy } from './declared-flag.js';
import { flagLog } from './flag-log.js';

/** The token of the options of @nestjs/graphql. */
const GRAPHQL_OPTIONS = 'GqlModuleOptions';

/** Applications that have been reported on, because each instance of flags has a FlagDiscovery. */
const reported = new WeakSet<ModulesContainer>();

/** A flag that a decorator asks for. */
interface Place extends DeclaredFlag {
  readonly where: string;
  readonly kind: ReturnType<typeof handlerKindOf>;
}

/** Finds the flags for which the decorators of an application ask. */
@Injectable()
export class FlagDiscovery implements OnApplicationBootstrap {
  readonly #modules: ModulesContainer;
  readonly #warn: (kind: string, text: string) => void;
  #found: { readonly size: number; readonly places: readonly Place[] } | undefined;
  readonly #keys = new Map<
    string | undefined,
    { readonly places: readonly Place[]; readonly keys: readonly string[] }
  >();

  constructor(@Inject(ModulesContainer) modules: ModulesContainer, @Optional() @Inject(Tracker) tracker?: unknown) {
    this.#modules = modules;
    this.#warn = flagLog(tracker);
    // Before Nest registers the handlers with their guards.
    putFlagGuardsLast(modules);
  }

  /** The keys for which an instance is asked. Includes those of modules that were loaded lazily. */
  keysOf(name: string | undefined): readonly string[] {
    const places = this.#places();
    const known = this.#keys.get(name);
    if (known?.places === places) return known.keys;
    const keys = [...new Set(places.flatMap((place) => (place.name === name ? [place.key] : [])))];
    this.#keys.set(name, { places, keys });
    return keys;
  }

  /** Warns of decorators that Nest ignores, most of all because a method would be unguarded. */
  onApplicationBootstrap(): void {
    if (reported.has(this.#modules)) return;
    reported.add(this.#modules);
    for (const { by, key, kind, where } of this.#places()) {
      const remedy =
        kind === 'task'
          ? 'Nest runs neither guards nor parameter decorators there. Inject FeatureFlags instead'
          : kind === 'field resolver' && by === '@RequireFlag' && !hasFieldGuards(this.#modules)
            ? 'add "guards" to fieldResolverEnhancers of GraphQLModule'
            : undefined;
      if (remedy !== undefined) this.#warn(`flags: ${where}`, `${by}("${key}") on ${where} has no effect: ${remedy}.`);
    }
  }

  #places(): readonly Place[] {
    const { size } = this.#modules;
    if (this.#found?.size !== size) this.#found = { size, places: [...placesOf(this.#modules)] };
    return this.#found.places;
  }
}

function* placesOf(modules: ModulesContainer): Iterable<Place> {
  for (const type of new Set(classesOf(modules))) {
    for (const flag of flagsOf(enhancersOf('guards', type))) yield { ...flag, where: type.name, kind: 'handler' };
    for (const { name, method } of methodsOfClass(type)) {
      const place = { where: `${type.name}.${name}()`, kind: handlerKindOf(type, name, method) };
      for (const flag of flagsOf([...enhancersOf('guards', method), ...parameterPipesOf(type, name)]))
        yield { ...flag, ...place };
    }
  }
}

const flagsOf = (enhancers: readonly unknown[]): DeclaredFlag[] =>
  enhancers.map(declaredBy).filter((flag) => flag !== undefined);

/**
 * `@UseGuards(Auth) @RequireFlag(…)` would run the lower decorator first, before the user is known. Several applications may share
 * the classes: the order is the same for all.
 */
function putFlagGuardsLast(modules: ModulesContainer): void {
  for (const type of new Set(classesOf(modules)))
    for (const target of [type, ...[...methodsOfClass(type)].map(({ method }) => method)]) {
      const guards = enhancersOf('guards', target);
      const own = guards.filter((guard) => declaredBy(guard) !== undefined);
      if (own.length === 0 || own.length === guards.length) continue;
      const others = guards.filter((guard) => declaredBy(guard) === undefined);
      setEnhancers('guards', target, [...others, ...own]);
    }
}

function hasFieldGuards(modules: ModulesContainer): boolean {
  for (const { providers } of modules.values()) {
    const enhancers = fieldOf(providers.get(GRAPHQL_OPTIONS)?.instance, 'fieldResolverEnhancers');
    if (Array.isArray(enhancers) && enhancers.includes('guards')) return true;
  }
  return false;
}
