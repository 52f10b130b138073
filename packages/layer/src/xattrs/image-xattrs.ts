/**
 * Which extended attributes belong to an image, and how their values are the same on every machine.
 *
 * @module
 */

/** Which attributes of a file count; the others are left out, and not reported. */
export type XattrFilter = (name: string) => boolean

/**
 * The default {@link XattrFilter}: all but those that belong to the host and not to the image. `security.selinux` is the
 * label the host's policy gives, `system.nfs4_acl` is made by its NFS, and the attributes of overlayfs would be taken by
 * it for its own.
 */
export function isImageXattr(name: string): boolean {
  return name !== 'security.selinux' && name !== 'system.nfs4_acl' && !OVERLAY.test(name)
}

/**
 * A value as it is in the initial user namespace. A file capability written inside a user namespace (revision 3) has the
 * id of that namespace's root at its end, which means nothing elsewhere: without it, it is one of revision 2.
 */
export function portableValue(name: string, value: Uint8Array): Uint8Array {
  if (name !== 'security.capability' || value.byteLength !== V3_BYTES || value[3] !== 3) return value
  const version2 = value.slice(0, V2_BYTES)
  version2[3] = 2
  return version2
}

const OVERLAY = /^[a-z]+\.overlay\./u

/** `XATTR_CAPS_SZ_2` and `_3` of linux/capability.h; the revision is the highest byte of the first little-endian word. */
const V2_BYTES = 20
const V3_BYTES = 24
