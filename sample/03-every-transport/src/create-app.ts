import { type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type MicroserviceOptions, Transport } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { AppModule, type Ports } from './app.module.js';

export interface Transports extends Ports {
  readonly http: 'express' | 'fastify';
  readonly sockets: 'socket.io' | 'ws';
}

export async function createApp({ http, ...transports }: Transports): Promise<INestApplication> {
  const quiet = { logger: ['warn', 'error', 'fatal'] as ('warn' | 'error' | 'fatal')[] };
  const module = AppModule.for(transports);
  const app =
    http === 'express'
      ? await NestFactory.create(module, quiet)
      : await NestFactory.create(module, new FastifyAdapter(), quiet);
  await connect(app, transports);
  return app;
}

/** A hybrid application: HTTP, GraphQL and WebSockets on one port, TCP messages on another, and optionally Redis. */
export async function connect(app: INestApplication, { sockets, ...ports }: Omit<Transports, 'http'>): Promise<void> {
  app.useWebSocketAdapter(sockets === 'ws' ? new WsAdapter(app) : new IoAdapter(app));
  app.connectMicroservice<MicroserviceOptions>({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port: ports.tcp },
  });
  if (ports.redis !== undefined) {
    app.connectMicroservice<MicroserviceOptions>({
      transport: Transport.REDIS,
      options: { host: '127.0.0.1', port: ports.redis },
    });
  }
  app.enableShutdownHooks();
  await app.startAllMicroservices();
}
