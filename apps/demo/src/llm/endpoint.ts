/**
 * Which language model the example talks to: the endpoint that the environment names, or the local
 * stand-in. Owns reading `OPENAI_BASE_URL`, `OPENAI_API_KEY` and `OPENAI_MODEL`.
 */
import { DemoError } from '../demo-error.js';

/** An endpoint that speaks the chat completions API. */
export interface Endpoint {
  /** `undefined` = the client's own default. */
  readonly baseUrl: string | undefined;
  readonly apiKey: string;
  readonly model: string;
}

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Servers on one's own machine mostly ask for no key, but the client wants one. */
const NO_KEY = 'none';

/**
 * The endpoint that the environment names, or `null` when it names none. A lone key names none:
 * many machines have one for other purposes. An endpoint without a model is an error.
 */
export function endpointFrom(env: Environment): Endpoint | null {
  const baseUrl = env['OPENAI_BASE_URL'] || undefined;
  const apiKey = env['OPENAI_API_KEY'] || undefined;
  const model = env['OPENAI_MODEL'] || undefined;
  if (baseUrl === undefined && model === undefined) return null;
  if (model === undefined) throw new DemoError('OPENAI_BASE_URL is set: set OPENAI_MODEL too');
  if (baseUrl === undefined && apiKey === undefined) {
    throw new DemoError('OPENAI_MODEL is set: set OPENAI_BASE_URL or OPENAI_API_KEY too');
  }
  if (baseUrl !== undefined && !isHttpUrl(baseUrl)) {
    throw new DemoError('OPENAI_BASE_URL is not an http or https URL');
  }
  return { baseUrl, apiKey: apiKey ?? NO_KEY, model };
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
