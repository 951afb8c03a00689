/**
 * An invite as a QR code for a terminal, to be read with a camera instead of pasted. Owns the
 * choice of its form; the code itself is `uqr`'s, loaded when one is asked for.
 */
import { AgentError } from '@agentmesh/agent';
import { decodeInvite } from '@agentmesh/protocol';

/**
 * The link of an invite as lines of half blocks, with a quiet border, dark on light. Rejects with
 * BAD_INVITE. The code is as secret as the link.
 */
export async function inviteQr(link: string): Promise<string> {
  if (decodeInvite(link) === null) throw new AgentError('BAD_INVITE');
  const { renderUnicodeCompact } = await import('uqr');
  return renderUnicodeCompact(link.trim(), { border: 2, ecc: 'M' });
}
