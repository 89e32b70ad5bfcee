/** The content of a module, or undefined if it cannot be loaded. */
export type Imported = Promise<unknown>;

/** Replaces `import-seams.ts` in the CommonJS build. `import()` would become a call of require outside of the `try`. */
export const seamImports = {
  http(): Imported {
    try {
      return Promise.resolve(require('@nestjs/core/router/router-exception-filters.js'));
    } catch {
      return Promise.resolve(undefined);
    }
  },
  routes(): Imported {
    try {
      return Promise.resolve(require('@nestjs/core/router/router-execution-context.js'));
    } catch {
      return Promise.resolve(undefined);
    }
  },
  external(): Imported {
    try {
      return Promise.resolve(require('@nestjs/core/exceptions/external-exception-filter-context.js'));
    } catch {
      return Promise.resolve(undefined);
    }
  },
  rpc(): Imported {
    try {
      return Promise.resolve(require('@nestjs/microservices/context/exception-filters-context.js'));
    } catch {
      return Promise.resolve(undefined);
    }
  },
  ws(): Imported {
    try {
      return Promise.resolve(require('@nestjs/websockets/context/exception-filters-context.js'));
    } catch {
      return Promise.resolve(undefined);
    }
  },
};
