import { type ServerResponse } from 'node:http';
import { type Answer, type AnswerPlan } from './response.js';
import { type Timers } from '../timers.js';

const SLOW_PIECES = 8;

/** Sends an answer, or does not, in the manner of the plan. */
export async function sendAnswer(response: ServerResponse, plan: AnswerPlan, timers: Timers): Promise<void> {
  const { answer, manner } = plan;
  if (manner === 'hang') return;
  if (manner === 'reset' || answer === null) {
    response.socket?.resetAndDestroy();
    return;
  }
  const body = Buffer.from(answer.body);
  writeHead(response, answer, body.length);
  if (manner === 'whole') {
    response.end(body);
  } else if (manner === 'half') {
    // Destroyed only once the half has left, else the client might see nothing of it.
    response.write(body.subarray(0, Math.ceil(body.length / 2)), () => response.destroy());
  } else {
    await trickle(response, body, manner.slowMs, timers);
  }
}

function writeHead(response: ServerResponse, answer: Answer, length: number): void {
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
