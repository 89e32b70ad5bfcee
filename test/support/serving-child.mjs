// A web application for tests that end its process. Arguments: the folder of the compiled library, express or fastify, the options of
// Nest and of the module as JSON. Prints its URL, then `closing` when a signal has reached Nest's hooks.
import { writeSync } from 'node:fs';
import 'reflect-metadata';
import { Controller, Get, Injectable, Module, Sse, StreamableFile } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { PassThrough } from 'node:stream';
import { finalize, Observable } from 'rxjs';

const [, , lib, adapter, nest, json] = process.argv;
const { CaptureService, PostHogCaptureModule, TrackEvent } = await import(`${lib}/index.js`);
const say = (line) => writeSync(1, `${line}\n`);

let capture;

const endless = () =>
  new Observable((subscriber) => subscriber.next({ data: 'one' })).pipe(
    finalize(() => capture.capture({ event: 'stream_left', distinctId: 'user_1' })),
  );

class Endless {
  stream() {
    return endless();
  }
  untracked() {
    return endless();
  }
  file() {
    const body = new PassThrough();
    body.write('one');
    return new StreamableFile(body);
  }
  waits() {
    say('waits');
    return new Promise(() => undefined);
  }
}
const decorate = (method, ...decorators) => {
  const { prototype } = Endless;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method);
  for (const decorator of decorators) decorator(prototype, method, descriptor);
  Object.defineProperty(prototype, method, descriptor);
};
decorate('stream', TrackEvent('sse', { on: 'any' }), Sse('stream'));
decorate('untracked', Sse('untracked'));
decorate('file', TrackEvent('file', { on: 'any' }), Get('file'));
decorate('waits', TrackEvent('waits', { on: 'any' }), Get('waits'));
Controller()(Endless);

class Closing {
  beforeApplicationShutdown() {
    say('closing');
  }
}
Injectable()(Closing);

class AppModule {}
Module({
  imports: [
    PostHogCaptureModule.forRoot({
      ...JSON.parse(json),
      logger: { log() {}, warn: (line) => process.stderr.write(`${line}\n`), error() {}, debug() {} },
    }),
  ],
  controllers: [Endless],
  providers: [Closing],
})(AppModule);

const options = { logger: false, abortOnError: false, ...JSON.parse(nest) };
const app =
  adapter === 'fastify'
    ? await NestFactory.create(AppModule, new FastifyAdapter(), options)
    : await NestFactory.create(AppModule, options);
app.enableShutdownHooks();
capture = app.get(CaptureService);
await app.listen(0, '127.0.0.1');
say(await app.getUrl());
