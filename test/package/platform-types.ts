/** Declares what the examples of docs/serverless.md use of packages that are not installed here, with the types of these packages. */
export const PLATFORM_TYPES = `
declare module 'aws-lambda' {
  export interface Context {
    callbackWaitsForEmptyEventLoop: boolean;
    readonly awsRequestId: string;
    getRemainingTimeInMillis(): number;
  }
  export type Callback<Result = any> = (error?: Error | string | null, result?: Result) => void;
  export type Handler<Event = any, Result = any> = (
    event: Event,
    context: Context,
    callback: Callback<Result>,
  ) => void | Promise<Result>;
  export interface SQSEvent {
    readonly Records: readonly { readonly body: string }[];
  }
}

declare module '@codegenie/serverless-express' {
  import { type Handler } from 'aws-lambda';
  export default function serverlessExpress(settings: { app: unknown }): Handler;
}

declare module '@vercel/functions' {
  export function waitUntil(promise: Promise<unknown>): void;
}

declare module 'next/server' {
  export function after<T>(task: Promise<T> | (() => T | Promise<T>)): void;
}

declare namespace awslambda {
  function streamifyResponse<Event>(
    handler: (
      event: Event,
      stream: import('node:stream').Writable,
      context: import('aws-lambda').Context,
    ) => Promise<void>,
  ): import('aws-lambda').Handler<Event, void>;
}
`;
