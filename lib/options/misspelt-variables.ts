import { didYouMean } from '../shared/did-you-mean.js';
import { processSingleton } from '../shared/process-singleton.js';
import { quoteName } from '../shared/untrusted-values.js';
import { fieldVariablesOf, isGiven, OPTION_NAMES, plainVariableOf, variableName, variableOf } from './environment.js';

/** Variables that belong to no option, without the prefix POSTHOG_. `posthog-capture events` reads the CLI variables of PostHog's own command line. */
const OTHERS = ['SECRET_KEY', 'OUTBOX_URL', 'RELEASE_ID', 'CLI_API_KEY', 'CLI_PROJECT_ID', 'CLI_HOST'];

/** The environment is that of the process, whose instances may share their variables. */
const reported = processSingleton('misspelt-variables', () => new Set<string>());

/**
 * Sentences about variables that resemble those of an instance. They contain no values.
 *
 * @param name the name of a named instance, which has only its own variables
 */
export function misspeltVariables(environment: NodeJS.ProcessEnv, name: string | undefined): string[] {
  const prefix = variableName('', name);
  const words = wordsOf(name, prefix.length);
  return Object.keys(environment).flatMap((variable) => {
    if (variable.slice(0, prefix.length).toUpperCase() !== prefix || !isGiven(environment[variable])) return [];
    const word = variable.slice(prefix.length);
    // Windows ignores the case.
    if (words.includes(process.platform === 'win32' ? word.toUpperCase() : word)) return [];
    // An application may have several keys and pass one of them.
    if (/^(?:API_KEY|HOST)_/.test(word)) return [];
    const meant = meantByName(variable, name)?.slice(prefix.length) ?? didYouMean(word, words);
    if (meant === undefined || isOfOtherInstance(word, words)) return [];
    return [`${quoteName(variable)} is not a variable of nestjs-posthog-capture. Did you mean ${prefix}${meant}?`];
  });
}

/** Names that PostHog's documentation and other programs give to the variable of the project key, without their prefix. */
const KEY_VARIABLES = ['KEY', 'TOKEN', 'PROJECT_TOKEN', 'PROJECT_API_KEY', 'PUBLIC_KEY'];

/** For an error because the key is missing: variables that may have it. They contain no values. */
export function otherKeyVariables(environment: NodeJS.ProcessEnv, name: string | undefined): string[] {
  const prefix = variableName('', name);
  return KEY_VARIABLES.map((word) => prefix + word)
    .filter((variable) => isGiven(environment[variable]))
    .map(
      (variable) =>
        `"${variable}" is not a variable of nestjs-posthog-capture. If it is the project API key, set ${prefix}API_KEY to it`,
    );
}

/** The variable of the option whose name this is. */
function meantByName(variable: string, name: string | undefined): string | undefined {
  const option = OPTION_NAMES.find((each) => plainVariableOf(each, name) === variable.toUpperCase());
  return option === undefined ? undefined : variableOf(option, name);
}

/** Returns the sentences that were not returned before in this process. */
export function notReported(sentences: readonly string[]): string[] {
  const fresh = sentences.filter((sentence) => !reported.has(sentence));
  for (const sentence of fresh) reported.add(sentence);
  return fresh;
}

function wordsOf(name: string | undefined, start: number): string[] {
  const variables = OPTION_NAMES.flatMap((option) => [
    variableOf(option, name) ?? [],
    ...Object.values(fieldVariablesOf(option, name)),
  ]).flat();
  return [...variables.map((variable) => variable.slice(start)), ...OTHERS];
}

/** `EU_FLUSHAT` is similar to `FLUSH_AT`, and a variable of an instance `eu`, which reports it. `PROJECT_API_KEY` may be of another program. */
function isOfOtherInstance(word: string, words: readonly string[]): boolean {
  const parts = word.split('_');
  // didYouMean ignores a leading POSTHOG_, as in POSTHOG_POSTHOG_COOKIE.
  if (parts[0] === 'POSTHOG') return false;
  return parts.some((_part, index) => index > 0 && didYouMean(parts.slice(index).join('_'), words) !== undefined);
}
