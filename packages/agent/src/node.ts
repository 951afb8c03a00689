/**
 * The door of `@agentmesh/agent` for Node: what needs a disk.
 * Browser-capable code never imports it.
 */
export {};
