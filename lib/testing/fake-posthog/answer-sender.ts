import { type ServerResponse } from 'node:http';
import { type HttpResponse, type ResponsePlan } from './response.js';
import { type Timers } from '../timers.js';

const SLOW_PIECES = 8;

/** Sends an answer, or does not, in the mode of the plan. */
export async function sendResponse(response: ServerResponse, plan: ResponsePlan, timers: Timers): Promise<void> {
  const { answer, mode } = plan;
  if (mode === 'hang') return;
  if (mode === 'reset' || answer === null) {
    response.socket?.resetAndDestroy();
    return;
  }
  const body = Buffer.from(answer.body);
  writeHead(response, answer, body.length);
  if (mode === 'whole') {
    response.end(body);
  } else if (mode === 'half') {
    // Destroyed only once the half has left, else the client might see nothing of it.
    response.write(body.subarray(0, Math.ceil(body.length / 2)), () => response.destroy());
  } else {
    await trickle(response, body, mode.slowMs, timers);
  }
}

function writeHead(response: ServerResponse, answer: HttpResponse, length: number): void {
  response.writeHead(answer.status, { ...answer.headers, 'content-length': length });
}

async function trickle(response: ServerResponse, body: Buffer, slowMs: number, timers: Timers): Promise<void> {
  response.flushHeaders();
  const size = Math.max(1, Math.ceil(body.length / SLOW_PIECES));
  for (let piece = 0; piece < SLOW_PIECES; piece++) {
    if (!(await timers.sleep(slowMs / SLOW_PIECES)) || response.destroyed) return;
    response.write(body.subarray(piece * size, (piece + 1) * size));
  }
  response.end();
}
