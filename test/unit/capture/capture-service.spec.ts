import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { CaptureService } from 'nestjs-posthog-capture';

@Injectable()
class OrdersService {
  constructor(readonly capture: CaptureService) {}
}

describe('CaptureService', () => {
  it('has the name it is exported under', () => {
    expect(CaptureService.name).toBe('CaptureService');
  });

  it("is what Nest's own message names where the module was not imported", async () => {
    const module = Test.createTestingModule({ providers: [OrdersService] });
    await expect(module.compile()).rejects.toThrow(/the argument CaptureService at index \[0\] is available/);
  });
});
