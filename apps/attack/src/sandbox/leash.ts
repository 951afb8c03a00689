/**
 * Loaded first by every process of the sandbox: it ends when the round that started it is gone, be
 * that killed. Owns nothing else.
 */
import process from 'node:process';

const LOOK_MS = 250;

/** The round may be gone before this is reached. */
const round = Number(process.env['AGENTMESH_ATTACK_ROUND'] ?? process.ppid);
const looking = setInterval(() => {
  // Whoever has lost its parent gets another one.
  if (process.ppid !== round) process.exit();
}, LOOK_MS);
looking.unref();
