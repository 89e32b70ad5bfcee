import { type Endpoint, type Examination, type OpenRequest } from '../endpoint.js';
import { type RequestBody } from '../request-body.js';
import { type Fault, type FaultScript, type FlagsFault } from '../faults.js';
import { withoutEvents } from '../flags/flags-endpoint.js';
import { type JsonObject } from '../json-values.js';
import { isJsonType, readRoot } from '../request-rules.js';
import { errorResponse, json, type PlannedResponse } from '../response.js';
import { ViolationCollector } from '../validation.js';
import { type FakeProject } from './fake-project.js';
import { type Resource, resourcesOf } from './resources.js';

const MAX_BODY_BYTES = 2 * 1024 * 1024;
const PATH = /\/api\/projects\/([^/]+)\/(event_definitions|schema_property_groups|event_schemas)\/(?:([^/]+)\/)?$/;
const QUERY = ['limit', 'offset', 'ordering', 'event_type'];

export const isProjectPath = (path: string): boolean => PATH.test(path);

/** PostHog's REST API for the definitions of events. */
export function projectEndpoint(project: FakeProject, faults: FaultScript<FlagsFault>): Endpoint {
  const resources = resourcesOf(project);
  return {
    name: 'project',
    methods: ['GET', 'POST', 'PATCH'],
    format: null,
    limits: {
      maxWireBytes: MAX_BODY_BYTES,
      maxDecodedBytes: MAX_BODY_BYTES,
      encodings: [],
      unknownEncodingStatus: 415,
    },
    faults,
    examine(request: OpenRequest, body: RequestBody | null): Examination {
      const violations = new ViolationCollector();
      const [, projectId = '', name = '', id] = PATH.exec(request.path) ?? [];
      const resource = resources[name as keyof typeof resources];
      if (body !== null) checkRequest(request, { projectId, name, id }, project, violations);
      const isWrite = request.method !== 'GET';
      const root = body === null || !isWrite ? null : readRoot(body, violations);
      if (root !== null && violations.refusal === null) {
        resource.check(root, request.method === 'PATCH' ? (id ?? null) : null, violations);
      }
      const { list, refusal } = violations;
      return {
        violations: list,
        json: root ?? undefined,
        events: 0,
        plan(fault) {
          if (refusal !== null) {
            return withoutEvents(errorResponse('rest', refusal.status, refusal.message), fault, 'rest');
          }
          const response =
            root === null
              ? read(resource, request, id)
              : isStored(fault)
                ? json(id === undefined ? 201 : 200, resource.write(root, id ?? null))
                : json(200, {});
          return withoutEvents(response, fault, 'rest');
        },
      };
    },
  };
}

interface Target {
  readonly projectId: string;
  readonly name: string;
  readonly id: string | undefined;
}

function checkRequest(
  { method, headers, query }: OpenRequest,
  { projectId, name, id }: Target,
  project: FakeProject,
  violations: ViolationCollector,
): void {
  const key = /^Bearer (phx_[\x21-\x7e]+)$/.exec(headers.authorization ?? '')?.[1];
  if (key === undefined || (project.personalApiKey !== null && key !== project.personalApiKey)) {
    const detail = 'Personal API key found in request Authorization header is invalid.';
    violations.refuse(401, 'personal_api_key', detail);
  }
  if (projectId !== project.id) violations.refuse(404, 'project', 'Project not found.');
  const scope = `event_definition:${method === 'GET' ? 'read' : 'write'}`;
  if (name === 'event_schemas' && project.hasPrivateSchemas) {
    violations.refuse(403, 'personal_api_key_refused', 'This action does not support personal API key access');
  } else if (!allows(project.scopes, scope)) {
    violations.refuse(403, 'scope', `API key missing required scope '${scope}'`);
  }
  const isChange = method === 'PATCH';
  if (isChange === (id === undefined) && method !== 'GET') {
    violations.refuse(405, 'method', `Method "${method}" not allowed.`);
  }
  if (method !== 'GET' && !isJsonType(headers['content-type'] ?? '')) {
    violations.refuse(415, 'content_type', 'Unsupported media type in request.');
  }
  const unknown = [...new URLSearchParams(query).keys()].filter((parameter) => !QUERY.includes(parameter));
  if (unknown.length > 0) violations.add('query', `the parameter ${unknown.join(', ')} is ignored`);
}

const allows = (scopes: readonly string[], scope: string): boolean =>
  scopes.includes('*') || scopes.includes(scope) || scopes.includes(scope.replace(':read', ':write'));

/** True if the fault lets PostHog store the change. */
function isStored(fault: Fault | null): boolean {
  if (fault === null) return true;
  if ('status' in fault) return fault.store === true;
  if ('reset' in fault) return fault.reset === 'after';
  return !('hang' in fault || 'redirect' in fault);
}

function read(resource: Resource, { path, query }: OpenRequest, id: string | undefined): PlannedResponse {
  const all = resource.list();
  if (id !== undefined) {
    const found = all.find((one) => one.id === id);
    return found === undefined ? errorResponse('rest', 404, 'Not found.') : json(200, found.show());
  }
  const parameters = new URLSearchParams(query);
  const limit = Math.max(1, Number(parameters.get('limit') ?? resource.pageSize()) || resource.pageSize());
  const offset = Math.max(0, Number(parameters.get('offset') ?? 0) || 0);
  const isCustom = parameters.get('event_type') === 'event_custom';
  const wanted = isCustom ? all.filter(({ name }) => !name.startsWith('$')) : all;
  const pageAt = (at: number): string | null => {
    if (at < 0 || at >= wanted.length) return null;
    const others = new URLSearchParams({ ...Object.fromEntries(parameters), limit: String(limit), offset: String(at) });
    return `http://localhost${path}?${others.toString()}`;
  };
  const results: readonly JsonObject[] = wanted.slice(offset, offset + limit).map((one) => one.show());
  return json(200, { count: wanted.length, next: pageAt(offset + limit), previous: pageAt(offset - limit), results });
}
