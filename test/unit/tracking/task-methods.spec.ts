import 'reflect-metadata';
import { type ModulesContainer } from '@nestjs/core';
import { type FailedTask, type TaskListener, wrapTasks } from '../../../lib/tracking/exceptions/task-methods.js';

type Class = new () => object;

/** The part of Nest's container that is read. */
const modulesOf = (...instances: object[]): ModulesContainer =>
  new Map([
    [
      'module',
      {
        controllers: new Map(),
        providers: new Map(instances.map((one) => [one, { metatype: null, instance: one }])),
      },
    ],
  ]) as unknown as ModulesContainer;

const asSchedule = (type: Class, ...names: string[]): void => {
  for (const name of names)
    Reflect.defineMetadata('SCHEDULER_TYPE', 1, Reflect.get(type.prototype as object, name) as object);
};

function recorder(): TaskListener & { readonly tasks: FailedTask[] } {
  const tasks: FailedTask[] = [];
  return { tasks, failed: (task) => void tasks.push(task), published: () => undefined, foundSaga: () => undefined };
}

it('wraps the methods of a class once, also if several applications use it', () => {
  class Schedules {
    run(): void {
      throw new Error('x');
    }
  }
  asSchedule(Schedules, 'run');
  const listener = recorder();
  const original = Schedules.prototype.run;
  wrapTasks(modulesOf(new Schedules()), listener);
  const wrapped = Schedules.prototype.run;
  wrapTasks(modulesOf(new Schedules(), new (class extends Schedules {})()), listener);
  expect(wrapped).not.toBe(original);
  expect(Schedules.prototype.run).toBe(wrapped);
  expect(() => new Schedules().run()).toThrow('x');
  expect(listener.tasks).toMatchObject([{ kind: 'schedule', handler: 'Schedules.run' }]);
});

it('passes on results and errors, also if its listener fails', async () => {
  const promise = Object.assign(Promise.resolve(1), { id: 'own' });
  const error = new Error('x');
  class Schedules {
    value() {
      return 1;
    }
    same() {
      return promise;
    }
    sync() {
      throw error;
    }
    async async() {
      await Promise.resolve();
      throw error;
    }
  }
  asSchedule(Schedules, 'value', 'same', 'sync', 'async');
  const failing: TaskListener = {
    ...recorder(),
    failed: () => {
      throw new Error('of the listener');
    },
  };
  const schedules = new Schedules();
  wrapTasks(modulesOf(schedules), failing);
  expect(schedules.value()).toBe(1);
  expect(schedules.same()).toBe(promise);
  expect(() => schedules.sync()).toThrow(error);
  await expect(schedules.async()).rejects.toBe(error);
});

it('leaves frozen classes and mocks of any kind as they are', () => {
  class Frozen {
    run(): void {
      // Nothing to do.
    }
  }
  asSchedule(Frozen, 'run');
  Object.freeze(Frozen.prototype);
  const { run } = Frozen.prototype;
  const hostile = new Proxy(() => undefined, {
    get() {
      throw new Error('hostile');
    },
  });
  const mocks = [{ constructor: hostile }, Object.create(null) as object, () => undefined, new Proxy({}, {})];
  wrapTasks(modulesOf(new Frozen(), ...mocks), recorder());
  expect(Frozen.prototype.run).toBe(run);
});

it('ignores a call of a method that another one overrides', () => {
  class Base {
    run(): void {
      throw new Error('x');
    }
  }
  class Derived extends Base {
    override run(): void {
      try {
        super.run();
      } catch {
        // Handled.
      }
    }
  }
  asSchedule(Base, 'run');
  asSchedule(Derived, 'run');
  const listener = recorder();
  wrapTasks(modulesOf(new Base(), new Derived()), listener);
  new Derived().run();
  expect(listener.tasks).toEqual([]);
});
