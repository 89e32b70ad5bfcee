import { type CanActivate, Controller, type ExecutionContext, Get, Injectable, UseGuards } from '@nestjs/common';

/** A guard that refuses with 403, which is expected, and one day fails itself, which is not. */
@Injectable()
export class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    if (headers['x-user'] === 'broken') throw new Error('The directory of users is not available');
    return headers['x-user'] === 'admin';
  }
}

@Controller('admin')
@UseGuards(AdminGuard)
export class AdminController {
  @Get()
  overview(): string {
    return 'Hello, admin';
  }
}
