import { Controller, Get, Header } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { eventsPage } from '../events-page.js';
import { homePage } from './home.page.js';

@Controller()
export class HomeController {
  constructor(private readonly config: ConfigService) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  home(): string {
    return homePage(eventsPage(this.config.get<string>('POSTHOG_HOST')));
  }
}
