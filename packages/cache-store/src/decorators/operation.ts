/**
 * What stores do, by name: for meters, for events of tiers, and for faults on purpose.
 *
 * @module
 */

/** `read` is the reading of a source that `get` gave; `commit` ends what `ingest` began. */
export type OperationName =
  | 'missing'
  | 'get'
  | 'read'
  | 'put'
  | 'ingest'
  | 'commit'
  | 'delete'
  | 'record-get'
  | 'record-put'
  | 'ref-read'
  | 'ref-update'
  | 'ref-list'
