/**
 * The machine of the hub: a disk that outlives its processes, and one process after the other.
 * Owns starting and ending them; the hub is the real `LocalHub` over the real core.
 */
import { LocalHub } from '@agentmesh/hub-local';
import type { CoreLimits, HubStore } from '@agentmesh/hub-local';
import { HubHistory } from '../hub-history.js';
import type { Chance } from './chance.js';
import { hubStoreOn } from './hub-disk.js';
import type { HubDisk } from './hub-disk.js';
import { Machine } from './machine.js';
import type { Process } from './machine.js';
import type { Network } from './network.js';

export interface HubMachineOptions {
  readonly network: Network;
  readonly chance: Chance;
  readonly limits: Partial<CoreLimits>;
  readonly onStored: (envelopeId: Uint8Array) => void;
  /** Stands between the hub and its store, to break it. */
  readonly tamper?: ((store: HubStore) => HubStore) | undefined;
}

export class HubMachine {
  readonly machine: Machine;
  readonly disk: HubDisk;
  readonly #options: HubMachineOptions;
  #process: Process | null = null;

  constructor(options: HubMachineOptions) {
    this.#options = options;
    this.machine = new Machine(options.network.timeline, options.chance);
    this.disk = { history: new HubHistory(options.onStored), broken: false };
  }

  get isUp(): boolean {
    return this.#process !== null;
  }

  start(): void {
    if (this.#process !== null) return;
    const { limits, network, tamper = (store) => store } = this.#options;
    const process = this.machine.start();
    this.#process = process;
    const store = tamper(hubStoreOn(this.disk, process));
    const hub = new LocalHub({ store, limits, host: process.hubHost() });
    network.listen({ process, open: (client) => hub.open(client) });
  }

  /** `isSilent`: the machine goes too, and nobody tells its clients. */
  crash(isSilent: boolean): void {
    if (this.#process === null) return;
    this.#process.kill();
    this.#process = null;
    this.#options.network.hubDied(isSilent);
  }

  /** Its backup is put back: this share of its writes is gone, but not the first ones. */
  goBack(share: number, least: number): void {
    this.crash(false);
    const { history } = this.disk;
    const kept = Math.ceil(history.length * (1 - share));
    history.goBack(Math.max(kept, Math.min(least, history.length)));
  }
}
