import { type AxiosInstance, type AxiosRequestConfig, type AxiosResponse } from 'axios';
import { type Observable } from 'rxjs';

/**
 * The shape of an `HttpService` of @nestjs/axios, which is an optional peer. Without the types of axios, which differ for ES modules
 * and CommonJS.
 */
export interface HttpServiceLike {
  /** The axios instance. */
  readonly axiosRef: unknown;
  /** Sends a request. Takes axios' settings and returns an Observable of the response. */
  request(config: never): unknown;
}

/** An HttpService, with its types. */
export interface HttpService {
  readonly axiosRef: AxiosInstance;
  request(config: AxiosRequestConfig): Observable<AxiosResponse<unknown>>;
}

export function isHttpService(value: unknown): value is HttpService {
  const { axiosRef, request } = Object(value) as Partial<HttpServiceLike>;
  return typeof request === 'function' && typeof axiosRef === 'function';
}
