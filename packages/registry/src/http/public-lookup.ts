/**
 * Names that must be of the public internet.
 *
 * A name can be checked and then mean something else a moment later, so the check is part of connecting: the address
 * that was looked at is the one that is used.
 *
 * @module
 */
import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { RegistryError } from '../errors.ts'
import { isPrivateAddress } from '../hosts/addresses.ts'

/** Finds addresses by `resolve`, and fails with `ERR_REGISTRY_REFUSED` if any of them is inside a private network. */
export function createPublicLookup(resolve: LookupFunction = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      const addresses = Array.isArray(found) ? found : []
      const [first] = addresses
      if (error !== null || first === undefined) callback(error, '', 0)
      else if (addresses.some(({ address }) => isPrivateAddress(address)))
        callback(privateName(hostname), '', 0)
      else if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

function privateName(hostname: string): RegistryError {
  const message = `${JSON.stringify(hostname)} is the name of an address inside a private network`
  return new RegistryError('ERR_REGISTRY_REFUSED', message)
}
