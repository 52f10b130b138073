/**
 * EXPOSE: ports, protocols and ranges.
 *
 * @module
 */
import { problem } from '../dockerfile/problem.ts'

/** `host:first-last/protocol`, all but the first port optional. */
const PORT = /^([^/]*:)?(\d{1,5})(?:-(\d{1,5}))?(?:\/([A-Za-z]+))?$/
const HIGHEST = 65_535
const PROTOCOLS = new Set(['tcp', 'udp', 'sctp'])

/** Ports as the configuration holds them, and what is wrong with how they were written. */
export interface ExposedPorts {
  /** `80/tcp`, ranges written out, each once, in numerical order. */
  readonly ports: readonly string[]
  readonly warnings: ReadonlyArray<{ readonly rule: string; readonly message: string }>
}

/**
 * Reads the words of an EXPOSE. A host part, as in `8080:80`, is left out: an image cannot publish a port.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE`
 */
export function parsePorts(words: readonly string[]): ExposedPorts {
  const warnings: Array<{ rule: string; message: string }> = []
  const ports = words.flatMap((word) => {
    const [, host, first, last = first, written = 'tcp'] = PORT.exec(word) ?? []
    const [from, to, protocol] = [Number(first), Number(last), written.toLowerCase()]
    if (first === undefined || from > to || to > HIGHEST || !PROTOCOLS.has(protocol)) {
      throw problem(`Invalid port ${JSON.stringify(word)}`)
    }
    if (host !== undefined) {
      const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${word}'`
      warnings.push({ rule: 'ExposeInvalidFormat', message })
    }
    if (written !== protocol) {
      const message = `Defined protocol '${word}' in EXPOSE instruction should be lowercase`
      warnings.push({ rule: 'ExposeProtoCasing', message })
    }
    return Array.from({ length: to - from + 1 }, (_, index) => ({ port: from + index, protocol }))
  })
  const inOrder = ports.toSorted((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1))
  return { ports: [...new Set(inOrder.map(({ port, protocol }) => `${port}/${protocol}`))], warnings }
}
