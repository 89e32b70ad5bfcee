import { Controller, Get, Inject, Req, Res, SetMetadata, type Type, UseGuards, VERSION_NEUTRAL } from '@nestjs/common';
import { InspectorGuard } from './inspector.guard.js';
import { INSPECTOR, type Inspector, rawRequest, takeResponse } from './inspector.js';
import { type PostHogCaptureInspectorExtras } from './inspector.options.js';

/** Metadata key of `@ApiExcludeController`, without a dependency on @nestjs/swagger. */
const HIDDEN_FROM_SWAGGER = 'swagger/apiExcludeController';

/** Creates the controller class of one inspector, for which Nest runs guards as usual. */
export function inspectorController(path: string, extras: PostHogCaptureInspectorExtras): Type<object> {
  const { guard, decorators = [] } = extras;

  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(InspectorGuard, ...(guard === undefined ? [] : [guard]))
  @SetMetadata(HIDDEN_FROM_SWAGGER, [true])
  class InspectorController {
    readonly #inspector: Inspector;

    constructor(@Inject(INSPECTOR) inspector: Inspector) {
      this.#inspector = inspector;
    }

    @Get()
    page(@Req() request: object, @Res() response: object): void {
      this.#inspector.servePage(rawRequest(request), takeResponse(response));
    }

    @Get('stream')
    stream(@Res() response: object): void {
      this.#inspector.serveStream(takeResponse(response));
    }

    @Get('event')
    event(@Req() request: object, @Res() response: object): void {
      this.#inspector.serveEvent(rawRequest(request), takeResponse(response));
    }

    @Get('definitions')
    definitions(@Res() response: object): void {
      this.#inspector.serveDefinitions(takeResponse(response));
    }
  }
  for (const decorate of decorators) decorate(InspectorController);
  return InspectorController;
}
