/** The content of a module, or undefined if it cannot be loaded. */
export type Imported = Promise<unknown>;

/** Files of Nest that are not part of its API. The imports are within a `try`, where bundlers accept a package that is not installed. */
export const seamImports = {
  async http(): Imported {
    try {
      return await import('@nestjs/core/router/router-exception-filters.js');
    } catch {
      return undefined;
    }
  },
  async routes(): Imported {
    try {
      return await import('@nestjs/core/router/router-execution-context.js');
    } catch {
      return undefined;
    }
  },
  async external(): Imported {
    try {
      return await import('@nestjs/core/exceptions/external-exception-filter-context.js');
    } catch {
      return undefined;
    }
  },
  async rpc(): Imported {
    try {
      return await import('@nestjs/microservices/context/exception-filters-context.js');
    } catch {
      return undefined;
    }
  },
  async ws(): Imported {
    try {
      return await import('@nestjs/websockets/context/exception-filters-context.js');
    } catch {
      return undefined;
    }
  },
};
