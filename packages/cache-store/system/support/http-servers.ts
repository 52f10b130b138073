/**
 * Cache servers of others, each on a free port of the loopback and in a directory of its own.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { findProgram, type Needs, needs } from '@varve/testing/peers'
import { type RunningServer, startServer } from '@varve/testing/servers'

const BAZEL_REMOTE = 'bazel-remote'

/** What a test of bazel-remote needs. */
export function needsBazelRemote(): Needs {
  return needs(BAZEL_REMOTE)
}

/** Starts bazel-remote, which looks into action entries; `options` go to its command line. */
export function startBazelRemote(
  t: Test,
  directory: string,
  options: readonly string[] = ['--max_size=1'],
): Promise<RunningServer> {
  return startServer(t, (port) => [
    findProgram(BAZEL_REMOTE) ?? BAZEL_REMOTE,
    `--dir=${directory}`,
    `--http_address=127.0.0.1:${port}`,
    '--grpc_address=none',
    ...options,
  ])
}

/** Starts nginx as a store of files: WebDAV's PUT, ranges, no checks of any kind. */
export function startNginx(t: Test, directory: string, methods = 'PUT DELETE'): Promise<RunningServer> {
  for (const name of ['root', 'body']) mkdirSync(join(directory, name))
  return startServer(t, (port) => {
    writeFileSync(join(directory, 'nginx.conf'), nginxConfiguration(directory, port, methods))
    return ['nginx', '-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr']
  })
}

function nginxConfiguration(directory: string, port: number, methods: string): string {
  return `
    daemon off;
    worker_processes 1;
    pid ${directory}/nginx.pid;
    error_log stderr;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    events {}
    http {
      access_log off;
      client_body_temp_path ${directory}/body;
      proxy_temp_path ${directory}/proxy;
      fastcgi_temp_path ${directory}/fastcgi;
      uwsgi_temp_path ${directory}/uwsgi;
      scgi_temp_path ${directory}/scgi;
      server {
        listen 127.0.0.1:${port};
        root ${directory}/root;
        client_max_body_size 0;
        default_type application/octet-stream;
        location / {
          dav_methods ${methods};
          create_full_put_path on;
        }
      }
    }
  `
}
