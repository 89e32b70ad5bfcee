import { type LiveSnapshot, type LiveUpdate } from '../../lib/live/messages.js';

/** What a viewer was told, in the order in which it arrived. */
export interface LiveMessage {
  readonly kind: string;
  readonly data: Partial<LiveSnapshot & LiveUpdate>;
}

/** A viewer of a live page: an open stream of server-sent events. */
export interface LiveStream {
  readonly response: Response;
  readonly messages: LiveMessage[];
  /** Waits for a message, among those that were there and those to come. */
  until(condition: (message: LiveMessage) => boolean | undefined): Promise<LiveMessage>;
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<void>;
  close(): void;
}

/** Opens the stream at an address and reads it until `close`. */
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

/** What somebody sees who opens a live page now. */
export async function snapshotOf(streamUrl: string): Promise<LiveSnapshot> {
  const stream = await openStream(streamUrl);
  try {
    return (await stream.until(({ kind }) => kind === 'snapshot')).data as LiveSnapshot;
  } finally {
    stream.close();
  }
}
