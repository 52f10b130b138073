/**
 * EXPOSE: ports, protocols and ranges.
 *
 * @module
 */
import { BuilderError, type SourceLocation } from '../errors.ts'

const PORT = /^(?:[^/]*:)?(\d+)(?:-(\d+))?(?:\/([A-Za-z]+))?$/
const PROTOCOLS = new Set(['tcp', 'udp', 'sctp'])

/**
 * Ports in the form the configuration holds, `80/tcp`, ranges written out, in numerical order.
 *
 * A host part, as in `8080:80`, is ignored: an image cannot publish a port.
 */
export function parsePorts(words: readonly string[], location: SourceLocation): string[] {
  const ports = words.flatMap((word) => {
    const [, first, last = first, protocol = 'tcp'] = PORT.exec(word) ?? []
    const [from, to] = [Number(first), Number(last)]
    const valid = first !== undefined && from <= to && to <= 65_535 && PROTOCOLS.has(protocol.toLowerCase())
    if (!valid) {
      throw new BuilderError('ERR_BUILDER_DOCKERFILE', `Invalid port ${JSON.stringify(word)}`, { location })
    }
    return Array.from({ length: to - from + 1 }, (_, index) => ({
      port: from + index,
      protocol: protocol.toLowerCase(),
    }))
  })
  const inOrder = ports.toSorted((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1))
  return [...new Set(inOrder.map(({ port, protocol }) => `${port}/${protocol}`))]
}
