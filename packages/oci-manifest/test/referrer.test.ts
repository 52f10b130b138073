/** Referrers as lists name them. */
import { type Digest, digestOf } from '@varve/digest'
import fc from 'fast-check'
import t from 'tap'
import { isTag, referrersTag } from '../src/index.ts'

t.test('C14: the tag has each part of the digest, cut to what a tag may have', async (t) => {
  const hex = digestOf(new TextEncoder().encode('x')).slice(7)
  t.equal(referrersTag(`sha256:${hex}` as Digest), `sha256-${hex}`)
  t.equal(referrersTag(`sha512:${hex}${hex}` as Digest), `sha512-${hex}`)
  t.equal(
    referrersTag(`a+b_${'c'.repeat(40)}:x=y/${'z'.repeat(80)}` as Digest),
    `a-b_${'c'.repeat(28)}-x-y-${'z'.repeat(60)}`,
  )
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z0-9]{1,40}([+._-][a-z0-9]{1,9}){0,3}$/),
      fc.stringMatching(/^[a-zA-Z0-9=_-]{1,200}$/),
      (algorithm, encoded) => isTag(referrersTag(`${algorithm}:${encoded}` as Digest)),
    ),
  )
})
