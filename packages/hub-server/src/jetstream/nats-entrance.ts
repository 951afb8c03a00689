/**
 * The first steps into NATS: a connection that never gives up once it stands, and JetStream behind
 * it. Owns what is said when one of them is missing; everything after is `nats-link`.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import { connectErrorOf, hasApiCode, JetStreamStoreError } from './jetstream-error.js';

const RECONNECT_MS = 250;
/** JetStream is off: for the server, or for this account. */
const DISABLED = [10_039, 10_076];

/** STORE_UNREACHABLE, STORE_CREDENTIALS, STORE_TLS. */
export async function enterNats(settings: NodeConnectionOptions): Promise<NatsConnection> {
  const lasting = { maxReconnectAttempts: -1, reconnectTimeWait: RECONNECT_MS };
  try {
    return await connect({ ...settings, ...lasting });
  } catch (thrown) {
    throw connectErrorOf(thrown);
  }
}

/** STORE_UNSUITABLE without JetStream. */
export async function managerOf(
  connection: NatsConnection,
  timeout: number,
): Promise<JetStreamManager> {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout });
  try {
    await manager.getAccountInfo();
    return manager;
  } catch (thrown) {
    if (!isDisabled(thrown)) throw thrown;
    const detail = 'JetStream is not enabled: give nats-server a jetstream block, or -js';
    throw new JetStreamStoreError('STORE_UNSUITABLE', { detail, cause: thrown });
  }
}

/** Nobody answers for JetStream, or it says so itself. */
function isDisabled(thrown: unknown): boolean {
  const names = ['NoRespondersError', 'JetStreamNotEnabled'];
  if (thrown instanceof Error && names.includes(thrown.name)) return true;
  return hasApiCode(thrown, DISABLED);
}
