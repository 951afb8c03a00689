/**
 * `whoami` and `peers`: who the agent is, and whom it knows. Owns their shapes; they look and
 * change nothing.
 */
import { ControlError } from '@agentmesh/cli';
import type { Control } from '@agentmesh/cli';
import type { McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { notice, withNotice } from './hub-away.js';
import { attempt, given } from './result.js';

const LOOKS = { readOnlyHint: true, openWorldHint: false } as const;

/** How far a peer is known. */
export const trust = z.enum(['first-contact', 'pinned', 'verified']);

/** A peer as tools tell it. */
export const peer = z.object({
  name: z.string(),
  address: z.string(),
  fingerprint: z.string(),
  trust,
});

/** Adds them. */
export function addIdentity(server: McpServer, control: Control): void {
  server.registerTool(
    'whoami',
    {
      title: 'Who am I',
      description: 'Name, address and fingerprint of your own agent, and whether it is online.',
      inputSchema: z.object({}),
      outputSchema: z.object({
        name: z.string(),
        address: z.string(),
        fingerprint: z.string(),
        connection: z.enum(['online', 'offline', 'ended', 'none']),
        notice,
      }),
      annotations: LOOKS,
    },
    () =>
      attempt(async () => {
        const { name, address, fingerprint, connection } = await control.call('whoami', {});
        const who = { name, address, fingerprint, connection };
        return withNotice(control, given(`${name} (${connection}), address ${address}`, who));
      }),
  );
  server.registerTool(
    'peers',
    {
      title: 'List peers',
      description:
        'Agents that yours knows, with how far their identity was checked. With all: true also ' +
        'the names of all agents on the hub, which anybody may have registered.',
      inputSchema: z.object({ all: z.boolean().default(false) }),
      outputSchema: z.object({ peers: z.array(peer), names: z.array(z.string()), notice }),
      annotations: LOOKS,
    },
    ({ all }) =>
      attempt(async () => {
        const known = (await control.call('peers', {})).peers;
        const names = all ? await namesOn(control) : [];
        const peers = known.map(({ name, address, fingerprint, trust: how }) => {
          return { name, address, fingerprint, trust: how };
        });
        const lines = peers.map(({ name, trust: how }) => `${name} (${how})`);
        const others = names.filter((name) => !peers.some((one) => one.name === name));
        const more = others.length === 0 ? [] : [`on the hub: ${others.join(', ')}`];
        const text = [...lines, ...more].join('\n') || 'no peers yet';
        return withNotice(control, given(text, { peers, names: [...names] }));
      }),
  );
}

/** None while the hub is away: the peers that are known here are told all the same. */
async function namesOn(control: Control): Promise<readonly string[]> {
  try {
    return (await control.call('names', {})).names;
  } catch (error) {
    if (error instanceof ControlError && error.code === 'HUB_AWAY') return [];
    throw error;
  }
}
