// npm does not install these two by itself, and Jest cannot require their version 12. Plain calls of require, so that bundlers see them.
attempt('@nestjs/config', () => require('@nestjs/config'));
attempt('@nestjs/axios', () => require('@nestjs/axios'));

function attempt(name: string, load: () => unknown): void {
  try {
    load();
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new Error(`nestjs-posthog-capture cannot load its peer ${name}: ${reason}\n${remedy()}`, { cause: error });
  }
}

function remedy(): string {
  const versions = [
    ['10 and 11', 4],
    ['12', 12],
  ] as const;
  const lines = versions.map(
    ([nest, major]) => `  Nest ${nest}: npm install @nestjs/axios@${major} @nestjs/config@${major}`,
  );
  return `Install the version for your Nest version:\n${lines.join('\n')}\nor run: npx nestjs-posthog-capture init`;
}

export {};
