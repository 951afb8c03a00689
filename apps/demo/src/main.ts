/**
 * Runs the documented examples, one after the other.
 * It owns nothing of the library: everything comes through public doors.
 */
import { version } from 'agentmesh';

process.stdout.write(`AgentMesh ${version}\n`);
