import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  Inject,
  Injectable,
  MethodNotAllowedException,
  NotFoundException,
  UnauthorizedException,
} from '@nestjs/common';
import { isCrossSite } from '../live/request-origin.js';
import { leaveUntracked } from '../tracking/http/request-events.js';
import { isDirectToLoopback, hasToken, isFromLoopback } from './access.js';
import { INSPECTOR, type Inspector, rawRequest } from './inspector.js';

/** Lets those pass to the page who may see it. A guard of the application is asked after it. */
@Injectable()
export class InspectorGuard implements CanActivate {
  readonly #inspector: Inspector;

  constructor(@Inject(INSPECTOR) inspector: Inspector) {
    this.#inspector = inspector;
  }

  canActivate(context: ExecutionContext): boolean {
    const { isOn, path, token, isProtected, allowRemote } = this.#inspector.settings;
    const request = rawRequest(context.switchToHttp().getRequest<object>());
    leaveUntracked(request);
    if (!isOn) throw new NotFoundException(`Cannot GET ${path}`);
    if (request.method !== 'GET') throw new MethodNotAllowedException();
    if (!allowRemote && !isFromLoopback(request))
      throw new ForbiddenException('The inspector answers its own machine only: see option allowRemote.');
    if (!isProtected && !isDirectToLoopback(request))
      throw new ForbiddenException('The inspector without a token or a guard answers localhost only, and no proxy.');
    if (isCrossSite(request)) throw new ForbiddenException('The inspector answers its own page only.');
    if (token !== null && !hasToken(token, request))
      throw new UnauthorizedException('The inspector wants its token: open it once with ?token=…');
    return true;
  }
}
