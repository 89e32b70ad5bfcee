import { type LiveSnapshot, type LiveUpdate } from '../../lib/live/messages.js';

export interface LiveMessage {
  readonly kind: string;
  readonly data: Partial<LiveSnapshot & LiveUpdate>;
}

/** The stream of server-sent events behind a live page. */
export interface LiveStream {
  readonly response: Response;
  readonly messages: LiveMessage[];
  /** Waits for a message; earlier ones are considered too. */
  until(condition: (message: LiveMessage) => boolean | undefined): Promise<LiveMessage>;
  /** Resolves when the server has closed the stream. */
  readonly ended: Promise<void>;
  close(): void;
}

export async function openStream(url: string, headers: Record<string, string> = {}): Promise<LiveStream> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  const messages: LiveMessage[] = [];
  const waiting = new Set<() => void>();
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const read = async (): Promise<void> => {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of isStream ? (response.body ?? []) : []) {
      rest += decoder.decode(chunk as Uint8Array, { stream: true });
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, kind = ''] = /^event: (.*)$/m.exec(block) ?? [];
        const [, data = 'null'] = /^data: (.*)$/m.exec(block) ?? [];
        messages.push({ kind, data: JSON.parse(data) as LiveMessage['data'] });
      }
      for (const look of waiting) look();
    }
  };
  const ended = read().catch(() => undefined);
  return {
    response,
    messages,
    ended,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = messages.find(condition);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        void ended.then(() => reject(new Error(`the stream ended after ${messages.length} messages`)));
        look();
      }),
    close: () => abort.abort(),
  };
}

/** The first message that a new viewer receives. */
export async function snapshotOf(streamUrl: string): Promise<LiveSnapshot> {
  const stream = await openStream(streamUrl);
  try {
    return (await stream.until(({ kind }) => kind === 'snapshot')).data as LiveSnapshot;
  } finally {
    stream.close();
  }
}
