/**
 * The command: runs the documented examples, all of them or those that are named, one after the
 * other. Owns arguments and the exit code.
 */
import process from 'node:process';
import { demo } from './demo.js';

process.exitCode = await demo(process.argv.slice(2), process.stdout, process.env);
