import t from 'tap'
import { createWorkbench } from './support/workbench.ts'
t.setTimeout(1_200_000)
const bench = createWorkbench()
t.teardown(() => bench.close())
void t.test('explore', async (t) => {
  await bench.base()
  const commands = [
    'mkdir -p /d/keep /d/gone /d/again /d/turn && for f in keep/f keep/g gone/f again/old again/same turn/x; do echo 1 > /d/$f; done; echo file > /turned; ln -s /d /link',
    'rm /d/keep/f && rm -rf /d/gone /d/again && mkdir /d/again && echo 1 > /d/again/same && echo 2 > /d/again/new',
    'rm /turned && mkdir /turned && echo x > /turned/in && rm -rf /d/turn && echo file > /d/turn && rm /link && mkfifo /link',
    'mkdir -m 1777 /n && cd /n && echo 1 > a && ln a b && ln -s a c && chmod 4755 a && echo 2 > e && chown 7:8 e && chmod 600 e && mkfifo -m 640 p && echo 3 > "$(printf \'caf\\351\')" && mkdir s && chmod 2750 s && chown 1000:2000 s && ln -s /nowhere dangling && chown -h 5:6 dangling',
    'touch /etc/passwd /d/keep && cat /etc/group > /tmp && cat /tmp > /etc/group && rm /tmp && chmod 600 /etc/passwd && chmod 644 /etc/passwd && chown 1 /bin/busybox && chown 0 /bin/busybox',
    'true',
  ]
  const b = await bench.build(bench.context(['FROM base', ...commands.map((c) => `RUN ${c}`)].join('\n')))
  for (const [i, c] of commands.entries()) console.error(c, await bench.members(b, i - commands.length))
})
