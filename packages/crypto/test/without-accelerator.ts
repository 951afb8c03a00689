/** Set before any module is loaded: these tests run as if `sodium-native` were not installed. */
process.env['AGENTMESH_ACCELERATOR'] = 'off';
