import 'reflect-metadata';
import { ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { Destination } from './destination.js';

const destination = await Destination.choose();
const app = await NestFactory.create(AppModule.to(destination), { logger: ['warn', 'error'] });
app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true }));
// Without this line nobody sends what is left when the process is told to stop.
app.enableShutdownHooks();

const port = Number(process.env.PORT ?? 3000);
try {
  await app.listen(port);
} catch (error) {
  if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
  console.error(`Port ${port} is taken. Choose another: PORT=3001 npm start`);
  process.exit(1);
}
const url = `http://localhost:${port}`;
console.log(`Shop:    ${url}
Events:  ${destination.eventsPage}
Send an event:
  curl -X POST ${url}/capture -H 'Content-Type: application/json' -d '{"event":"page_view","distinct_id":"user_123","properties":{"page":"/"}}'`);
