/**
 * Capabilities of a process in RUN.
 *
 * @module
 */

/** Docker's default set, CapEff a80425fb: what BuildKit gives to RUN. */
export const CAPABILITIES: readonly string[] = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'setgid',
  'setuid',
  'setpcap',
  'net_bind_service',
  'net_raw',
  'sys_chroot',
  'mknod',
  'audit_write',
  'setfcap',
]
