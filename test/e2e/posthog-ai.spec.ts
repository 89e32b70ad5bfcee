import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { OpenAI } from '@posthog/ai/openai';
import { bridgePostHog } from 'nestjs-posthog-capture/posthog-node';
import { type PostHogOptions } from 'posthog-node';
import { closeAll, onClose, start } from '../support/harness.js';

afterEach(closeAll);

const COMPLETION = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-5',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Paris' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 },
};
const CHUNKS = ['Pa', 'ris', ''].map((content, index, { length }) => ({
  id: 'chatcmpl-2',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'gpt-5',
  choices: [{ index: 0, delta: { content }, finish_reason: index === length - 1 ? 'stop' : null }],
}));

/** Responds as OpenAI does; with HTTP 500 to the model `broken`. */
async function startOpenAi(): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { model, stream } = JSON.parse(Buffer.concat(chunks).toString()) as { model: string; stream?: boolean };
      if (model === 'broken') response.writeHead(500).end('{}');
      else if (stream === true) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const chunk of CHUNKS) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
        response.end('data: [DONE]\n\n');
      } else {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(COMPLETION));
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onClose(() => {
    server.closeAllConnections();
    server.close();
    return Promise.resolve();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

async function startAi(options: PostHogOptions = {}) {
  const harness = await start();
  const client = bridgePostHog(harness.capture, options);
  onClose(() => client.shutdown());
  const openai = new OpenAI({ apiKey: 'sk-test', baseURL: await startOpenAi(), posthog: client, maxRetries: 0 });
  return { ...harness, client, openai };
}

const question = { model: 'gpt-5', messages: [{ role: 'user' as const, content: 'Capital of France?' }] };
const ADA = { distinctId: 'ada', sessionId: 's1', properties: { plan: 'pro' } };

describe('@posthog/ai over a bridged client', () => {
  it.each([
    ['/batch/', {}],
    ['/i/v0/ai/batch/', { enableFullAiCapture: true }],
  ])('a generation is of the person of the request: %s', async (path, options) => {
    const { capture, client, openai, posthog } = await startAi(options);
    await capture.withContext(ADA, async () => {
      const completion = await openai.chat.completions.create(question);
      expect(completion.choices[0]?.message.content).toBe('Paris');
    });
    await client.flush();
    expect(posthog.events).toMatchObject([
      {
        event: '$ai_generation',
        distinct_id: 'ada',
        properties: {
          plan: 'pro',
          $session_id: 's1',
          $ai_model: 'gpt-5',
          $ai_input_tokens: 12,
          $ai_output_tokens: 3,
          $ai_trace_id: expect.any(String),
          $lib: 'nestjs-posthog-capture',
        },
      },
    ]);
    expect(posthog.events[0]?.properties).not.toHaveProperty('$process_person_profile');
    expect(posthog.requests.map((request) => request.path)).toEqual([path]);
    expect(posthog.violations).toEqual([]);
  });

  it('a streamed generation is as well', async () => {
    const { capture, client, openai, posthog } = await startAi();
    await capture.withContext(ADA, async () => {
      const stream = await openai.chat.completions.create({ ...question, stream: true });
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      expect(text).toBe('Paris');
    });
    await posthog.waitForEvents(1);
    await client.flush();
    expect(posthog.events).toMatchObject([{ event: '$ai_generation', distinct_id: 'ada' }]);
  });

  it('a failed one is as well', async () => {
    const { capture, client, openai, posthog } = await startAi();
    await capture.withContext(ADA, async () => {
      await expect(openai.chat.completions.create({ ...question, model: 'broken' })).rejects.toThrow('500');
    });
    await client.flush();
    expect(posthog.events).toMatchObject([
      { event: '$ai_generation', distinct_id: 'ada', properties: { $ai_is_error: true, $ai_http_status: 500 } },
    ]);
  });

  it('keeps an id and groups that were given', async () => {
    const { capture, client, openai, posthog } = await startAi();
    await capture.withContext(ADA, () =>
      openai.chat.completions.create({
        ...question,
        posthogDistinctId: 'grace',
        posthogTraceId: 'trace_1',
        posthogGroups: { company: 'acme' },
        posthogCaptureImmediate: true,
      }),
    );
    expect(posthog.events).toMatchObject([
      { distinct_id: 'grace', properties: { $ai_trace_id: 'trace_1', $groups: { company: 'acme' } } },
    ]);
    await client.flush();
    expect(posthog.events).toHaveLength(1);
  });

  it('is of the trace without a person, if the context has none', async () => {
    const { client, openai, posthog } = await startAi();
    await openai.chat.completions.create({ ...question, posthogTraceId: 'trace_1' });
    await client.flush();
    expect(posthog.events).toMatchObject([{ distinct_id: 'trace_1', properties: { $process_person_profile: false } }]);
  });
});
