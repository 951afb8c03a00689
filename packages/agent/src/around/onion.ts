/**
 * Layers of middleware around a task, the first added outermost. Owns the order, and that no error
 * of what is inside is lost by a layer that does not wait for it.
 */
import { AgentError } from '../ground/errors.js';

/** One layer: `next` runs what is inside of it. */
export type Layer<Context> = (context: Context, next: () => Promise<unknown>) => unknown;

/**
 * Runs a task inside of all layers. A layer that returns something stands in for what came from
 * inside; one that does not call `next` keeps the inside from running.
 */
function throughLayers<Context>(
  layers: readonly Layer<Context>[],
  context: Context,
  task: () => Promise<unknown>,
): Promise<unknown> {
  const [layer, ...inside] = layers;
  if (layer === undefined) return task();
  return throughLayer(layer, context, () => throughLayers(inside, context, task));
}

async function throughLayer<Context>(
  layer: Layer<Context>,
  context: Context,
  inside: () => Promise<unknown>,
): Promise<unknown> {
  let running: Promise<unknown> | null = null;
  let isSettled = false;
  const settled = (): void => void (isSettled = true);
  const next = (): Promise<unknown> => {
    const run = running === null ? inside() : Promise.reject(new AgentError('NEXT_TWICE'));
    // Nobody need wait for it: it is waited for here.
    run.catch(() => undefined);
    if (running !== null) return run;
    running = run;
    run.then(settled, settled);
    return run;
  };
  const value = await layer(context, next);
  const ran = running as Promise<unknown> | null;
  if (ran === null) return value;
  // A layer that has seen an error and returned has dealt with it; one that did not wait has not.
  const inner = await (isSettled ? ran.catch(() => undefined) : ran);
  return value === undefined ? inner : value;
}

/** Layers that are added and removed while they are used. */
export class Layers<Context> {
  #layers: readonly Layer<Context>[] = [];

  /** Adds one inside of the others; the returned function removes it. Throws BAD_OPTION. */
  use(layer: Layer<Context>): () => void {
    if (typeof layer !== 'function') throw new AgentError('BAD_OPTION', 'middleware: a function');
    // Added twice it runs twice, and is removed once each.
    const own: Layer<Context> = (context, next) => layer(context, next);
    this.#layers = [...this.#layers, own];
    return () => {
      this.#layers = this.#layers.filter((each) => each !== own);
    };
  }

  get isEmpty(): boolean {
    return this.#layers.length === 0;
  }

  run(context: Context, task: () => Promise<unknown>): Promise<unknown> {
    return throughLayers(this.#layers, context, task);
  }
}
