import {
  BadRequestException,
  HttpException,
  InternalServerErrorException,
  NotFoundException,
  ServiceUnavailableException,
} from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { WsException } from '@nestjs/websockets';
import { describe, expect, it } from '@jest/globals';
import { GraphQLError } from 'graphql';
import { isExpected, statusOf } from '../../../lib/tracking/exceptions/expected-errors.js';

/** Not an HttpException of this copy of @nestjs/common. */
class ForeignHttpException extends Error {
  constructor(private readonly status: number) {
    super('foreign');
  }
  getStatus(): number {
    return this.status;
  }
  getResponse(): string {
    return this.message;
  }
}
class DerivedRpcException extends RpcException {}

const withFields = (fields: object): Error => Object.assign(new Error('failed'), fields);
const graphql = (extensions: object): GraphQLError => new GraphQLError('failed', { extensions: { ...extensions } });
const throwing = new Proxy(new Error('hostile'), {
  get: () => {
    throw new Error('no');
  },
});

describe('expected errors', () => {
  it.each<[string, unknown]>([
    ['an HttpException with a status below 500', new NotFoundException()],
    ['an HttpException with another status', new HttpException('moved', 302)],
    ['an HttpException of another copy of Nest', new ForeignHttpException(403)],
    ['an error of http-errors', withFields({ status: 413, statusCode: 413, expose: true })],
    ['an error of Fastify', withFields({ statusCode: 400, code: 'FST_ERR_VALIDATION' })],
    ['an RpcException', new RpcException('no')],
    ['a class derived from RpcException', new DerivedRpcException({ code: 5 })],
    ['a WsException', new WsException('no')],
    ['a GraphQLError that blames the query', graphql({ code: 'BAD_USER_INPUT' })],
    ['a GraphQLError for an unknown user', graphql({ code: 'UNAUTHENTICATED' })],
    ['a GraphQLError without permission', graphql({ code: 'FORBIDDEN' })],
    ['a GraphQLError of the validation', graphql({ code: 'GRAPHQL_VALIDATION_FAILED' })],
    ['a GraphQLError with a status', graphql({ code: 'GONE', http: { status: 410 } })],
    ['a GraphQLError of Nest', graphql({ originalError: { statusCode: 400, message: 'no' } })],
    ['an AbortError', new DOMException('stop', 'AbortError')],
    ['a cancelled request of axios', withFields({ name: 'CanceledError' })],
  ])('%s is expected', (_name, error) => {
    expect(isExpected(error)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['an Error', new Error('bug')],
    ['a TypeError', new TypeError('bug')],
    ['an HttpException with status 500', new InternalServerErrorException()],
    ['an HttpException with status 503', new ServiceUnavailableException()],
    ['an HttpException of another copy with status 500', new ForeignHttpException(500)],
    ['an error of http-errors with status 500', withFields({ status: 500, statusCode: 500, expose: false })],
    ['an error of http-errors with a status out of range', withFields({ statusCode: 42, expose: true })],
    [
      'an error of axios, with the status of a response',
      withFields({ status: 404, code: 'ERR_BAD_REQUEST', response: {} }),
    ],
    ['an error of an API client', withFields({ statusCode: 402, type: 'card_error' })],
    ['an object with a status', { statusCode: 404, message: 'not found' }],
    ['a TimeoutError', new DOMException('late', 'TimeoutError')],
    ['a GraphQLError of the server', graphql({ code: 'INTERNAL_SERVER_ERROR' })],
    ['a GraphQLError without a code', new GraphQLError('failed')],
    ['a string', 'failed'],
    ['undefined', undefined],
    ['null', null],
    ['an object', { code: 'E_FAILED' }],
    ['an error with a getter that throws', throwing],
  ])('%s is not expected', (_name, error) => {
    expect(isExpected(error)).toBe(false);
  });

  it('are decided by the given statuses', () => {
    const only503 = (status: number): boolean => status === 503;
    expect(isExpected(new InternalServerErrorException(), only503)).toBe(true);
    expect(isExpected(new ServiceUnavailableException(), only503)).toBe(false);
    expect(isExpected(new Error('bug'), only503)).toBe(false);
    expect(isExpected(new BadRequestException(), () => true)).toBe(false);
  });

  it.each<[unknown, number | undefined]>([
    [new NotFoundException(), 404],
    [new ForeignHttpException(418), 418],
    [withFields({ statusCode: 413, expose: true }), 413],
    [withFields({ statusCode: 400, code: 'FST_ERR_VALIDATION' }), 400],
    [withFields({ status: 429 }), undefined],
    [new Error('none'), undefined],
  ])('status of %s', (error, status) => {
    expect(statusOf(error)).toBe(status);
  });
});
