import { type CanActivate, type ExecutionContext, Injectable, UnauthorizedException } from '@nestjs/common';
import { GqlExecutionContext } from '@nestjs/graphql';

export interface AuthenticatedRequest {
  headers: Record<string, string | undefined>;
  user?: { id: string; company: string };
}

/** Example authentication for HTTP, GraphQL and socket.io: `Authorization: Bearer ann@acme` is the user ann of acme. */
@Injectable()
export class AuthGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = requestOf(context);
    const [id, company] = request?.headers.authorization?.replace('Bearer ', '').split('@') ?? [];
    if (request === undefined || id === undefined || company === undefined) throw new UnauthorizedException();
    request.user = { id, company };
    return true;
  }
}

function requestOf(context: ExecutionContext): AuthenticatedRequest | undefined {
  if (context.getType<string>() === 'graphql') {
    return GqlExecutionContext.create(context).getContext<{ req: AuthenticatedRequest }>().req;
  }
  if (context.getType() === 'ws') {
    return context.switchToWs().getClient<{ request?: AuthenticatedRequest }>().request;
  }
  return context.switchToHttp().getRequest<AuthenticatedRequest>();
}
