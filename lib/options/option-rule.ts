import 'reflect-metadata';
import { ValidateBy } from 'class-validator';

/** Converts the text of an option. Text that it does not understand is returned unchanged: validation then reports it. */
export type Parse = (text: string) => unknown;

/** The single definition of one kind of option: its validation and, unless only code can set it, its environment variable. */
export interface OptionRule {
  /** The name of the constraint in class-validator. */
  readonly name: string;
  /** @param options all options, of which others may be invalid */
  readonly isValid: (value: unknown, options: Readonly<Record<string, unknown>>) => boolean;
  /** Completes the sentence "got …; expected …" of the boot error. */
  readonly expected: string | ((value: unknown) => string);
  /** Absent for options that only code can set: they have no variable. */
  readonly parse?: Parse;
  /** The words of the variable, where they differ from the option: `storePath` is `POSTHOG_STORE_PATH`. */
  readonly variable?: string;
  /** For an option that is an object: its fields that have variables, such as `POSTHOG_EVENTS_UNKNOWN`. */
  readonly fields?: Readonly<Record<string, Parse>>;
}

const RULES = Symbol('nestjs-posthog-capture:option-rules');

/** Makes a decorator for a property of an options class. Each option has exactly one. */
export function optionRule(rule: OptionRule): PropertyDecorator {
  const { name, isValid, expected } = rule;
  const validateOption = ValidateBy({
    name,
    validator: {
      validate: (value, args) => isValid(value, (args?.object ?? {}) as Record<string, unknown>),
      defaultMessage: (args) => (typeof expected === 'string' ? expected : expected(args?.value)),
    },
  });
  return (target, option) => {
    validateOption(target, option);
    Reflect.defineMetadata(RULES, new Map(rulesOf(target)).set(String(option), rule), target);
  };
}

/** The rules of an options class, by option, in the order of declaration. */
export function optionRulesOf({ prototype }: { readonly prototype: object }): ReadonlyMap<string, OptionRule> {
  return rulesOf(prototype);
}

function rulesOf(prototype: object): ReadonlyMap<string, OptionRule> {
  return (Reflect.getMetadata(RULES, prototype) as ReadonlyMap<string, OptionRule> | undefined) ?? new Map();
}

const TRUE_WORDS = ['true', '1', 'yes', 'on'];
const FALSE_WORDS = ['false', '0', 'no', 'off'];

export const parseText: Parse = (text) => text.trim();
export const parseWord: Parse = (text) => text.trim().toLowerCase();
export const parseWords: Parse = (text) => (text.includes(',') ? text.split(',').map(parseWord) : parseWord(text));
export const parseJson: Parse = (text) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};
export const parseInteger: Parse = (text) => (/^\s*-?\d+\s*$/.test(text) ? Number(text) : text);
export const parseBoolean: Parse = (text) => {
  const word = text.trim().toLowerCase();
  if (TRUE_WORDS.includes(word)) return true;
  return FALSE_WORDS.includes(word) ? false : text;
};
