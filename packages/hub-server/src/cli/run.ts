/**
 * `agentmesh-hub` from start to exit: opens the store, serves, and stops on a signal without loss.
 * Owns the order of these steps, what is printed and the exit codes; options are `options`.
 */
import { systemHost } from '@agentmesh/hub-local';
import type { HubStore, Registration } from '@agentmesh/hub-local';
import { AgentMeshError, hubIdOf, ready, toBase64Url } from '@agentmesh/protocol';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { BannedAgents } from '../control/banned.js';
import type { OperatorSocket } from '../control/operator.js';
import type { StoreOperations } from '../control/store-operations.js';
import { loadOrCreateCertificate, readTlsIdentity } from '../certificate.js';
import { HubMetrics } from '../hub-metrics.js';
import { NetworkHubServer } from '../network-hub-server.js';
import { SqliteHubStore } from '../sqlite/sqlite-hub-store.js';
import { HubStoreError, storeErrorOf } from '../sqlite/store-error.js';
import { prepareFolder } from '../private-files.js';
import { lineOf, ServerError, textOf } from '../server-error.js';
import { VERSION } from '../version.js';
import { helpText } from './help.js';
import { openControl } from './operating.js';
import { readCommand } from './options.js';
import type { Command, HubConfig } from './options.js';
import { readRegistration, tokenPathOf } from './registration-files.js';
import { shownStore } from './store-options.js';

/** Between a red `/readyz` and the first goodbye. */
const RETIRE_MS = 500;
/** The whole of stopping; within the ten seconds that supervisors wait. */
const STOP_MS = 9_000;
const FAILED = 1;
const MISUSED = 2;

/** What the command needs of its process. */
export interface CommandProcess {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
  readonly exit: (code: number) => void;
  readonly onSignal: (signal: 'SIGTERM' | 'SIGINT', listener: () => void) => void;
}

/** Runs the command; whatever goes wrong is one line on stderr and a non-zero exit. */
export async function run(command: CommandProcess): Promise<void> {
  try {
    const wanted = readCommand(command.args, command.env);
    if (wanted.name === 'help') return command.print(helpText());
    if (wanted.name === 'version') return command.print(`${VERSION}\n`);
    await serve(wanted, command);
  } catch (error) {
    command.complain(`agentmesh-hub: ${lineOf(error)}\n`);
    const isMisuse = error instanceof AgentMeshError && error.code === 'BAD_OPTION';
    command.exit(isMisuse ? MISUSED : FAILED);
  }
}

async function serve(
  { config, ignored }: Extract<Command, { name: 'serve' }>,
  command: CommandProcess,
): Promise<void> {
  const logger = pino({ level: config.logLevel, base: null });
  if (ignored.length > 0) {
    logger.warn(
      { ignored },
      'ignored: set by Kubernetes for a Service of this name, not for the hub',
    );
  }
  const meter = new HubMetrics();
  let fail = (_error: AgentMeshError): void => undefined;
  const store = await openStore(config, meter, (error) => fail(error));
  const parts = await started(config, { store, meter, logger }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const { server } = parts;
  const control = await openControl(config, { store, logger, ...parts });
  const stop = stopper({ server, store, logger, command, control });
  fail = (error) => {
    command.complain(`agentmesh-hub: ${lineOf(error)}\n`);
    stop(FAILED);
  };
  command.onSignal('SIGTERM', () => stop(0));
  command.onSignal('SIGINT', () => stop(0));
  announce(config, server, logger);
}

/** A store that its operator can ask. */
type OperatedStore = HubStore & { readonly operations: StoreOperations };

/** NATS is loaded only by those who want it. */
async function openStore(
  config: HubConfig,
  meter: HubMetrics,
  onFatal: (error: AgentMeshError) => void,
): Promise<OperatedStore> {
  const { store, data, maxDiskBytes, acceptLostLog } = config;
  prepareData(data);
  if (store.kind === 'nats') {
    await ready();
    const { JetStreamHubStore } = await loadJetStream();
    return JetStreamHubStore.open({ ...store, onFatal });
  }
  return SqliteHubStore.open({
    folder: store.folder,
    quotaBytes: maxDiskBytes ?? undefined,
    acceptLostLog,
    onCommitTime: (milliseconds) => meter.committed(milliseconds),
    onFatal,
  });
}

function prepareData(folder: string): void {
  let fault: string | null;
  try {
    fault = prepareFolder(folder);
  } catch (error) {
    throw storeErrorOf(error, folder);
  }
  if (fault !== null) throw new HubStoreError('STORE_UNSAFE', { detail: fault });
}

/** The clients of NATS are installed by those who use it. */
async function loadJetStream(): Promise<typeof import('../jetstream.js')> {
  try {
    return await import('../jetstream.js');
  } catch (cause) {
    if (textOf(cause, 'code') !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const detail = '--store nats: npm install @nats-io/jetstream @nats-io/transport-node';
    throw new ServerError('MISSING_PACKAGE', { detail, cause });
  }
}

interface Parts {
  readonly store: HubStore;
  readonly meter: HubMetrics;
  readonly logger: Logger;
}

interface Started {
  readonly server: NetworkHubServer;
  readonly banned: BannedAgents;
  readonly registration: Registration;
}

async function started(config: HubConfig, parts: Parts): Promise<Started> {
  const { host, port, behindProxy, allowPlaintext, limits, metrics, data } = config;
  const { allowedOrigins, allowedHosts, requireTls } = config;
  const tls =
    config.tls === null
      ? await loadOrCreateCertificate(data, systemHost.clock())
      : readTlsIdentity(config.tls.cert, config.tls.key);
  const registration = readRegistration(config);
  const banned = BannedAgents.read(data);
  const server = new NetworkHubServer({
    ...parts,
    host,
    port,
    tls,
    behindProxy,
    allowPlaintext,
    plaintextOnLoopback: !requireTls,
    allowedOrigins,
    allowedHosts,
    registration,
    isBlocked: (aid) => banned.has(aid),
    limits,
    metrics,
  });
  await server.start();
  return { server, banned, registration };
}

/** The configuration as it is in force, without secrets, and the key to pin. */
function announce(config: HubConfig, server: NetworkHubServer, logger: Logger): void {
  const { limits, tls, store: storeConfig, ...rest } = config;
  const store = shownStore(storeConfig);
  const certificate = tls?.cert ?? 'self-made';
  const tokens = config.registration === 'token' ? { tokens: tokenPathOf(config) } : {};
  logger.info({ version: VERSION, ...rest, store, certificate, limits }, 'configuration');
  const { port, hubKey } = server;
  const keys = { hubKey: toBase64Url(hubKey), hubId: toBase64Url(hubIdOf(hubKey)) };
  const { host, registration } = config;
  logger.info({ host, port, ...keys, registration, ...tokens }, 'listening');
}

/** The first call stops in order, the second at once. */
function stopper(parts: {
  readonly server: NetworkHubServer;
  readonly store: HubStore;
  readonly logger: Logger;
  readonly command: CommandProcess;
  readonly control: OperatorSocket | null;
}): (code: number) => void {
  const { server, store, logger, command, control } = parts;
  let isStopping = false;
  return (code) => {
    if (isStopping) return command.exit(code === 0 ? FAILED : code);
    isStopping = true;
    setTimeout(() => command.exit(FAILED), STOP_MS).unref();
    server.retire();
    logger.info({}, 'stopping');
    setTimeout(() => {
      Promise.all([server.stop(), control?.close()])
        .then(() => store.close())
        .then(() => logger.info({}, 'stopped'))
        .then(
          () => command.exit(code),
          (error: unknown) => {
            command.complain(`agentmesh-hub: ${lineOf(error)}\n`);
            command.exit(FAILED);
          },
        );
    }, RETIRE_MS);
  };
}
