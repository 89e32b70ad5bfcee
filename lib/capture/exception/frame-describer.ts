import { ChunkIds } from './chunk-ids.js';
import { FrameNames } from './frame-names.js';
import { type SourceContext, SourceLines } from './source-lines.js';
import { type StackCall } from './stack-calls.js';

/** A call, in the format of PostHog's error tracking. */
export interface StackFrame extends Partial<SourceContext> {
  readonly platform: 'node:javascript';
  /** Relative to the working directory. */
  readonly filename: string;
  /** Such as `orders:orders.service`. */
  readonly module?: string;
  /** `?` if it has no name. */
  readonly function: string;
  readonly lineno: number;
  readonly colno: number;
  /** false for Node's own code and for packages. */
  readonly in_app: boolean;
  /** The id under which the source map of the file was uploaded. */
  readonly chunk_id?: string;
}

/** The calls of one error. */
export interface Stack {
  /** The outermost first. */
  readonly calls: readonly StackCall[];
  /** False for a stack that came as text: the files that it names are not read. */
  readonly isOwn: boolean;
}

/** Turns calls into frames: with names that do not depend on the deployment, ids of source maps, and source lines. */
export class FrameDescriber {
  readonly #names = new FrameNames();
  readonly #chunks = new ChunkIds();
  readonly #source: SourceLines | undefined;

  /** @param sourceContext true: frames have the lines of their source files */
  constructor(sourceContext: boolean) {
    this.#source = sourceContext ? new SourceLines() : undefined;
  }

  /** @param stacks of the errors of one event, that of the captured error first */
  framesOf(stacks: readonly Stack[]): StackFrame[][] {
    this.#chunks.refresh();
    const contexts = this.#contextsOf(stacks);
    return stacks.map(({ calls }) => calls.map((call) => this.#frameOf(call, contexts?.get(call))));
  }

  #contextsOf(stacks: readonly Stack[]): ReadonlyMap<object, SourceContext> | undefined {
    // With a source map, PostHog has the original source.
    const isRead = ({ path }: StackCall): boolean => this.#chunks.idOf(path) === undefined;
    const places = stacks.flatMap(({ calls, isOwn }) => (isOwn ? calls.filter(isRead).reverse() : []));
    return this.#source?.contextsOf(
      places,
      places.find(({ isOwn }) => isOwn),
    );
  }

  #frameOf({ path, lineno, colno, isOwn, ...call }: StackCall, context: SourceContext | undefined): StackFrame {
    const module = this.#names.moduleOf(path);
    const chunkId = this.#chunks.idOf(path);
    return {
      platform: 'node:javascript',
      filename: this.#names.filenameOf(path),
      ...(module !== undefined && { module }),
      function: call.function,
      lineno,
      colno,
      in_app: isOwn,
      ...(chunkId !== undefined && { chunk_id: chunkId }),
      ...context,
    };
  }
}
