import { IsOptional } from 'class-validator';
import {
  type AliasInput,
  type GroupIdentifyInput,
  type IdentifyInput,
  type SetPersonPropertiesInput,
  type UnsetPersonPropertiesInput,
} from '../capture-event.js';
import { IsDistinctId, IsGroupKey, IsPersonBag, IsProperties, IsPropertyNames, IsText } from './rules.js';

/** The rules of `identify()`. */
export class IdentifyInputRules implements IdentifyInput {
  @IsDistinctId()
  distinctId!: string | number;

  @IsOptional()
  @IsProperties()
  set?: Record<string, unknown>;

  @IsOptional()
  @IsProperties()
  setOnce?: Record<string, unknown>;

  @IsOptional()
  @IsDistinctId()
  anonDistinctId?: string | number;

  @IsOptional()
  @IsPersonBag()
  properties?: Record<string, unknown>;
}

/** The rules of `alias()`. */
export class AliasInputRules implements AliasInput {
  @IsDistinctId()
  distinctId!: string | number;

  @IsDistinctId()
  alias!: string | number;
}

/** The rules of `groupIdentify()`. */
export class GroupIdentifyInputRules implements GroupIdentifyInput {
  @IsText()
  groupType!: string;

  @IsGroupKey()
  groupKey!: string | number;

  @IsOptional()
  @IsProperties()
  set?: Record<string, unknown>;

  @IsOptional()
  @IsDistinctId()
  distinctId?: string | number;

  @IsOptional()
  @IsProperties()
  properties?: Record<string, unknown>;
}

/** The rules of `setPersonProperties()`. That there is something to set is checked besides. */
export class SetPersonPropertiesInputRules implements SetPersonPropertiesInput {
  @IsDistinctId()
  distinctId!: string | number;

  @IsOptional()
  @IsProperties()
  set?: Record<string, unknown>;

  @IsOptional()
  @IsProperties()
  setOnce?: Record<string, unknown>;

  @IsOptional()
  @IsPersonBag()
  properties?: Record<string, unknown>;
}

/** The rules of `unsetPersonProperties()`. That there is something to unset is checked besides. */
export class UnsetPersonPropertiesInputRules implements UnsetPersonPropertiesInput {
  @IsDistinctId()
  distinctId!: string | number;

  @IsOptional()
  @IsPropertyNames()
  unset?: string[];

  @IsOptional()
  @IsPropertyNames()
  properties?: string[];
}

/** The rules of what `captureException()` is told besides the error. */
export class ExceptionDetailsRules {
  @IsOptional()
  @IsDistinctId()
  distinctId?: string | number;

  @IsOptional()
  @IsProperties()
  properties?: Record<string, unknown>;
}
