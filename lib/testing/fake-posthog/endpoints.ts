import { captureEndpoint, type CaptureEndpointParts } from './capture-endpoint.js';
import { type Endpoint } from './endpoint.js';
import { type FaultScript, type FlagsFault } from './faults.js';
import { definitionsEndpoint, type DefinitionKeys } from './flags/definitions-endpoint.js';
import { type FakeFlags } from './flags/fake-flags.js';
import { flagsEndpoint } from './flags/flags-endpoint.js';
import { type FakeProject } from './project/fake-project.js';
import { isProjectPath, projectEndpoint } from './project/project-endpoint.js';
import { PROTOCOL_AI_V0, PROTOCOL_AI_V1, PROTOCOL_V0, PROTOCOL_V1 } from './protocols.js';

export interface EndpointParts extends CaptureEndpointParts, DefinitionKeys {
  readonly flags: FakeFlags;
  readonly flagsFaults: FaultScript<FlagsFault>;
  readonly definitionFaults: FaultScript<FlagsFault>;
  readonly project: FakeProject;
  readonly projectFaults: FaultScript<FlagsFault>;
}

/** Returns a function that finds the endpoint at a path. It accepts any prefix, as a reverse proxy may add one. */
export function endpointsOf(parts: EndpointParts): (path: string) => Endpoint | null {
  const { flags, apiKey } = parts;
  // The first match counts: /i/v0/ai/batch also ends with /batch.
  const endpoints: readonly (readonly [string, Endpoint])[] = [
    ['/i/v0/ai/batch', captureEndpoint(PROTOCOL_AI_V0, parts)],
    ['/batch', captureEndpoint(PROTOCOL_V0, parts)],
    ['/i/v1/analytics/events', captureEndpoint(PROTOCOL_V1, parts)],
    ['/i/v1/ai/events', captureEndpoint(PROTOCOL_AI_V1, parts)],
    ['/flags', flagsEndpoint(flags, parts.flagsFaults, apiKey)],
    ['/flags/definitions', definitionsEndpoint(flags, parts.definitionFaults, parts)],
  ];
  const project = projectEndpoint(parts.project, parts.projectFaults);
  return (path) => {
    if (isProjectPath(path)) return project;
    const withoutSlash = path.endsWith('/') && !path.startsWith('/i/v1/') ? path.slice(0, -1) : path;
    return endpoints.find(([end]) => withoutSlash.endsWith(end))?.[1] ?? null;
  };
}
