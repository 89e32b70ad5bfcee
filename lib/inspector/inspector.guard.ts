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
import { isForeign } from '../live/request-origin.js';
import { leaveUntracked } from '../tracking/http/request-events.js';
import { isDirectToLoopback, hasToken, isFromLoopback } from './access.js';
import { INSPECTOR, type Inspector, rawRequest } from './inspector.js';

/** Controls access to the page. The guard from the options runs after it. */
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
      throw new ForbiddenException('The inspector is available from its own machine only: see the option allowRemote.');
    if (!isProtected && !isDirectToLoopback(request))
      throw new ForbiddenException(
        'Without a token or a guard, the inspector is available on localhost only, and not through a proxy.',
      );
    const resource = context.getHandler().name === 'page' ? 'page' : 'data';
    if (isForeign(request, resource))
      throw new ForbiddenException('The inspector refuses requests from pages of other sites, and frames.');
    if (token !== null && !hasToken(token, request))
      throw new UnauthorizedException('The inspector requires its token: open the page once with ?token=…');
    return true;
  }
}
