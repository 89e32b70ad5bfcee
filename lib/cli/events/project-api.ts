import { fieldOf, isObject } from '../../shared/untrusted-values.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../../shared/version.js';
import { describeError, withoutSecret } from '../../wire/describe-error.js';
import { readDotEnv } from '../boot.js';
import { type Flags } from '../flags.js';
import { printable, UsageError } from '../terminal.js';

const DEFAULT_HOST = 'https://us.posthog.com';
const TIMEOUT_MS = 60_000;
const PAGE_SIZE = 200;
const MAX_PAGES = 5000;
/** Requests are limited to some per minute. */
const MAX_WAIT_SECONDS = 120;
const MAX_WAITS = 20;

export interface ProjectSettings {
  readonly key: string;
  readonly project: string;
  /** Of the app, without a slash at the end. */
  readonly host: string;
}

/** The project was not reached, or refused a request. The message is one line with the remedy, and without the key. */
export class ProjectError extends Error {
  override readonly name = 'ProjectError';
  /** null: there was no response. */
  readonly status: number | null;
  /** PostHog's reason. */
  readonly detail: string;

  constructor(message: string, status: number | null = null, detail = '') {
    super(message);
    this.status = status;
    this.detail = detail;
  }
}

/**
 * Settings from flags, the environment and a .env file.
 *
 * @throws UsageError that names the variable
 */
export async function readSettings(values: Flags['values']): Promise<ProjectSettings> {
  await readDotEnv();
  const { env } = process;
  const key = env.POSTHOG_CLI_API_KEY?.trim() ?? '';
  if (key === '') {
    throw new UsageError(
      'POSTHOG_CLI_API_KEY is not set: create a personal API key (phx_…) with the scope event_definition:read, or event_definition:write for push',
    );
  }
  if (!/^[\x21-\x7e]+$/.test(key)) throw new UsageError('POSTHOG_CLI_API_KEY has characters that a key cannot have');
  if (key.startsWith('phc_')) {
    throw new UsageError('POSTHOG_CLI_API_KEY is a project API key (phc_…): use a personal API key (phx_…)');
  }
  const project = (values.get('project') ?? env.POSTHOG_CLI_PROJECT_ID ?? '').trim();
  if (!/^\d+$/.test(project)) {
    const problem = project === '' ? 'the project is missing' : `the project "${printable(project)}" is not a number`;
    throw new UsageError(
      `${problem}: set POSTHOG_CLI_PROJECT_ID, or add --project, with the number in the project's settings`,
    );
  }
  return { key, project, host: readHost((values.get('host') ?? env.POSTHOG_CLI_HOST ?? '').trim() || DEFAULT_HOST) };
}

function readHost(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new UsageError(
      'the host is not a URL such as https://us.posthog.com or https://eu.posthog.com: check POSTHOG_CLI_HOST or --host',
    );
  }
  // The ingestion host has no REST API.
  const origin = url.origin.replace(/\.i\.posthog\.com$/, '.posthog.com');
  return `${origin}${url.pathname.replace(/\/+$/, '')}`;
}

type Body = Readonly<Record<string, unknown>>;

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

/** PostHog's REST API for one project. All methods throw ProjectError, and the reason of the signal if it is aborted. */
export class ProjectApi {
  readonly #settings: ProjectSettings;
  readonly #signal: AbortSignal;
  readonly #timeoutMs: number;

  constructor(settings: ProjectSettings, signal: AbortSignal, timeoutMs = TIMEOUT_MS) {
    this.#settings = settings;
    this.#signal = signal;
    this.#timeoutMs = timeoutMs;
  }

  /** All objects of a list. The addresses of other pages are not used: the key is sent to the host only. */
  async list(name: string, query: Readonly<Record<string, string>> = {}): Promise<readonly Body[]> {
    const found = new Map<unknown, Body>();
    let offset = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const parameters = new URLSearchParams({ ...query, limit: String(PAGE_SIZE), offset: String(offset) });
      const body = await this.#request('GET', `${name}/?${parameters.toString()}`, undefined);
      const results = fieldOf(body, 'results');
      if (!Array.isArray(results)) throw new ProjectError(this.#unexpected());
      const before = found.size;
      for (const one of results.filter(isObject)) found.set(one.id, one);
      offset += results.length;
      if (typeof body.next !== 'string' || found.size === before) break;
    }
    return [...found.values()];
  }

  create(name: string, body: Body): Promise<Body> {
    return this.#request('POST', `${name}/`, body);
  }

  update(name: string, id: string, body: Body): Promise<Body> {
    return this.#request('PATCH', `${name}/${encodeURIComponent(id)}/`, body);
  }

  async #request(method: string, path: string, body: Body | undefined): Promise<Body> {
    for (let waits = 0; ; waits++) {
      const { status, retryAfter, text } = await this.#send(method, path, body);
      const seconds = Number(retryAfter ?? NaN);
      if (status === 429 && seconds >= 0 && seconds <= MAX_WAIT_SECONDS && waits < MAX_WAITS) {
        await wait(seconds * 1000, this.#signal);
        continue;
      }
      const response = parse(text);
      if (status >= 200 && status < 300) {
        if (isObject(response)) return response;
        throw new ProjectError(this.#unexpected());
      }
      const given = fieldOf(response, 'detail');
      const detail = typeof given === 'string' ? withoutSecret(given, this.#settings.key) : '';
      throw new ProjectError(this.#refusal(status, detail, method), status, detail);
    }
  }

  async #send(method: string, path: string, body: Body | undefined): Promise<Answer> {
    const { host, project, key } = this.#settings;
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    try {
      const response = await fetch(`${host}/api/projects/${project}/${path}`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          'user-agent': `${LIBRARY_NAME}/${LIBRARY_VERSION}`,
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        redirect: 'manual',
        signal: AbortSignal.any([this.#signal, timeout]),
      });
      const { status, headers } = response;
      return { status, retryAfter: headers.get('retry-after'), text: await response.text() };
    } catch (error) {
      throw this.#failure(error, timeout);
    }
  }

  #failure(error: unknown, timeout: AbortSignal): unknown {
    if (this.#signal.aborted) return this.#signal.reason;
    const { key, host } = this.#settings;
    const remedy = `check that this machine can reach ${printable(host)} (POSTHOG_CLI_HOST or --host)`;
    return new ProjectError(
      timeout.aborted
        ? `PostHog request timed out after ${this.#timeoutMs} ms. Remedy: try again, and ${remedy}`
        : `PostHog connection error: ${describeError(error, key)}. Remedy: ${remedy}`,
    );
  }

  #refusal(status: number, detail: string, method: string): string {
    const reason = detail === '' ? '' : ` (${detail.replace(/\.$/, '')})`;
    return `PostHog API error: HTTP ${status}${reason}. Remedy: ${this.#remedyFor(status, method)}`;
  }

  #remedyFor(status: number, method: string): string {
    const { host, project } = this.#settings;
    const at = printable(host);
    if (status === 401) return `check that POSTHOG_CLI_API_KEY is a personal API key (phx_…) of ${at}`;
    if (status === 403) {
      const scope = `event_definition:${method === 'GET' ? 'read' : 'write'}`;
      return `give the personal API key the scope ${scope}, and access to project ${project}`;
    }
    if (status === 404 || (status >= 300 && status < 400)) {
      return `check that project ${project} exists at ${at} (POSTHOG_CLI_PROJECT_ID, POSTHOG_CLI_HOST)`;
    }
    if (status === 429) return 'the project is over its rate limit: try again in a minute';
    if (status >= 500) return 'try again later';
    return 'this version of PostHog may differ from the supported ones; push --dry-run shows what is left';
  }

  #unexpected(): string {
    return `PostHog's response is not that of its REST API. Remedy: check that ${printable(this.#settings.host)} is the address of the app, such as https://us.posthog.com (POSTHOG_CLI_HOST)`;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', fail);
      resolve();
    }, ms);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
