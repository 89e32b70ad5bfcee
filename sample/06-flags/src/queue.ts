import { Injectable } from '@nestjs/common';
import { ReceiptsProcessor } from './receipts.processor.js';

/** Stands for a queue such as BullMQ: a job is JSON, and runs outside of the request. */
@Injectable()
export class Queue {
  constructor(private readonly receipts: ReceiptsProcessor) {}

  add(data: object): void {
    const text = JSON.stringify(data);
    setImmediate(() => void this.receipts.process({ data: JSON.parse(text) as { total: number } }));
  }
}
