/**
 * Addresses that are not on the public internet: IANA's special-purpose registries, RFC 6890.
 *
 * @module
 */
import { BlockList, isIP } from 'node:net'

/** Whether a host name, as a parsed URL has it, is this machine. */
export function isLoopback(hostname: string): boolean {
  const name = withoutDot(hostname)
  return name === 'localhost' || contains(LOOPBACK, name)
}

/** Whether a host name, as a parsed URL has it, is spelled as an address inside some network, or as this machine. */
export function isPrivateHost(hostname: string): boolean {
  const name = withoutDot(hostname)
  return /(?:^|\.)localhost$/.test(name) || isPrivateAddress(name)
}

/**
 * Whether a host name means something inside of some network only: RFC 6762, RFC 8375, and what ICANN keeps for
 * private use. Clouds have their metadata services there.
 */
export function isInternalName(hostname: string): boolean {
  return /\.(?:localdomain|local|internal|home\.arpa)$/.test(withoutDot(hostname))
}

/** Whether an address, with or without brackets, is inside some network. */
export function isPrivateAddress(address: string): boolean {
  const bare = withoutBrackets(address)
  // A list with `::ffff:0:0/96` in it would hold all of IPv4.
  return isIP(bare) === 4 ? contains(PRIVATE_IPV4, bare) : contains(PRIVATE_IPV6, bare)
}

/** A host name as it is looked up: URLs write an address of IPv6 in brackets. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** A dot at the end makes no difference to a resolver. */
function withoutDot(hostname: string): string {
  return hostname.replace(/\.$/, '')
}

function contains(networks: BlockList, name: string): boolean {
  const address = withoutBrackets(name)
  const version = isIP(address)
  return version !== 0 && networks.check(address, version === 4 ? 'ipv4' : 'ipv6')
}

const LOOPBACK = blockList(['127.0.0.0/8', '::1/128'])

const PRIVATE_IPV4 = blockList([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
])

/** IPv4 inside IPv6 counts as private whatever it holds. */
const PRIVATE_IPV6 = blockList([
  '::/96',
  '::ffff:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
])

function blockList(prefixes: readonly string[]): BlockList {
  const list = new BlockList()
  for (const prefix of prefixes) {
    const [address = '', bits = ''] = prefix.split('/')
    // `isIP` compiles a large expression when it first meets an address of IPv6: 6 ms of every start (measured).
    list.addSubnet(address, Number(bits), address.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}
