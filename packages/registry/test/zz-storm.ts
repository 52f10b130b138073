import { createServer } from 'node:http'
import { bytesSource, describe } from '@varve/digest'
import { createRegistryClient } from '../src/index.ts'
let bad = 0
process.on('unhandledRejection', (e) => { bad++; console.log('UNHANDLED', e) })
process.on('warning', (w) => console.log('WARNING', w.message))
let calm = false
let seed = 7
const random = () => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff)
const payload = Buffer.alloc(300_000, 1)
const d = describe('application/octet-stream', payload)
const sockets = new Set<any>()
const server = createServer((request, response) => {
  request.on('error', () => undefined); response.on('error', () => undefined)
  request.resume()
  const r = random()
  if (calm) return void (request.method === 'HEAD' ? response.writeHead(404).end() : response.writeHead(request.method === 'POST' ? 202 : 201, { location: '/up' }).end())
  if (r < 0.15) return void response.destroy()
  if (r < 0.25) return void response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://127.0.0.1:' + port + '/token"' }).end('no')
  if (r < 0.35) return void response.writeHead(503, { 'retry-after': '0' }).end('x'.repeat(100_000))
  if (r < 0.45) { response.writeHead(200, { 'content-length': '300000' }); response.write(payload.subarray(0, 1000)); return void setTimeout(() => response.destroy(), 20) }
  if (r < 0.5) return // silence
  if (r < 0.6) return void response.writeHead(307, { location: '/v2/x/other' + random() }).end()
  if (r < 0.8) return void response.writeHead(206, { 'content-range': 'bytes 0-9/300000' }).end('0123456789')
  return void response.writeHead(request.method === 'POST' ? 202 : 200, { location: '/up', range: '0-99', 'content-length': String(0) }).end()
})
server.on('connection', (s) => { sockets.add(s); s.on('close', () => sockets.delete(s)); s.on('error', () => undefined) })
await new Promise<void>((r) => server.listen(0, '127.0.0.1', r))
const port = (server.address() as any).port
const client = createRegistryClient({ retries: 2, transfer: { parallelBytes: 1000, monolithicBytes: 1000, chunkBytes: 50_000 } })
const work = []
for (let i = 0; i < 200; i++) {
  const repo = client.repository(`127.0.0.1:${port}/x${i % 7}`)
  const signal = AbortSignal.timeout(50 + random() * 6000)
  const kind = i % 5
  work.push((async () => {
    if (kind === 0) for await (const c of repo.blob(d).open({ signal })) { void c; if (random() < 0.5) break }
    else if (kind === 1) await repo.write(d, bytesSource(payload), { signal })
    else if (kind === 2) await repo.resolve('a', { signal })
    else if (kind === 3) for await (const tag of repo.tags({ signal })) void tag
    else await repo.referrers(d.digest, { signal })
  })())
}
const results = await Promise.allSettled(work)
const codes: Record<string, number> = {}
for (const r of results) { const c = r.status === 'fulfilled' ? 'ok' : ((r.reason as any).code ?? (r.reason as any).name); codes[c] = (codes[c] ?? 0) + 1; if (r.status === 'rejected' && typeof (r.reason as any).code !== 'string' ) console.log(r.reason.stack?.slice(0, 300)) }
console.log(codes)
calm = true
await new Promise((r) => setTimeout(r, 500))
const t0 = Date.now()
await Promise.all(Array.from({ length: 30 }, (_, i) => client.repository(`127.0.0.1:${port}/y${i}`).write(d, bytesSource(payload), { signal: AbortSignal.timeout(15000) })))
console.log('calm ok', Date.now() - t0, 'sockets', sockets.size, 'unhandled', bad)
await client.close()
server.close(); 
await new Promise((r) => setTimeout(r, 300))
console.log('sockets after close', sockets.size, process.getActiveResourcesInfo())
