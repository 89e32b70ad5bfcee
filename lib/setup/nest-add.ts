import { planSetup } from './plan-setup.js';

/** The parts of a schematic's `Tree` and `SchematicContext` that are used here. They come with the Nest CLI of the application. */
interface Tree {
  read(path: string): Buffer | null;
  exists(path: string): boolean;
  create(path: string, content: string): void;
  overwrite(path: string, content: string): void;
}
interface SchematicContext {
  readonly logger: { info(message: string): void; warn(message: string): void };
  addTask(task: { toConfiguration(): object }): unknown;
}

/** Lets the CLI install what package.json names, with the package manager that the lock file belongs to. */
const INSTALL = {
  toConfiguration: () => ({ name: 'node-package', options: { command: 'install', quiet: true, hideOutput: true } }),
};

/** `nest add nestjs-posthog-capture` runs this after it has installed the package. */
export function nestAdd({ sourceRoot }: { sourceRoot?: string }): (tree: Tree, context: SchematicContext) => void {
  return (tree, context) => {
    const files = { read: (path: string) => tree.read(path)?.toString('utf8') };
    const { changes, manual, needsInstall } = planSetup(files, sourceRoot ?? 'src');
    for (const [path, text] of changes) {
      if (tree.exists(path)) tree.overwrite(path, text);
      else tree.create(path, text);
    }
    for (const step of manual) context.logger.warn(step);
    if (needsInstall) context.addTask(INSTALL);
    context.logger.info(nextSteps(changes.size));
  };
}

/** @param changed the number of files that changed */
export function nextSteps(changed: number): string {
  const done = changed === 0 ? 'Nothing to change: nestjs-posthog-capture is set up.\n' : '';
  return `${done}Set POSTHOG_API_KEY in the environment of the application. To see events without a PostHog project, start a local one:

  npx posthog-capture listen --port 8010
  POSTHOG_API_KEY=phc_local POSTHOG_HOST=http://127.0.0.1:8010 npm start
`;
}
